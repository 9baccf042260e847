"""Addon model-registry, where it is on: what it keeps, who registers and who only reads, what it refuses, a new pod of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import kubernetes
import pytest
from minio.error import S3Error

from e2e.application import AUDIENCE, machine_token
from e2e.browser import Browser
from e2e.platform import Platform, until
from e2e.tenants import ann_and_bob, knock, needs_addon, program_token

pytestmark = pytest.mark.timeout(900)
API = "/api/model_registry/v1alpha3"
Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def spaces(platform: Platform) -> Iterator[tuple[str, str]]:
    needs_addon(platform, "model-registry")
    with ann_and_bob(platform, "profile standard has it", "workflow-engine", "gateway", "login") as names:
        yield names


def asking(platform: Platform, token: str = "") -> Ask:
    """Asks the registry through the gateway, by a token if one is given."""
    door = Browser(*platform.door())

    def ask(method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        own = {"Authorization": f"Bearer {token}"} if token else {}
        return door.client.request(method, f"{door.url}{API}{path}", headers={**own, **(headers or {})}, **more)

    return ask


def registrar(platform: Platform, space: str) -> Ask:
    """Asks as a program of the profile, which may register; the gateway learns of a profile a moment after it is made."""
    ask = asking(platform, program_token(platform, space))
    until(lambda: ask("POST", "/registered_models", content=b"no JSON").status_code == 400, 60, "a right to register")
    return ask


@pytest.fixture(scope="module")
def ann(platform: Platform, spaces: tuple[str, str]) -> Ask:
    return registrar(platform, spaces[0])


@pytest.fixture(scope="module")
def bob(platform: Platform, spaces: tuple[str, str]) -> Ask:
    return registrar(platform, spaces[1])


def made(ask: Ask, **more: Any) -> dict[str, Any]:
    """A new registered model."""
    answer = ask("POST", "/registered_models", json={"name": f"e2e.{secrets.token_hex(6)}", **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def run_sample(platform: Platform, space: str) -> dict[str, Any]:
    done = platform.cli("run", "register-iris", "--profile", space, "--param", "model=flowers", "--watch", "--json")
    last = dict(done.lines()[-1])
    assert (last["phase"], last["namespace"]) == ("Succeeded", space)
    return last


def test_what_a_training_made_is_registered_and_found(
    platform: Platform, spaces: tuple[str, str], ann: Ask, bob: Ask
) -> None:
    first, second = (run_sample(platform, spaces[0]) for _ in range(2))
    values, later = first["results"], second["results"]
    assert values["name"] == f"{spaces[0]}.flowers" and float(values["accuracy"]) > 0.85
    assert later["id"] == values["id"] and later["version"] != values["version"], "two versions of one model"
    bucket, key = f"profile-{spaces[0]}", f"{spaces[0]}/{first['run']}/model.joblib"
    assert values["uri"] == f"s3://{bucket}/{key}"
    assert platform.minio().stat_object(bucket, key).size > 100
    for ask in (ann, bob):  # who is logged in reads all of it
        (file,) = ask("GET", f"/model_versions/{values['version']}/artifacts").json()["items"]
        assert (file["uri"], file["modelFormatName"]) == (values["uri"], "sklearn")
        versions = ask("GET", f"/registered_models/{values['id']}/versions").json()
        assert {one["name"] for one in versions["items"]} == {first["run"], second["run"]}
        measured = {one["name"]: one["customProperties"]["accuracy"]["double_value"] for one in versions["items"]}
        assert f"{measured[first['run']]:.4f}" == values["accuracy"]
    login = platform.credential(f"profile-{spaces[1]}")
    stranger = platform.minio(access_key=login["accesskey"], secret_key=login["secretkey"])
    with pytest.raises(S3Error, match="AccessDenied"):
        stranger.get_object(bucket, key)  # to know where a file lies is not to have it


def test_who_only_looks_changes_nothing(platform: Platform, spaces: tuple[str, str], ann: Ask) -> None:
    model = made(ann, owner=spaces[0])
    path, name = f"/registered_models/{model['id']}", f"e2e.{secrets.token_hex(6)}"
    lookers = {
        "a viewer's program": program_token(platform, spaces[0], "default-viewer"),
        "a program of no profile": machine_token(platform, "kube-system", AUDIENCE),
    }
    for who, token in lookers.items():
        ask = asking(platform, token)
        assert ask("GET", path).json()["owner"] == spaces[0], who
        assert ask("POST", "/registered_models", json={"name": name}).status_code == 403, who
        assert ask("PATCH", path, json={"description": "theirs"}).status_code == 403, who
    nobody = asking(platform)
    for method, at in (("GET", path), ("POST", "/registered_models"), ("PATCH", path)):
        assert nobody(method, at, json={"name": name}).status_code in (302, 401, 403), method
        assert asking(platform, "x.y.z")(method, at, json={"name": name}).status_code in (401, 403), method
    assert ann("GET", f"/registered_model?name={name}").status_code == 404
    assert "description" not in ann("GET", path).json()


def test_a_page_of_another_origin_changes_nothing(platform: Platform, ann: Ask) -> None:
    path = f"/registered_models/{made(ann)['id']}"
    body = {"description": "by a page"}
    assert ann("PATCH", path, {"Origin": "https://elsewhere.example"}, json=body).status_code == 403
    assert "description" not in ann("GET", path).json()
    assert ann("PATCH", path, {"Origin": Browser(*platform.door()).url}, json=body).status_code == 200
    assert ann("GET", path).json()["description"] == "by a page"


def test_an_entry_is_put_away_and_not_deleted(ann: Ask, bob: Ask) -> None:
    path = f"/registered_models/{made(ann)['id']}"
    assert ann("DELETE", path).status_code == 405
    assert bob("PATCH", path, json={"state": "ARCHIVED"}).status_code == 200, "one registry for all who may register"
    assert ann("GET", path).json()["state"] == "ARCHIVED"


def test_what_makes_no_sense_is_refused_with_a_reason(ann: Ask) -> None:
    name = made(ann)["name"]
    bad: list[tuple[int, str, dict[str, Any]]] = [
        (400, "unknown field", {"json": {"name": f"{name}x", "wrong": 1}}),
        (400, "invalid", {"content": b"{no JSON"}),
        (400, "", {"json": {"name": f"{name}x", "state": "GONE"}}),
        (422, "name", {"json": {"description": "of what?"}}),
        (409, "already exists", {"json": {"name": name}}),
    ]
    for status, reason, more in bad:
        answer = ann("POST", "/registered_models", **more)
        assert (answer.status_code, reason in answer.text) == (status, True), answer.text
    assert ann("GET", f"/registered_model?name={name}x").status_code == 404
    for status, path in ((404, "/registered_models/2000000000"), (400, "/registered_models/one"), (404, "/nothing")):
        assert ann("GET", path).status_code == status, path


def test_pods_reach_it_through_the_gateway_only(platform: Platform, spaces: tuple[str, str]) -> None:
    assert knock(platform, spaces[0], "model-registry.model-registry.svc.cluster.local", 8080).startswith("kept out")


def test_a_new_pod_has_what_the_one_before_had(platform: Platform, ann: Ask) -> None:
    model = made(ann, description="kept")
    core, apps = platform.core(), kubernetes.client.AppsV1Api(platform.api())
    (pod,) = core.list_namespaced_pod("model-registry", label_selector="app.kubernetes.io/name=model-registry").items
    core.delete_namespaced_pod(pod.metadata.name, "model-registry")

    def again() -> bool:
        pods = core.list_namespaced_pod("model-registry").items
        status = apps.read_namespaced_deployment_status("model-registry", "model-registry").status
        return status.ready_replicas == 1 and pod.metadata.uid not in {one.metadata.uid for one in pods}

    until(again, 180, "a new pod that is ready")
    until(lambda: ann("GET", "/registered_models").status_code == 200, 60, "the way to it")
    assert ann("GET", f"/registered_models/{model['id']}").json()["description"] == "kept"
