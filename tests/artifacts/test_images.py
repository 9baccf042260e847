"""The ``Images`` port: which source is taken and why, what happens when sources fail, and that damage heals itself."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from registries import make_image

from mlstack.adapters.download import HttpDownload
from mlstack.adapters.shell import HostShell
from mlstack.artifacts.compose import make_backends, node_contexts
from mlstack.artifacts.context import ImageContext
from mlstack.artifacts.images import ImageBackends
from mlstack.artifacts.oci import StoredImage, exported
from mlstack.artifacts.registry import RegistryClient
from mlstack.artifacts.settings import ArtifactSettings
from mlstack.core.errors import MlstackError
from mlstack.core.events import Event, Message, StepProgress
from mlstack.core.model import ImageSource, Paths
from mlstack.core.recipe import Build, Image, ImageFile
from mlstack.core.releasefile import Node
from mlstack.core.stackfile import Source
from mlstack.core.toolrecipe import Tool

REF = "quay.io/team/app:1"


class FakeRegistry:
    """A registry in memory that can refuse; counts its probes."""

    def __init__(self, blobs: Mapping[str, bytes] | None = None, refuse: str = "") -> None:
        self.blobs = dict(blobs or {})
        self.refuse = refuse
        self.probes: list[str] = []

    def probe(self, host: str, timeout: float) -> None:
        self.probes.append(host)
        if self.refuse:
            raise MlstackError(f"registry.{self.refuse}", f"The registry {host} refused", why=self.refuse)

    def manifest(self, host: str, repository: str, reference: str, limit: int) -> bytes:
        return self._get(reference)

    def blob(self, host: str, repository: str, digest: str) -> io.BytesIO:
        return io.BytesIO(self._get(digest))

    def _get(self, digest: str) -> bytes:
        if digest not in self.blobs:
            raise MlstackError("registry.not-found", "The registry refused", why="404: it has no such image")
        return self.blobs[digest]


class World:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.paths = Paths(base / "cache", base / "state", base / "data")
        (self.paths.data / "stacks" / "bases").mkdir(parents=True)
        self.directory = base / "stack"
        self.directory.mkdir()
        (self.directory / "motd").write_text("hello\n")
        self.events: list[Event] = []
        self.warnings: list[str] = []
        source, self.digest, blobs = make_image(base / "source", b"from elsewhere")
        self.remote = {digest: source.blob(digest).read_bytes() for digest in blobs}
        self.source = source

    def context(self, build: Build | None = None, digest: str = "") -> ImageContext:
        recipe = build or Build(files=[ImageFile(path="/etc/motd", file="motd")], command=["/x"])
        return ImageContext(Image(ref=REF, digests={"amd64": digest} if digest else {}, build=recipe), self.directory)

    def backends(
        self,
        context: ImageContext,
        client: FakeRegistry | None = None,
        more: Mapping[str, ImageContext] | None = None,
        **settings: object,
    ) -> ImageBackends:
        chosen = ArtifactSettings(architecture="amd64", **settings)  # type: ignore[arg-type]
        shell, download = HostShell(), HttpDownload()
        fake: RegistryClient = client or FakeRegistry(refuse="unreachable")
        contexts = {context.image.ref: context, **(more or {})}
        return make_backends(contexts, {}, self.paths, shell, download, fake, chosen, self.warnings.append)

    def obtain(self, backends: ImageBackends, ref: str = REF) -> str:
        record = backends.obtain(ref, self.events.append, "step", lambda: False)
        assert backends.cached(ref) == record
        return record.source.value

    def bundle(self) -> Path:
        target = self.base / "bundle.tar"
        with exported(self.source, [StoredImage(REF, self.digest)]) as path:
            shutil.copyfile(path, target)
        return target


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_auto_prefers_a_pinned_digest_of_a_registry_that_answers(world: World) -> None:
    client = FakeRegistry(world.remote)
    backends = world.backends(world.context(digest=world.digest), client)
    assert backends.source_of(REF)[0] is ImageSource.REGISTRY
    assert world.obtain(backends) == "registry"
    assert backends.source_of(REF) == (ImageSource.REGISTRY, "in the store (registry)")
    assert client.probes == ["quay.io"]


def test_auto_falls_back_to_a_bundle_then_to_a_build_and_says_why(world: World) -> None:
    context = world.context(digest=world.digest)
    with_bundle = world.backends(context, bundles=[world.bundle()])
    source, why = with_bundle.source_of(REF)
    assert source is ImageSource.BUNDLE and "quay.io: unreachable" in why
    without = world.backends(context)
    source, why = without.source_of(REF)
    assert source is ImageSource.BUILD
    assert "quay.io: unreachable" in why and "no bundle" in why
    assert world.obtain(without) == "build"


def test_without_a_digest_no_registry_is_asked(world: World) -> None:
    client = FakeRegistry(world.remote)
    backends = world.backends(world.context(), client)
    assert "no digest is pinned for amd64" in backends.source_of(REF)[1]
    assert world.obtain(backends) == "build"
    assert client.probes == []


class Tagged(FakeRegistry):
    """A registry that has the world's image under its tag, too."""

    def __init__(self, world: World, tag: str, architecture: str = "amd64") -> None:
        entry = {"digest": world.digest, "platform": {"os": "linux", "architecture": architecture}}
        super().__init__({**world.remote, tag: json.dumps({"manifests": [entry]}).encode()})


