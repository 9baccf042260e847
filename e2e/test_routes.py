"""What stacks have behind the gateway: Argo's API with the caller's own rights, figures for those who have the role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import kubernetes
import pytest

from e2e.application import AUDIENCE, machine_token
from e2e.browser import Browser
from e2e.platform import PYTHON_IMAGE, Platform, namespace, restricted, run_pod, wait_for

FIGURES = {
    "argo-metrics": "argo_workflows_",
    "dex-metrics": "dex_build_info",
    "istiod-metrics": "pilot_",
    "gateway-metrics": "envoy_",
    "login-metrics": "go_goroutines",
}


@pytest.fixture(scope="module")
def door(platform: Platform) -> Browser:
    url, authority = platform.door()
    if not url:
        pytest.skip("the platform has no gateway: it runs a profile without a login")
    return Browser(url, authority)


@pytest.fixture(scope="module")
def profile(platform: Platform, door: Browser) -> Iterator[str]:
    """A profile beside the administrator's."""
    name = "e2e-routes"
    platform.cli("profiles", "add", name, "--owner", "e2e-routes@example.org")
    yield name
    platform.cli("profiles", "remove", name, "--purge", "--yes")


def offered(platform: Platform) -> set[str]:
    return {one["name"] for one in platform.cli("connect", "--json").json()["items"]}


def variables(platform: Platform, name: str, *more: str) -> dict[str, str]:
    """What ``mlstack connect NAME --print env`` sets."""
    found: dict[str, str] = platform.cli("connect", name, "--print", "env", "--json", *more).json()["environment"]
    return found


def ask(door: Browser, name: str, token: str) -> httpx.Response:
    return door.get(name, Authorization=f"Bearer {token}")


@pytest.fixture(scope="module")
def argo(platform: Platform, door: Browser) -> str:
    if "argo" not in offered(platform):
        pytest.skip("the platform has no Argo server")
    return "/argo/api/v1"


def test_argos_api_shows_each_profile_its_own(platform: Platform, door: Browser, argo: str, profile: str) -> None:
    tokens = {
        name: variables(platform, "argo", "--account", f"{name}/default-editor")["MLSTACK_TOKEN"]
        for name in ("admin", profile)
    }
    for name, token in tokens.items():
        other = "admin" if name == profile else profile
        for kind in ("workflows", "workflow-templates", "cron-workflows"):
            assert ask(door, f"{argo}/{kind}/{name}", token).status_code == 200
            assert ask(door, f"{argo}/{kind}/{other}", token).status_code == 403
            assert ask(door, f"{argo}/{kind}/", token).status_code == 403, "not of all namespaces either"
        assert ask(door, f"{argo}/archived-workflows?namespace={name}", token).status_code == 200
        assert ask(door, f"{argo}/archived-workflows?namespace={other}", token).status_code == 403


def test_argos_api_runs_a_workflow_to_its_end(platform: Platform, door: Browser, argo: str, profile: str) -> None:
    token = variables(platform, "argo", "--account", f"{profile}/default-editor")["MLSTACK_TOKEN"]
    flow: dict[str, Any] = {
        "metadata": {"generateName": "by-api-", "namespace": profile},
        "spec": {
            "entrypoint": "main",
            "templates": [
                {"name": "main", "container": {"image": PYTHON_IMAGE, "command": ["python3", "-c", "print(6*7)"]}}
            ],
        },
    }
    headers = {"Authorization": f"Bearer {token}"}
    made = door.client.post(f"{door.url}{argo}/workflows/{profile}", json={"workflow": flow}, headers=headers)
    assert made.status_code == 200, made.text
    name = made.json()["metadata"]["name"]
    watch = kubernetes.watch.Watch()
    flows = kubernetes.client.CustomObjectsApi(platform.api())
    for event in watch.stream(
        flows.list_namespaced_custom_object, "argoproj.io", "v1alpha1", profile, "workflows", timeout_seconds=240
    ):
        if event["object"].get("status", {}).get("phase") in ("Succeeded", "Failed", "Error"):
            break
    seen = ask(door, f"{argo}/workflows/{profile}/{name}", token).json()
    assert seen["status"]["phase"] == "Succeeded"
    assert "42" in ask(door, f"{argo}/workflows/{profile}/{name}/log?logOptions.container=main", token).text
    other = variables(platform, "argo", "--account", "admin/default-editor")["MLSTACK_TOKEN"]
    for path in (f"workflows/{profile}/{name}", f"workflows/{profile}/{name}/log?logOptions.container=main"):
        assert ask(door, f"{argo}/{path}", other).status_code == 403


def test_a_viewer_starts_nothing_by_argos_api(platform: Platform, door: Browser, argo: str, profile: str) -> None:
    token = variables(platform, "argo", "--account", f"{profile}/default-viewer")["MLSTACK_TOKEN"]
    assert ask(door, f"{argo}/workflows/{profile}", token).status_code == 200
    step = {"name": "x", "suspend": {}}
    body = {"workflow": {"metadata": {"generateName": "x-"}, "spec": {"entrypoint": "x", "templates": [step]}}}
    headers = {"Authorization": f"Bearer {token}"}
    refused = door.client.post(f"{door.url}{argo}/workflows/{profile}", json=body, headers=headers)
    assert refused.status_code == 403 and "cannot create" in refused.text, refused.text


