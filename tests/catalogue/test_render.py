"""Rendering: sources, cache, namespaces, labels, duplicates; authors' tools: scaffolding, golden output, digests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from test_resolve import RELEASE, Shelf, stack

from mlstack.adapters.catalog import DataCatalogue, FileCache
from mlstack.adapters.scaffold import new_stack, write_golden, write_lock
from mlstack.core.catalogue import Entry
from mlstack.core.context import RenderFacts
from mlstack.core.errors import MlstackError, Problems
from mlstack.core.golden import golden_files
from mlstack.core.model import ResourceId
from mlstack.core.render import Renderer
from mlstack.core.resolve import Selection, resolve
from mlstack.core.stackfile import Patch
from mlstack.core.template import Templates

ROOT = Path(__file__).resolve().parents[2]
FACTS = RenderFacts(instance="test")
UPSTREAM = {
    "deploy/a.yaml": b"""
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: sa}}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: b}
  subjects: [{kind: ServiceAccount, name: sa}, {kind: Group, name: g}]
""",
    "deploy/b.yaml": b"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.x.y}
spec: {scope: Cluster, names: {kind: Thing}}
---
apiVersion: x.y/v1
kind: Thing
metadata: {name: t, creationTimestamp: 2020-01-01T00:00:00Z}
---
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
""",
    "deploy/deep/c.yaml": b"{apiVersion: v1, kind: ConfigMap, metadata: {name: deep}}",
}
SOURCE = {"sources": {"up": {"go": "x.y/z@v1.0.0", "h1": "h1:" + "A" * 43 + "="}}}