def published(world: World) -> ImageContext:
    return replace(world.context(), image=Image(ref=REF))


def test_an_image_that_nobody_builds_or_pins_is_what_its_tag_was_the_first_time(world: World) -> None:
    client = Tagged(world, "1")
    backends = world.backends(published(world), client)
    assert backends.lacking(REF) == ""
    assert backends.source_of(REF) == (ImageSource.REGISTRY, "its registry answers")
    assert world.obtain(backends) == "registry"
    record = backends.cached(REF)
    assert record and record.digest == world.digest
    client.blobs["1"] = b"something else"
    again = world.backends(published(world), FakeRegistry(refuse="unreachable"))
    assert world.obtain(again) == "registry" and again.cached(REF) == record
    assert again.lacking(REF) == "", "it is in the store"
    assert record.digest and world.backends(published(world), client, source=ImageSource.BUNDLE).cached(REF) is None


def test_an_image_that_is_not_published_for_this_machine_says_so(world: World) -> None:
    backends = world.backends(published(world), Tagged(world, "1", "arm64"), source=ImageSource.REGISTRY)
    with pytest.raises(MlstackError, match="not published for amd64") as caught:
        world.obtain(backends)
    assert caught.value.code == "registry.no-architecture" and "arm64" in caught.value.why


def test_a_tag_whose_content_is_other_than_its_digest_is_refused(world: World) -> None:
    client = Tagged(world, "1")
    client.blobs[world.digest] = client.blobs[world.digest].replace(b"layers", b"Layers")
    with pytest.raises(MlstackError) as caught:
        world.obtain(world.backends(published(world), client))
    assert caught.value.code == "download.hash-mismatch"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("auto", "no registry: quay.io: unreachable; no bundle: .*; no build: it has no recipe"),
        ("registry", "no registry: quay.io: unreachable"),
        ("bundle", "no bundle: "),
        ("build", "no build: it has no recipe"),
    ],
)
def test_why_nothing_in_force_has_an_image_is_told(world: World, source: str, why: str) -> None:
    backends = world.backends(published(world), source=ImageSource(source))
    assert re.fullmatch(why + (".*" if why.endswith(" ") else ""), backends.lacking(REF))
    bundled = world.backends(published(world), source=ImageSource(source), bundles=[world.bundle()])
    assert (bundled.lacking(REF) == "") == (source in ("auto", "bundle"))
    assert world.backends(world.context(), source=ImageSource.BUILD).lacking(REF) == ""


def test_a_pull_that_fails_after_the_probe_falls_back_with_one_line(world: World) -> None:
    backends = world.backends(world.context(digest="sha256:" + "0" * 64), FakeRegistry(world.remote))
    assert world.obtain(backends) == "build"
    lines = [event.text for event in world.events if isinstance(event, Message)]
    assert len(lines) == 1 and "registry failed" in lines[0] and "404" in lines[0]


def test_wrong_content_is_refused_not_replaced(world: World) -> None:
    bad = {digest: data if len(data) < 2000 else bytes(len(data)) for digest, data in world.remote.items()}
    bad[world.digest] = world.remote[world.digest].replace(b"layers", b"Layers")
    with pytest.raises(MlstackError) as caught:
        world.obtain(world.backends(world.context(digest=world.digest), FakeRegistry(bad)))
    assert caught.value.code == "download.hash-mismatch"
    assert world.digest in caught.value.why