def test_a_token_for_the_gateway_alone_has_no_rights_at_argo(platform: Platform, door: Browser, argo: str) -> None:
    token = machine_token(platform, "admin", AUDIENCE)
    assert ask(door, "/argo/", token).status_code == 200, "it passes the gateway"
    assert ask(door, f"{argo}/workflows/admin", token).status_code == 401
    assert door.get(f"{argo}/workflows/admin").status_code == 302


def test_a_browser_session_has_no_rights_at_argo(platform: Platform, door: Browser, argo: str) -> None:
    values = platform.credential("admin")
    visitor = Browser(*platform.door())
    visitor.login(values["email"], values["password"], "/argo/")
    assert "This is an interface for programs" in visitor.get("/argo/").text
    assert visitor.get(f"{argo}/workflows/admin").status_code == 401, "a login's token is kept from services"


def test_argos_server_has_no_rights_of_its_own_to_speak_of(platform: Platform, argo: str) -> None:
    review = {"spec": {"user": "system:serviceaccount:argo:argo-server", "resourceAttributes": {}}}
    api = kubernetes.client.AuthorizationV1Api(platform.api())
    for verb, resource, group in (
        ("create", "workflows", "argoproj.io"),
        ("delete", "workflows", "argoproj.io"),
        ("list", "secrets", ""),
        ("get", "pods", ""),
        ("create", "pods", ""),
    ):
        review["spec"]["resourceAttributes"] = {
            "namespace": "admin",
            "verb": verb,
            "resource": resource,
            "group": group,
        }
        assert not api.create_subject_access_review(review).status.allowed, f"{verb} {resource}"


def test_figures_are_for_administrators_and_machines_with_the_role(platform: Platform, door: Browser) -> None:
    values = platform.credential("admin")
    admin = Browser(*platform.door())
    admin.login(values["email"], values["password"], "/")
    stranger = machine_token(platform, "admin", AUDIENCE)
    names = offered(platform) & FIGURES.keys()
    assert names
    for name in sorted(names):
        set_up = variables(platform, name)
        path = "/" + set_up["MLSTACK_URL"].split("/", 3)[3]
        figures = ask(door, path, set_up["MLSTACK_TOKEN"])
        assert figures.status_code == 200 and FIGURES[name] in figures.text, name
        assert admin.get(path).status_code == 200, "administrators come with their session"
        for suffix in ("", "/", "x", "?a=b"):
            refused = ask(door, path + suffix, stranger)
            assert (refused.status_code, refused.text) == (403, "RBAC: access denied"), path + suffix
        assert door.get(path).status_code == 302


def test_a_user_who_is_no_administrator_gets_no_figures(platform: Platform, door: Browser) -> None:
    added = platform.cli("users", "add", "e2e-figures", "--no-profile", "--password-stdin", stdin="a-long-password-1\n")
    assert added.code == 0
    try:
        visitor = Browser(*platform.door())
        email = next(
            one["email"]
            for one in platform.cli("users", "list", "--json").json()["items"]
            if one["name"] == "e2e-figures"
        )
        visitor.login(email, "a-long-password-1", "/")
        assert visitor.get("/").status_code == 200
        assert visitor.get("/metrics/istio").status_code == 403
    finally:
        platform.cli("users", "remove", "e2e-figures")


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("argo-server.argo", 2746),
        ("workflow-controller-metrics.argo", 9090),
        ("oauth2-proxy-metrics.login", 9100),
        ("dex-metrics.auth", 5558),
        ("istiod.istio-system", 15014),
        ("istio-ingressgateway-metrics.istio-system", 15090),
    ],
)
def test_a_foreign_pod_gets_at_none_of_it_beside_the_gateway(
    platform: Platform, door: Browser, host: str, port: int
) -> None:
    code = f"import socket; socket.create_connection(('{host}.svc.cluster.local', {port}), 4)"
    core = platform.core()
    with namespace(core) as space:
        pod = restricted(PYTHON_IMAGE, ["python3", "-c", code])
        assert wait_for(core, space, run_pod(core, space, pod), {"Succeeded", "Failed"}) == "Failed"


def test_the_walls_between_profiles_hold(platform: Platform, door: Browser) -> None:
    report = platform.cli("verify", "--tenants", "--json").lines()[-1]
    cases = {case["name"]: case["error"] for case in report["cases"]}
    assert len(cases) >= 20 and not [name for name, error in cases.items() if error], json.dumps(cases)
    for words in ("a pod by its address", "read a secret", "read an object", "list workflows", "through the gateway"):
        assert [name for name in cases if words in name], words
    left = {space.metadata.name for space in platform.core().list_namespace().items}
    assert not [name for name in left if name.startswith("mlstack-verify")]
