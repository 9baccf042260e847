"""Debian roots by mmdebstrap and single files out of packages by apt, both with the archive's signatures checked."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlstack.artifacts.aptsources import host_sources, source_lines
from mlstack.artifacts.archives import unpack
from mlstack.artifacts.disk import guard, make_directory, temporary_name
from mlstack.artifacts.rootfs import root_entries
from mlstack.artifacts.store import Store
from mlstack.artifacts.tree import LayerEntry
from mlstack.artifacts.trees import clean_work, remove_tree
from mlstack.core.errors import MlstackError
from mlstack.core.model import Paths
from mlstack.core.ports import Cancelled, Process, Shell
from mlstack.core.recipe import Archive, DebFiles, DebianRoot, fingerprint

_EPOCH = "1700000000"
"""SOURCE_DATE_EPOCH of maintainer scripts; times of files are set to 0 afterwards anyway."""
_PACKAGE = re.compile(r"^[a-z0-9][a-z0-9+.:=~_/-]*$")


class Debian:
    """Builds Debian parts of images. architecture: Debian's name (amd64, arm64)."""

    def __init__(self, shell: Shell, store: Store, paths: Paths, architecture: str) -> None:
        self._shell = shell
        self._store = store
        self._paths = paths
        self._architecture = architecture
        self._updated: set[str] = set()

    @contextmanager
    def root(
        self,
        recipe: DebianRoot,
        on_line: Callable[[str], None],
        cancelled: Cancelled,
        zips: Sequence[tuple[Archive, Path]] = (),
        tars: Sequence[Path] = (),
    ) -> Iterator[list[LayerEntry]]:
        """The entries of a root file system; their content lives as long as the block. zips: the recipe's archives on disk.
        tars: unpacked into the root after those.

        Raises debian.no-mmdebstrap, debian.bad-package, debian.build-failed, artifact.*, disk.*, run.interrupted.
        """
        _check_packages(recipe.packages)
        program = self._program("mmdebstrap")
        clean_work(self._paths.cache / "work")
        work = make_directory(temporary_name(make_directory(self._paths.cache / "work"), "debian"))
        tar = work / "root.tar"
        try:
            argv = [
                str(program),
                f"--variant={recipe.variant}",
                "--format=tar",
                f"--architectures={self._architecture}",
            ]
            argv += [f"--include={','.join(recipe.packages)}"] if recipe.packages else []
            argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.exclude]
            argv += ["--dpkgopt=force-unsafe-io"]  # the root is thrown away when the power fails
            argv += ['--aptopt=APT::Sandbox::User "root"', '--aptopt=Acquire::Languages "none"']
            into = [*unpack(zips, work, cancelled), *tars]
            argv += [f"--customize-hook=tar-in {shlex.quote(str(path))} /" for path in into]
            argv += [f'--customize-hook={shlex.quote(str(path))} "$1"' for path in _hooks(recipe, work)]
            lines = source_lines(recipe.suites, host_sources(), self._architecture)
            env = {"SOURCE_DATE_EPOCH": _EPOCH, "DEBIAN_FRONTEND": "noninteractive"}
            if os.geteuid() == 0:
                env["TMPDIR"] = str(make_directory(work / "tmp"))
            self._run([*argv, recipe.suites[0].suite, str(tar), *lines], env, on_line, cancelled)
            yield list(root_entries(tar, recipe.remove))
        finally:
            remove_tree(work)

    @contextmanager
    def files(
        self, recipe: DebFiles, on_line: Callable[[str], None], cancelled: Cancelled
    ) -> Iterator[list[LayerEntry]]:
        """Entries with files out of one package. Raises debian.no-apt, debian.no-file, debian.build-failed, disk.*."""
        _check_packages([recipe.package])
        work = make_directory(temporary_name(make_directory(self._paths.cache / "work"), "deb"))
        try:
            deb = self._download(recipe, work, on_line, cancelled)
            argv = [str(self._program("dpkg-deb")), "--extract", str(deb), str(make_directory(work / "files"))]
            self._run(argv, {}, on_line, cancelled)
            yield [_deb_entry(recipe, work / "files", name, to) for name, to in sorted(recipe.files.items())]
        finally:
            remove_tree(work)

    def _download(self, recipe: DebFiles, work: Path, on_line: Callable[[str], None], cancelled: Cancelled) -> Path:
        lines = source_lines([recipe.suite], host_sources(), self._architecture)
        key = fingerprint("apt", lines)[:16]
        state = make_directory(self._paths.cache / "apt" / key)
        apt = str(self._program("apt-get"))
        options = _apt_options(state, self._architecture)
        with self._store.lock(f"apt-{key}", cancelled):
            for part in ("lists/partial", "archives/partial", "etc"):
                make_directory(state / part)
            with guard(state):
                (state / "etc" / "sources.list").write_text("\n".join(lines) + "\n")
            if key not in self._updated:
                self._run([apt, *options, "update"], {}, on_line, cancelled)
                self._updated.add(key)
            self._run([apt, *options, "download", recipe.package], {}, on_line, cancelled, work)
        found = list(work.glob("*.deb"))
        if not found:
            raise MlstackError(
                "debian.build-failed", f"apt fetched no package {recipe.package}", remedy="correct the recipe"
            )
        return found[0]

    def _program(self, name: str) -> Path:
        program = self._shell.which(name)
        if program is None:
            raise MlstackError(
                f"debian.no-{name}",
                f"Building this image needs {name}, which is not on this host",
                why="Debian parts of images are made by Debian's own tools",
                remedy=f"on Debian or Ubuntu: `mlstack doctor --fix` or `apt-get install {name}`; "
                "on other systems use artifacts.source: registry or bundle",
            )
        return program

    def _run(
        self,
        argv: Sequence[str],
        env: dict[str, str],
        on_line: Callable[[str], None],
        cancelled: Cancelled,
        cwd: Path | None = None,
    ) -> Process:
        name = Path(argv[0]).name
        log = make_directory(self._paths.cache / "logs") / f"{name}.log"
        result = self._shell.run(
            argv, env={"LC_ALL": "C.UTF-8", **env}, log=log, on_line=on_line, timeout=3600, cancelled=cancelled, cwd=cwd
        )
        if result.code:
            raise _failed(name, result.errors, str(log))
        return result