def test_when_all_sources_fail_each_is_named_with_its_reason(world: World) -> None:
    context = replace(world.context(), image=Image(ref=REF, digests={"amd64": world.digest}))
    with pytest.raises(MlstackError) as caught:
        world.obtain(world.backends(context, FakeRegistry(refuse="throttled")))
    assert caught.value.code == "image.unobtainable"
    assert [line.partition(":")[0] for line in caught.value.why.splitlines()] == ["registry", "bundle", "build"]
    assert "throttled" in caught.value.why and "no recipe" in caught.value.why


@pytest.mark.parametrize("source", ["registry", "bundle"])
def test_a_chosen_source_is_not_replaced_by_another(world: World, source: str) -> None:
    context = world.context(digest=world.digest)
    backends = world.backends(context, source=ImageSource(source))
    with pytest.raises(MlstackError):
        world.obtain(backends)
    per_image = world.backends(context, source=ImageSource(source), per_image={REF: ImageSource.BUILD})
    assert world.obtain(per_image) == "build"


def test_a_build_is_a_lookup_the_second_time_and_heals_when_damaged(world: World) -> None:
    backends = world.backends(world.context())
    world.obtain(backends)
    record = backends.cached(REF)
    assert record and record.recipe
    world.events.clear()
    assert world.obtain(world.backends(world.context())) == "build"
    assert not [event for event in world.events if isinstance(event, StepProgress)]
    for blob in (world.paths.store / "blobs" / "sha256").iterdir():
        blob.write_bytes(bytes(blob.stat().st_size))
    healed = world.backends(world.context())
    assert world.obtain(healed) == "build"
    assert healed.cached(REF) == record
    assert any("dropped" in line for line in world.warnings)


def test_the_same_recipe_gives_the_same_digest_elsewhere(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    records = []
    for each in (world, World(other)):
        backends = each.backends(each.context())
        each.obtain(backends)
        records.append(backends.cached(REF))
    assert records[0] == records[1] is not None


def test_a_changed_file_beside_the_stack_makes_another_image(world: World) -> None:
    world.obtain(world.backends(world.context()))
    (world.directory / "motd").write_text("changed\n")
    backends = world.backends(world.context())
    assert backends.cached(REF) is None


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (ImageFile(path="/x", file="nothing"), "not there"),
        (ImageFile(path="/x", file="../../etc/passwd"), "not there"),
        (ImageFile(path="/x", source="nosuch:a"), "source"),
    ],
)
def test_recipes_that_name_what_is_not_there(world: World, file: ImageFile, why: str) -> None:
    with pytest.raises(MlstackError, match=why) as caught:
        world.obtain(world.backends(world.context(Build(files=[file]))))
    assert caught.value.code == "artifact.bad-recipe"


