"""The model registry knows no users: the gateway alone gets in and says who changes what; what its sample's program does."""

from __future__ import annotations

import runpy
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from callers import machine, only_the_gateway_gets_in, person
from contract_data import CATALOGUE, FACTS, Workshop
from fakeregistry import API, Connection, Registry

from mlstack.core.authzmatch import Request, policy_applies
from mlstack.core.desired import RenderedStack
from mlstack.core.people import Member, People, Profile
from mlstack.core.resolve import Choice, profile_of, resolve
from mlstack.core.sample import sample_object

NAME, VERSION = "model-registry", "0.3.0"
PEOPLE = People(
    profiles=(
        Profile("ann", "ann@lab", (Member("bob@lab", "view"), Member("makers", "edit", group=True))),
        Profile("dan", "dan@lab", (Member("cat@lab", "edit"), Member("readers", "view", group=True))),
    )
)


@pytest.fixture(scope="module")
def one(workshop: Workshop) -> RenderedStack:
    return workshop.render(NAME, VERSION, replace(FACTS, people=PEOPLE))


def of(objects: RenderedStack | list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    found = objects.objects if isinstance(objects, RenderedStack) else objects
    return [obj for obj in found if obj["kind"] == kind]


WHO = {
    "administrator": person("root@lab", "admins"),
    "owner": person("ann@lab"),
    "editor": person("cat@lab", "staff"),
    "editor by group": person("eve@lab", "staff", "makers"),
    "program of a profile": machine("dan"),
    "step of a profile": machine("ann", "workflow"),
    "step of a workflow": machine("ml", "workflow"),
    "viewer": person("bob@lab"),
    "viewer by group": person("eve@lab", "readers"),
    "viewer's program": machine("ann", "default-viewer"),
    "stranger": person("eve@lab", "staff"),
    "program of no profile": machine("kube-system", "default"),
    "program with a like name": machine("ann-2"),
    "somebody called like a machine": {
        "principal": "https://lab/dex/system:serviceaccount:ann:x",
        "claims": {"email": "x@lab"},
    },
}
MAY = {
    "profiles": {*list(WHO)[:7]},
    "admins": {"administrator"},
}


@pytest.mark.parametrize(("writers", "who", "method"), list(product(MAY, WHO, ["GET", "POST", "PATCH", "DELETE"])))
def test_all_read_and_those_change_who_may(workshop: Workshop, writers: str, who: str, method: str) -> None:
    stack = workshop.render(NAME, VERSION, replace(FACTS, people=PEOPLE), writers=writers)
    (policy,) = of(stack, "AuthorizationPolicy")
    assert policy["spec"]["action"] == "DENY"
    request = Request("lab:8443", 8443, f"{API}/registered_models", method, **WHO[who])
    assert policy_applies(policy, request) is (method != "GET" and who not in MAY[writers])
    elsewhere = replace(request, path="/argo/api/v1/workflows/ann")
    assert not policy_applies(policy, elsewhere), "it is about no other path"


def test_pages_of_other_origins_change_nothing(one: RenderedStack) -> None:
    (policy,) = of(one, "AuthorizationPolicy")

    def refused(method: str, **headers: str) -> bool:
        request = Request("lab", 8443, f"{API}/registered_models", method, headers, **WHO["owner"])
        return policy_applies(policy, request)

    own = FACTS.external.url
    for method in ("POST", "PATCH"):
        assert refused(method, origin="https://elsewhere.example") and refused(method, origin=f"{own}.example")
        assert refused(method, origin="null")
        assert not refused(method, origin=own) and not refused(method)
    assert not refused("GET", origin="https://elsewhere.example")


def test_without_profiles_nobody_is_shut_out_by_mistake(workshop: Workshop) -> None:
    (policy,) = of(workshop.render(NAME, VERSION, replace(FACTS, people=People())), "AuthorizationPolicy")
    for who, refused in (("administrator", False), ("step of a workflow", False), ("owner", True)):
        request = Request("lab", 8443, f"{API}/registered_models", "POST", **WHO[who])
        assert policy_applies(policy, request) is refused


def test_only_the_gateway_gets_in_and_nothing_out_but_to_tables(one: RenderedStack) -> None:
    assert only_the_gateway_gets_in(one.objects) == {"kube-system": [53, 53], "mysql": [3306]}


def test_its_password_is_no_argument_and_its_path_is_where_clients_look(one: RenderedStack) -> None:
    (deployment,) = of(one, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert not [arg for arg in container["args"] if "dsn" in arg or "$(" in arg]
    env = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    user = "$(DATABASE_USER):$(DATABASE_PASSWORD)@tcp("
    assert env["MR_EMBEDMD_DATABASE_DSN"].startswith(user) and "/modelregistry?" in env["MR_EMBEDMD_DATABASE_DSN"]
    order = [entry["name"] for entry in container["env"]]
    assert order.index("DATABASE_PASSWORD") < order.index("MR_EMBEDMD_DATABASE_DSN"), "or it is not filled in"
    (point,) = one.endpoints
    assert point.auth == "required" and point.route is not None
    assert (point.route.prefix, point.route.rewrite) == ("/api/model_registry/", "")


def test_behind_sidecars_only_the_gateways_name_gets_in(workshop: Workshop) -> None:
    choices = {"istio": Choice(params={"mesh": "sidecar"}), NAME: Choice(version=VERSION, enabled=True)}
    selection = resolve(CATALOGUE, workshop.release, profile_of(workshop.release, NAME), choices=choices)
    objects = list(next(one for one in workshop.renderer.render(selection, FACTS) if one.name == NAME).objects)
    policies = {obj["metadata"]["name"]: obj["spec"] for obj in of(objects, "AuthorizationPolicy")}
    assert policies["gateway-only"]["action"] == "ALLOW"
    assert policies["gateway-only"]["rules"][0]["from"][0]["source"]["principals"]
    (deployment,) = of(objects, "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"


def register(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, registry: Registry, run: str
) -> dict[str, str]:
    """What step ``register`` of the sample says, run here."""
    (tmp_path / "work").mkdir(parents=True)
    given = {"service": "gateway:443", "authority": "lab:8443", "token": "secret", "bucket": "profile-ann"}
    for name, text in given.items():
        (tmp_path / name).write_text(text)
    selection = workshop.offer(NAME, VERSION, "register-iris")
    flow, _ = sample_object(selection, "register-iris", {"model": "flowers"}, FACTS, "ann")
    step = next(one["script"] for one in flow["spec"]["templates"] if one["name"] == "register")
    values = {"{{workflow.parameters.model}}": "flowers", "{{workflow.namespace}}": "ann", "{{workflow.name}}": run}
    values |= {"{{inputs.parameters.accuracy}}": "0.9778", "{{inputs.parameters.library}}": "1.7.2"}
    for entry in step["env"]:
        text = entry["value"]
        for mark, value in values.items():
            text = text.replace(mark, value)
        monkeypatch.setenv(entry["name"], text)
    monkeypatch.setattr("mlstack_pod.gateway.Gateway.connect", lambda self: Connection(registry))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    places = {"/var/run/secrets/model-registry": str(tmp_path), '"/work"': f'"{tmp_path}/work"'}
    source = step["source"]
    for place, here in places.items():
        assert place in source
        source = source.replace(place, here)
    (tmp_path / "register.py").write_text(source)
    runpy.run_path(str(tmp_path / "register.py"), run_name="__main__")
    return {path.name: path.read_text() for path in (tmp_path / "work").iterdir()}


def test_the_sample_registers_versions_of_one_model(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registry = Registry()
    first = register(workshop, monkeypatch, tmp_path / "1", registry, "run-1")
    second = register(workshop, monkeypatch, tmp_path / "2", registry, "run-2")
    assert first == {
        "name": "ann.flowers",
        "id": "1",
        "version": "10",
        "uri": "s3://profile-ann/ann/run-1/model.joblib",
        "accuracy": "0.9778",
    }
    assert (second["id"], second["version"]) == ("1", "11") and second["uri"].endswith("/run-2/model.joblib")
    assert [(one["name"], one["author"]) for one in registry.versions] == [("run-1", "ann"), ("run-2", "ann")]
    (file,) = registry.files["11"]
    assert (file["modelFormatName"], file["modelFormatVersion"]) == ("sklearn", "1.7.2")
    assert file["name"] == "ann.run-2", "the name of a file is unique in the whole registry"


def test_the_sample_says_what_was_refused_and_waits_for_what_passes(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_rights = Registry(lambda method, path, status: 403 if method == "POST" else status)
    with pytest.raises(SystemExit, match=rf"POST {API}/registered_models answers 403: .*refused"):
        register(workshop, monkeypatch, tmp_path / "1", no_rights, "run-1")
    left = [503, 503, 502]
    starting = Registry(lambda method, path, status: left.pop() if left and method == "GET" else status)
    assert register(workshop, monkeypatch, tmp_path / "2", starting, "run-1")["id"] == "1"
    gone = Registry(lambda method, path, status: 503)
    with pytest.raises(SystemExit, match="answers 503"):
        register(workshop, monkeypatch, tmp_path / "3", gone, "run-1")


def test_the_sample_fails_where_the_registry_says_something_else(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registry = Registry()

    def elsewhere(method: str, path: str, status: int) -> int:
        for files in registry.files.values():
            files[0]["uri"] = "s3://profile-bob/other"
        return status

    registry.change = elsewhere
    with pytest.raises(SystemExit, match="the registry says 10 at s3://profile-bob/other"):
        register(workshop, monkeypatch, tmp_path, registry, "run-1")