class Reader:
    """A source of files in memory that counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self, source, patterns):
        self.reads += 1
        return UPSTREAM


def select(*entries: Entry) -> Selection:
    class Entries(Shelf):
        def entry(self, name, version):
            return next(entry for entry in entries if entry.name == name)

    documents = [entry.document for entry in entries]
    profile = RELEASE.spec.profiles["minimal"].model_copy(update={"stacks": [entry.name for entry in entries]})
    spec = RELEASE.spec.model_copy(update={"profiles": {"minimal": profile}})
    return resolve(Entries(documents), RELEASE.model_copy(update={"spec": spec}))


def entry(name: str, templates: dict[str, str] | None = None, patches=(), **spec) -> Entry:
    files = {f"templates/{file}": text for file, text in (templates or {}).items()}
    parsed = tuple(Patch.model_validate(patch) for patch in patches)
    return Entry(stack(name, **spec), f"stacks/{name}/1.0.0", files, parsed)


def render(*entries: Entry, reader=None, cache=None):
    return Renderer(reader or Reader(), cache).render(select(*entries), FACTS)


def ids(stack) -> list[str]:
    return [str(ResourceId.of(obj)) for obj in stack.objects]


CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\n"


def upstream(files=("deploy/*.yaml",), **part) -> Entry:
    return entry("up", manifests=[{"source": "up", "files": list(files), **part}], **SOURCE)


def test_upstream_objects_get_namespaces_where_they_live_in_one() -> None:
    (one,) = render(upstream())
    assert ids(one) == [
        "Namespace/up",
        "ServiceAccount/up/sa",
        "ClusterRoleBinding/b",
        "CustomResourceDefinition/things.x.y",
        "Thing/t",
    ]
    assert one.objects[2]["subjects"] == [
        {"kind": "ServiceAccount", "name": "sa", "namespace": "up"},
        {"kind": "Group", "name": "g"},
    ]
    assert one.objects[4]["metadata"]["creationTimestamp"] == "2020-01-01T00:00:00Z"


def test_an_object_of_a_kind_that_another_stack_defines_has_a_namespace_where_that_says_so() -> None:
    """Its kind alone does not tell: the definition does, and that is rendered with the stack that is required."""
    text = "apiVersion: x.y/v1\nkind: Thing\nmetadata: {name: mine}\n"
    user = entry("user", {"a.yaml": text}, manifests=[{"templates": "templates"}], requires=["up"])
    assert ids(render(upstream(), user)[1]) == ["Namespace/user", "Thing/mine"]
    alone = entry("alone", {"a.yaml": text}, manifests=[{"templates": "templates"}])
    assert ids(render(alone)[0]) == ["Namespace/alone", "Thing/alone/mine"]


def test_files_and_objects_are_chosen_by_glob() -> None:
    (one,) = render(upstream(files=["deploy/**"], include=["ConfigMap/*", "Thing/t"], exclude=["Thing/*"]))
    assert ids(one) == ["Namespace/up", "ConfigMap/up/deep"]
    with pytest.raises(MlstackError) as caught:
        render(upstream(files=["deplyo/a.yaml"]))
    assert (caught.value.code, caught.value.remedy) == ("stack.source-file", "did you mean 'deploy/a.yaml'?")


def test_the_cache_saves_fetching_and_a_change_misses_it(tmp_path: Path) -> None:
    reader, cache = Reader(), FileCache(tmp_path / "cache")
    first = render(upstream(), reader=reader, cache=cache)
    assert render(upstream(), reader=reader, cache=cache) == first
    assert reader.reads == 1
    render(upstream(exclude=["Thing/*"]), reader=reader, cache=cache)
    assert reader.reads == 2


def test_own_templates_are_parsed_once_for_the_same_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"a.yaml.j2": CONFIG.format("a") + "data: {instance: '{{ instance }}', number: '08', day: 2020-01-01}\n"}
    cache = FileCache(tmp_path)
    first = render(entry("own", own), cache=cache)
    monkeypatch.setattr(Templates, "objects", lambda *_args: pytest.fail("parsed again"))
    assert render(entry("own", own), cache=cache) == first
    monkeypatch.undo()
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"noise", b"\xff\xfe\x00", b"0" * 64 + b"\n[]"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    cache = FileCache(tmp_path)
    first = render(upstream(), cache=cache)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(damage)
    assert render(upstream(), cache=cache) == first
    assert kept.read_bytes() != damage


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = FileCache(tmp_path / "file" / "below")
    assert render(upstream(), cache=cache) == render(upstream())


def test_patches_change_upstream_objects_only() -> None:
    patched = replace(
        upstream(),
        patches=(
            Patch.model_validate(
                {"target": {"kind": "ServiceAccount"}, "ops": [{"path": "a", "set": "{{ namespace }}"}]}
            ),
        ),
    )
    assert render(patched)[0].objects[1]["a"] == "up"


def test_consumers_see_the_exports_of_providers() -> None:
    provider = entry(
        "store",
        {"a.yaml.j2": CONFIG.format("c")},
        provides=["objects"],
        exports={"objects": {"host": "{{ namespace }}.svc", "port": "1"}},
    )
    text = CONFIG.format("c") + "data: {host: \"{{ capability['objects'].host }}\"}\n"
    consumer = entry("flow", {"a.yaml.j2": text}, requires=["objects"])
    one, two = render(consumer, provider)
    assert one.name == "store"
    assert two.objects[1]["data"] == {"host": "store.svc"}
    assert two.providers == {"objects": {"host": "store.svc", "port": "1"}}
    assert two.objects[0]["metadata"]["labels"]["uses.mlstack.dev/objects"] == "true"


def test_an_export_that_is_not_there_is_an_error_with_place() -> None:
    provider = entry("store", {"a.yaml.j2": CONFIG.format("c")}, provides=["objects"])
    consumer = entry("flow", {"b.yaml.j2": "a: 1\nb: {{ capability['objects'].host }}\n"}, requires=["objects"])
    with pytest.raises(MlstackError) as caught:
        render(provider, consumer)
    assert str(caught.value.place) == "stacks/flow/1.0.0/templates/b.yaml.j2:2"


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("a: 1\n", "stack.not-an-object"),
        ("- 1\n", "stack.not-an-object"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", "stack.not-an-object"),
        (CONFIG.format("c") + "---\n" + CONFIG.format("c"), "stack.duplicate-object"),
    ],
)
def test_documents_must_be_distinct_objects(template: str, code: str) -> None:
    with pytest.raises(MlstackError) as caught:
        render(entry("x", {"a.yaml.j2": template}))
    assert caught.value.code == code


def test_objects_of_two_stacks_must_not_clash() -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: same}\n"
    with pytest.raises(MlstackError, match="in x too"):
        render(entry("x", {"a.yaml.j2": role}), entry("y", {"a.yaml.j2": role}))


def test_a_namespace_of_kubernetes_is_not_made_ours() -> None:
    (one,) = render(entry("x", {"a.yaml.j2": CONFIG.format("c")}, namespace="kube-system"))
    assert ids(one) == ["ConfigMap/kube-system/c"]


def test_copies_of_secrets_spread_lists() -> None:
    params = {"spaces": {"type": "list", "default": ["a", "b"], "doc": "d"}}
    secrets = [{"name": "s", "keys": {"k": 24}, "copies": ["{{ params.spaces }}", "c", "a"]}]
    (one,) = render(entry("x", {"a.yaml.j2": CONFIG.format("c")}, params=params, secrets=secrets))
    assert one.secrets[0].copies == ["a", "b", "c"]


# -- files on disk


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A data root with the skeleton and the base that it uses."""
    import shutil

    shutil.copytree(ROOT / "stacks" / "skeleton", tmp_path / "stacks" / "skeleton")
    return tmp_path