def test_all_below_a_directory_of_a_source_is_put_into_the_image(world: World) -> None:
    """A package that is published as source only is copied, and nothing of it is run."""
    archive = world.base / "thing-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("thing-1.0/setup.py", "thing-1.0/thing/__init__.py", "thing-1.0/thing/api/x.py"):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    source = Source(url=archive.as_uri(), sha256=hashlib.sha256(archive.read_bytes()).hexdigest())
    file = ImageFile(path="/opt/python/thing", source="thing:thing-1.0/thing/**")
    context = replace(world.context(Build(files=[file])), sources={"thing": source})
    kept = world.paths.downloads / "url" / f"{source.sha256[:16]}-{archive.name}"
    kept.parent.mkdir(parents=True)
    shutil.copyfile(archive, kept)
    backends = world.backends(context)
    world.obtain(backends)
    with backends.export(REF) as path, tarfile.open(path) as image:
        manifest = json.load(image.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        layer = image.extractfile(manifest["Layers"][-1])
        assert layer
        with tarfile.open(fileobj=io.BytesIO(layer.read())) as files:
            found = {one.name: files.extractfile(one) for one in files if one.isfile()}
            assert {name: data.read().decode() for name, data in found.items() if data} == {
                "opt/python/thing/__init__.py": "thing-1.0/thing/__init__.py",
                "opt/python/thing/api/x.py": "thing-1.0/thing/api/x.py",
            }


def write_base(world: World) -> None:
    base = {
        "apiVersion": "mlstack/v1alpha1",
        "kind": "BaseImage",
        "metadata": {"name": "tiny"},
        "spec": {
            "files": [
                {"path": "/usr/bin/sh", "content": "sh", "mode": "755"},
                {"path": "/bin", "link": "usr/bin"},
                {"path": "/tmp", "directory": True, "mode": "1777"},
            ],
            "env": {"A": "base", "B": "base"},
            "user": "7",
        },
    }
    (world.paths.data / "stacks" / "bases" / "tiny.yaml").write_text(yaml.safe_dump(base))


def test_a_base_is_stored_once_and_what_lies_over_it_does_not_hide_it(world: World) -> None:
    write_base(world)
    one = world.context(Build(base="tiny", files=[ImageFile(path="/bin/tool", content="t")], env={"A": "own"}))
    two = replace(one, image=Image(ref="quay.io/team/two:1", build=Build(base="tiny")))
    backends = world.backends(one, more={"quay.io/team/two:1": two})
    world.obtain(backends)
    world.obtain(backends, "quay.io/team/two:1")
    manifests = []
    for ref in (REF, "quay.io/team/two:1"):
        with backends.export(ref) as path, tarfile.open(path) as archive:
            manifests.append(json.load(archive.extractfile("manifest.json"))[0])  # type: ignore[arg-type]
            config = json.load(archive.extractfile(manifests[-1]["Config"]))  # type: ignore[arg-type]
            top = archive.extractfile(manifests[-1]["Layers"][-1])
            assert top
            with tarfile.open(fileobj=io.BytesIO(top.read())) as layer:
                names = layer.getnames()
            if ref == REF:
                assert names == ["usr/bin/tool"]
                assert config["config"]["User"] == "7"
                assert {"A=own", "B=base"} <= set(config["config"]["Env"])
    assert manifests[0]["Layers"][0] == manifests[1]["Layers"][0]


def test_an_archive_is_named_for_both_runtimes(world: World) -> None:
    backends = world.backends(world.context())
    with backends.export(REF, "other.example/name:2") as path, tarfile.open(path) as archive:
        docker = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
        assert docker[0]["RepoTags"] == ["other.example/name:2"]
        notes = index["manifests"][0]["annotations"]
        assert notes["io.containerd.image.name"] == "other.example/name:2"
        assert "oci-layout" in archive.getnames()
    assert not path.exists()


def test_a_node_image_holds_the_archives_of_its_preloaded_images(world: World) -> None:
    document = {
        "apiVersion": "mlstack/v1alpha1",
        "kind": "Node",
        "metadata": {"name": "n", "provider": "kind"},
        "spec": {
            "kubernetes": "1.0.0",
            "image": {"ref": "localhost/node:1", "build": {"files": [{"path": "/init", "content": "i"}]}},
            "preload": [
                {"ref": f"registry.k8s.io/p{number}:1", "build": {"files": [{"path": "/p", "content": f"{number}"}]}}
                for number in (1, 2)
            ],
            "preloadTo": "/kind/images",
        },
    }
    contexts = node_contexts(Node.model_validate(document), world.directory)
    backends = world.backends(contexts["localhost/node:1"], more=contexts)
    world.obtain(backends, "localhost/node:1")
    with backends.export("localhost/node:1") as path, tarfile.open(path) as archive:
        layers = json.load(archive.extractfile("manifest.json"))[0]["Layers"]  # type: ignore[arg-type]
        preload = archive.extractfile(layers[0])
        assert preload
        with tarfile.open(fileobj=io.BytesIO(preload.read())) as layer:
            inner = layer.extractfile("kind/images/images.tar")
            assert inner
            with tarfile.open(fileobj=io.BytesIO(inner.read())) as images:
                tags = [tag for each in json.load(images.extractfile("manifest.json")) for tag in each["RepoTags"]]  # type: ignore[arg-type]
    assert tags == ["registry.k8s.io/p1:1", "registry.k8s.io/p2:1"]


def test_an_unknown_image_is_a_usage_error(world: World) -> None:
    with pytest.raises(MlstackError) as caught:
        world.backends(world.context()).source_of("quay.io/team/ap:1")
    assert caught.value.code == "image.unknown"
    assert "did you mean" in caught.value.why


def test_a_tool_of_the_host_is_used_when_its_version_fits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    program = world.base / "bin" / "thing"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho thing v0.31.2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    shell, client = HostShell(), FakeRegistry()
    for specifier, fits in ((">=0.30,<0.34", True), (">=0.32", False), ("", True)):
        tools = {"thing": Tool(name="thing", found="thing", version=specifier)}
        backends = make_backends({}, tools, world.paths, shell, HttpDownload(), client)
        assert backends.cached_tool("thing") == (program if fits else None)
        if not fits:
            with pytest.raises(MlstackError) as caught:
                backends.tool("thing", world.events.append, "s", lambda: False)
            assert caught.value.code == "tool.no-source"