def _failed(name: str, errors: str, log: str) -> MlstackError:
    lines = [line for line in errors.strip().splitlines() if not line.startswith(("I: ", "Get:", "Hit:"))]
    if "No space left on device" in errors:
        return MlstackError(
            "disk.full",
            f"No space left below {Path(log).parent.parent} while {name} ran",
            why="\n".join(lines[-3:]),
            remedy="free space (`mlstack images prune` trims build caches), then repeat the command: it resumes",
            see=log,
        )
    return MlstackError(
        "debian.build-failed",
        f"{name} failed",
        why="\n".join(lines[-20:]),
        remedy="read the log; check the network and the host's apt sources (mirror, keyring, clock)",
        see=log,
    )


def _check_packages(packages: Sequence[str]) -> None:
    for package in packages:
        if not _PACKAGE.match(package):
            raise MlstackError("debian.bad-package", f"'{package}' is not a package name", remedy="correct the recipe")


def _hooks(recipe: DebianRoot, work: Path) -> list[Path]:
    """A customize hook that runs the recipe's commands inside the root, one script for all."""
    if not recipe.commands:
        return []
    script = work / "commands.sh"
    commands = "\n".join(recipe.commands)
    with guard(script):
        script.write_text(
            f"#!/bin/sh -e\nexec chroot \"$1\" /bin/sh -e <<'MLSTACK_COMMANDS'\n{commands}\nMLSTACK_COMMANDS\n"
        )
        script.chmod(0o700)
    return [script]


def _apt_options(state: Path, architecture: str) -> list[str]:
    """apt in a directory of its own: nothing of the host's package state is read or changed."""
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Dir::State": str(state),
        "Dir::State::lists": str(state / "lists"),
        "Dir::State::status": str(state / "status"),
        "Dir::Cache": str(state),
        "Dir::Cache::archives": str(state / "archives"),
        "Dir::Etc::sourcelist": str(state / "etc" / "sources.list"),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
    }
    (state / "status").touch()
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")] + ["-qq"]


def _deb_entry(recipe: DebFiles, directory: Path, name: str, to: str) -> LayerEntry:
    base = directory.resolve()
    path = (directory / name.strip("/")).resolve()
    if not path.is_relative_to(base) or not path.is_file():
        raise MlstackError(
            "debian.no-file",
            f"Package {recipe.package} has no file '{name}'",
            remedy="correct the recipe's list of files",
        )
    return LayerEntry(to, mode=int(recipe.mode, 8), content=(path,))
