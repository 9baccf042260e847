"""The configuration: precedence, origins, variables, flags, and every problem of every source at once."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstack.adapters.paths import find_data, find_paths, given_of, read_config
from mlstack.core.config import Config, json_schema
from mlstack.core.configkeys import from_environment, parse_path, parse_set, variables
from mlstack.core.configlayers import Given, resolve
from mlstack.core.errors import MlstackError, Problems
from mlstack.core.releasefile import Release

ROOT = Path(__file__).parents[2]
HEAD = "apiVersion: mlstack/v1alpha1\nkind: Config\n"
RELEASE = Release.model_validate(
    {
        "apiVersion": "mlstack/v1alpha1",
        "kind": "Release",
        "metadata": {"name": "2026.11"},
        "spec": {
            "kubernetes": "1.36.3",
            "node": "n",
            "stacks": {"minio": "1", "mysql": "9", "kafka": "4"},
            "addons": {"grafana": "12"},
            "profiles": {
                name: {
                    "summary": "s", "stacks": stacks, "budget": {"cpu": "1", "memory": "1Gi"},
                    "hostMemory": "4Gi", "hostCpus": 2, "diskBuild": "20Gi", "diskRun": "8Gi",
                }
                for name, stacks in {"minimal": ["minio"], "full": ["minio", "mysql", "kafka"]}.items()
            },
        },
    }
)  # fmt: skip


def given_with(text: str = "", **more) -> Given:
    body = HEAD + text if text and "apiVersion" not in text else text or None
    return Given(
        text=body,
        file="mlstack.yaml",
        directory="/etc/lab",
        cwd="/work",
        home="/home/u",
        releases={"2026.11": RELEASE},
        **more,
    )


@dataclass(frozen=True)
class Layered:
    id: str
    path: str
    value: object
    origin: str
    text: str = ""
    environ: dict = field(default_factory=dict)
    sets: tuple = ()
    flags: dict = field(default_factory=dict)


FILE = "provider:\n  kind:\n    nodes: 2\n"
ENV = {"MLSTACK_PROVIDER_KIND_NODES": "3"}
LAYERED = [
    Layered("default", "provider.kind.nodes", 1, "default"),
    Layered("file", "provider.kind.nodes", 2, "file mlstack.yaml:5", FILE),
    Layered("env over file", "provider.kind.nodes", 3, "env MLSTACK_PROVIDER_KIND_NODES", FILE, ENV),
    Layered("flag over env", "provider.kind.nodes", 4, "flag --set", FILE, ENV, ("provider.kind.nodes=4",)),
    Layered(
        "last flag wins",
        "provider.kind.nodes",
        5,
        "flag --set",
        sets=("provider.kind.nodes=4", "provider.kind.nodes=5"),
    ),
    Layered("named flag", "name", "lab", "flag --name", "name: x", flags={"name": "lab"}),
    Layered("flag not given", "name", "x", "file mlstack.yaml:3", "name: x", flags={"name": None}),
    Layered("release default", "profile", "minimal", "release 2026.11"),
    Layered("release version", "stacks.minio.version", "1", "release 2026.11"),
    Layered(
        "version in the file", "stacks.minio.version", "2", "file mlstack.yaml:3", "stacks: {minio: {version: '2'}}"
    ),
    Layered("profile on", "stacks.minio.enabled", True, "release 2026.11, profile minimal"),
    Layered("profile off", "stacks.kafka.enabled", False, "release 2026.11, profile minimal"),
    Layered(
        "profile chosen",
        "stacks.kafka.enabled",
        True,
        "release 2026.11, profile full",
        environ={"MLSTACK_PROFILE": "full"},
    ),
    Layered("enabled by flag", "stacks.kafka.enabled", True, "flag --set", sets=("stacks.kafka.enabled=true",)),
    Layered("addon off", "addons.grafana.enabled", False, "release 2026.11"),
    Layered(
        "addon on",
        "addons.grafana.enabled",
        True,
        "env MLSTACK_ADDONS_GRAFANA_ENABLED",
        environ={"MLSTACK_ADDONS_GRAFANA_ENABLED": "true"},
    ),
    Layered(
        "param of a dashed stack",
        "stacks.argo-workflows.params.logLevel",
        "debug",
        "env MLSTACK_STACKS_ARGO_WORKFLOWS_PARAMS_LOG_LEVEL",
        environ={"MLSTACK_STACKS_ARGO_WORKFLOWS_PARAMS_LOG_LEVEL": "debug"},
    ),
    Layered(
        "port",
        "provider.kind.ports.argo-ui",
        "auto",
        "env MLSTACK_PROVIDER_KIND_PORTS_ARGO_UI",
        environ={"MLSTACK_PROVIDER_KIND_PORTS_ARGO_UI": "auto"},
    ),
    Layered(
        "list replaces list",
        "network.proxy.no",
        ["c"],
        "flag --set",
        "network: {proxy: {no: [a, b]}}",
        sets=("network.proxy.no=[c]",),
    ),
    Layered(
        "empty variable is none",
        "provider.kind.nodes",
        2,
        "file mlstack.yaml:5",
        FILE,
        {"MLSTACK_PROVIDER_KIND_NODES": ""},
    ),
    Layered("nothing after the colon", "provider.kind.nodes", 1, "default", "provider:\n  kind:\n    nodes:\n"),
    Layered(
        "nothing takes back", "provider.kind.nodes", 2, "file mlstack.yaml:5", FILE, sets=("provider.kind.nodes=null",)
    ),
    Layered("number for text", "provider.kind.cpus", "2", "flag --set", sets=("provider.kind.cpus=2",)),
    Layered(
        "number for text in the file",
        "provider.kind.cpus",
        "1.5",
        "file mlstack.yaml:3",
        "provider: {kind: {cpus: 1.5}}",
    ),
    Layered(
        "version that looks like a number",
        "stacks.minio.version",
        "3.10",
        "flag --set",
        sets=("stacks.minio.version=3.10",),
    ),
    Layered("path beside the file", "network.ca", "/etc/ca.pem", "file mlstack.yaml:3", "network: {ca: ../ca.pem}"),
    Layered("path beside the process", "network.ca", "/work/ca.pem", "flag --set", sets=("network.ca=ca.pem",)),
    Layered("path at home", "paths.cache", "/home/u/c", "env MLSTACK_CACHE_DIR", environ={"MLSTACK_CACHE_DIR": "~/c"}),
    Layered(
        "mount beside the file",
        "provider.kind.mounts",
        [{"host": "/etc/lab/d", "node": "/d", "readOnly": False}],
        "file mlstack.yaml:3",
        "provider: {kind: {mounts: [{host: d, node: /d}]}}",
    ),
]


@pytest.mark.parametrize("case", LAYERED, ids=lambda case: case.id)
def test_precedence_and_origin(case):
    resolved = resolve(given_with(case.text, environ=case.environ, sets=case.sets, flags=case.flags))
    found = {path: (value, str(origin)) for path, value, origin in resolved.leaves()}
    assert found[case.path] == (case.value, case.origin)


@dataclass(frozen=True)
class Wrong:
    id: str
    places: list[tuple[str, str]]
    text: str = ""
    environ: dict = field(default_factory=dict)
    sets: tuple = ()
    flags: dict = field(default_factory=dict)
    remedy: str = ""


WRONG = [
    Wrong(
        "unknown profile",
        [("config.unknown-profile", "mlstack.yaml:3 profile")],
        "profile: minimall",
        remedy="'minimal'",
    ),
    Wrong(
        "unknown release",
        [("config.unknown-release", "flag --set release")],
        sets=("release=2026.10",),
        remedy="2026.11",
    ),
    Wrong(
        "unknown field",
        [("document.unknown-field", "mlstack.yaml:3 provider.kind.node")],
        "provider: {kind: {node: 1}}",
        remedy="'nodes'",
    ),
    Wrong(
        "snake case",
        [("document.unknown-field", "mlstack.yaml:3 provider.kind.node_image")],
        "provider: {kind: {node_image: x}}",
        remedy="'nodeImage'",
    ),
    Wrong(
        "types",
        [
            ("document.wrong-type", "mlstack.yaml:4 name"),
            ("document.wrong-type", "mlstack.yaml:5 stacks"),
            ("document.wrong-type", "mlstack.yaml:6 host.changes"),
        ],
        "\nname: 3\nstacks: [a]\nhost: {changes: sometimes}",
    ),
    Wrong(
        "ranges",
        [
            ("document.invalid-value", "mlstack.yaml:3 provider.kind.nodes"),
            ("document.invalid-value", "mlstack.yaml:4 name"),
        ],
        "provider: {kind: {nodes: 0}}\nname: Not_ok",
    ),
    Wrong(
        "port range",
        [("document.invalid-value", "mlstack.yaml:3 provider.kind.ports.a")],
        "provider: {kind: {ports: {a: 70000}}}",
    ),
    Wrong(
        "port twice",
        [("config.port-twice", "mlstack.yaml:3 provider.kind.ports.b")],
        "provider: {kind: {ports: {a: 80, b: 80}}}",
    ),
    Wrong(
        "bundle",
        [("config.bundle-missing", "env MLSTACK_ARTIFACTS_SOURCE artifacts.source")],
        environ={"MLSTACK_ARTIFACTS_SOURCE": "bundle"},
    ),
    Wrong(
        "set syntax",
        [("config.set-syntax", "--set nodes"), ("config.set-syntax", "--set a[1]")],
        sets=("nodes", "a[1]=2"),
    ),
    Wrong(
        "set unknown",
        [("document.unknown-field", "--set provider.knd.nodes provider.knd")],
        sets=("provider.knd.nodes=1",),
        remedy="'kind'",
    ),
    Wrong("set value", [("config.value", "provider.kind.nodes")], sets=("provider.kind.nodes=[1",)),
    Wrong(
        "variable",
        [("config.unknown-variable", "variable MLSTACK_PROFIL")],
        environ={"MLSTACK_PROFIL": "x"},
        remedy="MLSTACK_PROFILE",
    ),
    Wrong(
        "variable type",
        [("document.wrong-type", "variable MLSTACK_PROVIDER_KIND_NODES provider.kind.nodes")],
        environ={"MLSTACK_PROVIDER_KIND_NODES": "many"},
    ),
    Wrong("set in another encoding", [("config.value", "provider.kind.nodes")], sets=("provider.kind.nodes=\udcff",)),
    Wrong("flag value", [("document.invalid-value", "--name name")], flags={"name": "Ü"}),
    Wrong(
        "all sources at once",
        [
            ("document.unknown-field", "mlstack.yaml:3 nam"),
            ("yaml.duplicate-key", "mlstack.yaml:4 nam"),
            ("config.unknown-profile", "mlstack.yaml:5 profile"),
            ("config.unknown-variable", "variable MLSTACK_X"),
            ("config.set-syntax", "--set y"),
            ("document.invalid-value", "--name name"),
        ],
        "nam: x\nnam: y\nprofile: z",
        {"MLSTACK_X": "1"},
        ("y",),
        {"name": "-"},
    ),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.id)
def test_every_problem_with_its_place(case):
    with pytest.raises(Problems) as caught:
        resolve(given_with(case.text, environ=case.environ, sets=case.sets, flags=case.flags))
    found = sorted((problem.code, str(problem.place)) for problem in caught.value.problems)
    assert found == sorted(case.places)
    assert case.remedy in "".join(problem.remedy for problem in caught.value.problems)
    assert caught.value.exit_code == 2


def test_a_file_without_its_head():
    with pytest.raises(Problems) as caught:
        resolve(Given(text="name: x\nkid: Config\n", file="f"))
    found = [(problem.code, str(problem.place)) for problem in caught.value.problems]
    assert found == [
        ("document.missing-field", "f:1 apiVersion"), ("document.missing-field", "f:1 kind"), ("document.unknown-field", "f:2 kid"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "on", "origin"), [("", True, "choice"), ("addons: {grafana: {enabled: false}}", False, "file")]
)
def test_what_a_command_chose_lies_between_release_and_file(text, on, origin):
    resolved = resolve(given_with(text, choices={"addons.grafana.enabled": True}))
    assert resolved.config.addons["grafana"].enabled is on
    assert resolved.origin_of(("addons", "grafana", "enabled")).kind == origin


def test_every_fixed_field_has_a_variable_that_reaches_it():
    for name, path in variables().items():
        found, problems = from_environment({name: "1"})
        assert [(found_name, found_path) for found_name, found_path, _ in found] == [(name, path)] and not problems
    assert {"MLSTACK_NAME", "MLSTACK_PROVIDER_KIND_NODE_IMAGE", "MLSTACK_NETWORK_PROXY_HTTPS"} <= set(variables())


def test_variables_of_others_are_left_alone():
    resolve(
        given_with(
            environ={
                "MLSTACK_TEST_X": "1",
                "MLSTACK_CONFIG": "x",
                "MLSTACK_DATA_DIR": "y",
                "HOME": "/",
                "XMLSTACK_A": "1",
            }
        )
    )


def test_paths_of_set_arguments():
    assert parse_path('artifacts.mirrors."docker.io"') == ("artifacts", "mirrors", "docker.io")
    assert parse_set('artifacts.mirrors."docker.io"=[a.example]') == (
        ("artifacts", "mirrors", "docker.io"),
        ["a.example"],
    )
    assert parse_set("name=a=b") == (("name",), "a=b")
    assert parse_path("a..b") == parse_path("") == ()


def test_place_of_a_value_for_later_checks():
    resolved = resolve(given_with("stacks:\n  minio:\n    params: {size: 1}\n", sets=("stacks.mysql.params.engine=x",)))
    assert str(resolved.place_of(("stacks", "minio", "params", "size"))) == "mlstack.yaml:5 stacks.minio.params.size"
    assert str(resolved.place_of(("stacks", "minio"))) == "mlstack.yaml:4 stacks.minio"
    assert str(resolved.place_of(("stacks", "mysql", "params"))) == "flag --set stacks.mysql.params"
    assert str(resolved.place_of(("host", "changes"))) == "host.changes"


def test_schema_on_disk_is_current():
    shipped = (ROOT / "docs" / "reference" / "mlstack.schema.json").read_text(encoding="utf-8")
    assert json.loads(shipped) == json.loads(json.dumps(json_schema()))


def test_every_field_is_described():
    def described(node):
        for name, field_ in node.get("properties", {}).items():
            assert field_.get("description") or "$ref" in field_, name

    schema = json_schema()
    for node in [schema, *schema["$defs"].values()]:
        described(node)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "name",
        "profile",
        "provider",
        "kind",
        "nodes",
        "ports",
        "mounts",
        "stacks",
        "minio",
        "params",
        "artifacts",
        "mirrors",
        "paths",
        "x",
    ]
)
TREES = st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


@settings(max_examples=250, deadline=1000)
@given(
    tree=TREES,
    sets=st.lists(
        st.text(max_size=20) | st.tuples(KEYS, KEYS, st.text(max_size=5)).map(lambda p: f"{p[0]}.{p[1]}={p[2]}"),
        max_size=3,
    ),
    environ=st.dictionaries(
        st.sampled_from([*variables(), "MLSTACK_STACKS_X_PARAMS_Y", "MLSTACK_"]), st.text(max_size=8), max_size=3
    ),
)
def test_any_configuration_resolves_or_fails_with_places(tree, sets, environ):
    text = json.dumps({"apiVersion": "mlstack/v1alpha1", "kind": "Config", **tree} if isinstance(tree, dict) else tree)
    try:
        resolved = resolve(given_with(text, sets=tuple(sets), environ=environ))
    except Problems as error:
        assert error.problems and all(problem.place and str(problem.place) for problem in error.problems)
    else:
        assert Config.model_validate(resolved.config.model_dump(by_alias=True)) == resolved.config


def test_config_file_is_found_named_or_absent(tmp_path):
    assert read_config(None, {}, tmp_path) == (None, None)
    (tmp_path / "mlstack.yaml").write_text(HEAD)
    (tmp_path / "other.yaml").write_text(HEAD + "name: other")
    assert read_config(None, {}, tmp_path)[0] == HEAD
    assert read_config(None, {"MLSTACK_CONFIG": "other.yaml"}, tmp_path)[1] == tmp_path / "other.yaml"
    given_ = given_of(Path("other.yaml"), {"HOME": "/h"}, cwd=tmp_path)
    assert (given_.file, given_.directory, given_.home) == ("other.yaml", str(tmp_path), "/h")
    assert resolve(given_).config.name == "other"


@pytest.mark.parametrize("kind", ["missing", "directory", "latin1"])
def test_config_file_that_cannot_be_read(tmp_path, kind):
    path = tmp_path / "c.yaml"
    if kind == "directory":
        path.mkdir()
    elif kind == "latin1":
        path.write_bytes(b"name: \xe4")
    with pytest.raises(MlstackError) as caught:
        read_config(path, {}, tmp_path)
    assert caught.value.code == ("config.not-found" if kind == "missing" else "config.unreadable")
    assert caught.value.exit_code == 2 and caught.value.remedy


def test_paths_come_from_configuration_then_variables_then_platform(tmp_path):
    environ = {"MLSTACK_CACHE_DIR": str(tmp_path / "c"), "MLSTACK_STATE_DIR": str(tmp_path / "s")}
    paths = find_paths(environ)
    assert (paths.cache, paths.state, paths.data) == (tmp_path / "c", tmp_path / "s", ROOT)
    assert find_paths(environ, cache="/x").cache == Path("/x")
    assert find_paths({}).cache.name == "mlstack"
    with pytest.raises(MlstackError) as caught:
        find_data({"MLSTACK_DATA_DIR": str(tmp_path)})
    assert caught.value.code == "paths.no-data"
    assert list(tmp_path.iterdir()) == []