def test_a_new_stack_renders_at_once(checkout: Path) -> None:
    new_stack(checkout, "mine", "1.2.0")
    new_stack(checkout, "more", "0.1", addon=True)
    catalogue = DataCatalogue(checkout)
    assert catalogue.names() == ["mine", "more"]
    (one,) = render(catalogue.entry("mine", "1.2.0"))
    assert ids(one) == ["Namespace/mine", "Deployment/mine/mine", "NetworkPolicy/mine/mine"]
    assert catalogue.entry("more", "0.1").is_addon
    with pytest.raises(MlstackError) as caught:
        new_stack(checkout, "mine", "1.2.0")
    assert caught.value.code == "dev.exists"


@pytest.mark.parametrize(
    ("name", "version"), [("Mine", "1"), ("../x", "1"), ("mine", "../1"), ("", "1"), ("mine", "latest")]
)
def test_a_new_stack_needs_a_proper_name(checkout: Path, name: str, version: str) -> None:
    with pytest.raises(MlstackError) as caught:
        new_stack(checkout, name, version)
    assert caught.value.code == "dev.bad-name"


def test_golden_output_is_written_once_and_old_files_go(checkout: Path) -> None:
    directory = new_stack(checkout, "mine", "1.2.0")
    selection = select(DataCatalogue(checkout).entry("mine", "1.2.0"))
    files = golden_files(Renderer(Reader()), selection, "mine")
    assert write_golden(directory, files) == ["objects.yaml"]
    assert write_golden(directory, files) == []
    (directory / "golden" / "old.txt").write_text("")
    assert write_golden(directory, files) == ["old.txt"]
    assert next(yaml.safe_load_all(files["objects.yaml"]))["kind"] == "Namespace"


def test_digests_are_written_beside_the_reference_and_replaced(checkout: Path) -> None:
    directory = new_stack(checkout, "mine", "1.2.0")
    before = (directory / "stack.yaml").read_text()
    ref = "docker.io/library/busybox:1.35"
    old = {ref: {"amd64": "sha256:" + "1" * 64}}
    new = {ref: {"arm64": "sha256:" + "3" * 64, "amd64": "sha256:" + "2" * 64}}
    assert write_lock(directory, checkout, old) is True
    assert write_lock(directory, checkout, new) is True
    assert write_lock(directory, checkout, new) is False
    assert DataCatalogue(checkout).entry("mine", "1.2.0").document.spec.images[0].digests == new[ref]
    after = (directory / "stack.yaml").read_text()
    assert [
        line for line in after.splitlines() if "sha256:" not in line and "digests:" not in line
    ] == before.splitlines()
    with pytest.raises(MlstackError) as caught:
        write_lock(directory, checkout, {"docker.io/library/none:1": {"amd64": "sha256:" + "1" * 64}})
    assert caught.value.code == "lock.not-written"


@pytest.mark.parametrize(
    ("change", "line", "code"),
    [
        (("cpu: 10m", "cpu: ten"), 0, "document.invalid-value"),
        (("  namespace:", "  namespaze:"), 0, "document.unknown-field"),
        (("spec:", "spec:\n\tx: 1"), 0, "yaml.tab"),
        (("  name: mine", "  name: other"), 4, "stack.misplaced"),
    ],
)
def test_a_broken_stack_file_tells_file_and_line(checkout: Path, change, line: int, code: str) -> None:
    directory = new_stack(checkout, "mine", "1.2.0")
    path = directory / "stack.yaml"
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(MlstackError) as caught:
        DataCatalogue(checkout).entry("mine", "1.2.0")
    errors = caught.value.problems if isinstance(caught.value, Problems) else [caught.value]
    found = next(error for error in errors if error.code == code)
    assert found.place.file == "stacks/mine/1.2.0/stack.yaml"
    assert found.place.line == (line or found.place.line) > 0


def test_unknown_names_get_suggestions(checkout: Path) -> None:
    catalogue = DataCatalogue(ROOT)
    for call, code in (
        (lambda: catalogue.release("2026.12"), "config.unknown-release"),
        (lambda: catalogue.node("kind-1.36.4"), "config.unknown-node"),
        (lambda: catalogue.entry("minio", "1"), "config.unknown-stack"),
    ):
        with pytest.raises(MlstackError) as caught:
            call()
        assert caught.value.code == code
        assert "did you mean" in caught.value.remedy or "known" in caught.value.remedy
    assert DataCatalogue(checkout / "nothing").names() == []
