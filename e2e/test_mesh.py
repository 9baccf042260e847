"""``mesh: sidecar``: who is behind the gateway takes mutual TLS only, and a user's identity from nobody but the gateway.

Runs on the platform under test where that has sidecars. With MLSTACK_E2E_MESH=1 it makes a platform of its own, named
MLSTACK_E2E_MESH_NAME (``mesh``), and goes from sidecars to the gateway alone and back.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from e2e.application import AUDIENCE, ECHO, application, machine_token
from e2e.asking import asked, at
from e2e.browser import Browser
from e2e.configurations import has_sidecars, proxies, proxy_of, refused_configurations
from e2e.own import configured, of_its_own
from e2e.platform import Platform, finished, namespace

MESH = "stacks: {{istio: {{params: {{mesh: {}}}}}}}\n"
OWN = bool(os.environ.get("MLSTACK_E2E_MESH"))
MEMBER = {"istio-injection": "enabled"}
GATEWAY = "cluster.local/ns/istio-system/sa/istio-ingressgateway"
MESHED = {("auth", "dex"), ("login", "oauth2-proxy"), ("login", "login-sessions"), ("portal", "portal")}
"""(namespace, app.kubernetes.io/name) of the platform's own pods behind the gateway."""


@pytest.fixture(scope="module")
def mesh(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    uncaptured: Callable[[], AbstractContextManager[None]],
) -> Iterator[Platform]:
    """The platform with sidecars; of its own one it removes what was not there before."""
    if not OWN:
        platform: Platform = request.getfixturevalue("platform")
        if not has_sidecars(platform):
            pytest.skip("the platform has no sidecars: set MLSTACK_E2E_MESH=1 for one of this test's own")
        yield platform
        return
    name = os.environ.get("MLSTACK_E2E_MESH_NAME", "mesh")
    made = configured(name, tmp_path_factory.mktemp("mesh"), MESH.format("sidecar"))
    with of_its_own(made, uncaptured):
        yield made


@pytest.fixture(scope="module")
def core(mesh: Platform) -> kubernetes.client.CoreV1Api:
    return mesh.core()


@pytest.fixture(scope="module")
def member(core: kubernetes.client.CoreV1Api) -> Iterator[str]:
    """A namespace of the mesh that belongs to nobody the others know."""
    with namespace(core, MEMBER) as space:
        yield space


@pytest.fixture(scope="module")
def closed(mesh: Platform) -> Iterator[str]:
    """Namespace of an application in the mesh without further rules."""
    with application(mesh, ECHO, labels=MEMBER) as path:
        yield path.strip("/")


@pytest.fixture(scope="module")
def profile(mesh: Platform) -> Iterator[str]:
    """A user's namespace with an application."""
    name = f"e2e-mesh-{secrets.token_hex(2)}"
    mesh.cli("profiles", "add", name, "--owner", "e2e-mesh@example.org")
    try:
        with application(mesh, ECHO, space=name):
            yield name
    finally:
        mesh.cli("profiles", "remove", name, "--purge", "--yes")


def got(text: str) -> dict[str, str]:
    return dict(json.loads(text))


def admit(core: kubernetes.client.CoreV1Api, target: str, source: str) -> None:
    """Takes the network's own rules out of the way, so that what refuses is the mesh."""
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": source}}}]
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": peers}]}
    api = kubernetes.client.NetworkingV1Api(core.api_client)
    api.create_namespaced_network_policy(target, {"metadata": {"name": f"test-{source}"}, "spec": spec})


def test_everything_behind_the_gateway_has_a_sidecar(core: kubernetes.client.CoreV1Api, profile: str) -> None:
    found = set()
    for pod in core.list_pod_for_all_namespaces().items:
        name = (pod.metadata.namespace, (pod.metadata.labels or {}).get("app.kubernetes.io/name", ""))
        if name in MESHED or name[0] == profile:
            proxy = proxy_of(pod)
            assert proxy and proxy.restart_policy == "Always", (
                f"{pod.metadata.name}: not a sidecar that ends with its pod"
            )
            found.add(name)
    assert found == {*MESHED, (profile, "")}


def test_plain_text_is_refused_and_mutual_tls_is_not(
    core: kubernetes.client.CoreV1Api, mesh: Platform, closed: str
) -> None:
    with application(mesh, ECHO) as path, namespace(core) as stranger:
        control = at(path.strip("/"))
        (status, text), open_one = asked(core, stranger, control, at(closed), control)
        assert status == 0 and ("reset" in text.lower() or "closed" in text.lower()), (status, text)
        assert open_one[0] == 200, "the same pod reaches what is not in the mesh"
    with namespace(core, MEMBER) as stranger:
        ((status, text),) = asked(core, stranger, at(closed), at(closed))
        assert (
            status == 200 and f"spiffe://cluster.local/ns/{stranger}/sa/default" in got(text)["x-forwarded-client-cert"]
        )


def test_a_profile_takes_an_identity_from_the_gateway_only(
    core: kubernetes.client.CoreV1Api, mesh: Platform, profile: str, closed: str, member: str
) -> None:
    token = machine_token(mesh, profile, AUDIENCE)
    answer = Browser(*mesh.door()).get(f"/{profile}/", Authorization=f"Bearer {token}")
    assert answer.status_code == 200
    seen = got(answer.text)
    assert seen["kubeflow-userid"] == f"system:serviceaccount:{profile}:default"
    assert f"URI=spiffe://{GATEWAY}" in seen["x-forwarded-client-cert"], "the gateway proves who it is"
    ((status, _),) = asked(core, profile, at(profile), at(profile))
    assert status == 200, "programs of one profile work together"
    admit(core, profile, member)
    (foreign, elsewhere) = asked(core, member, at(closed), at(profile), at(closed))
    assert foreign[0] == 403 and "RBAC" in foreign[1], foreign
    assert elsewhere[0] == 200, "the same pod reaches an application without the rule"


def test_the_portal_takes_an_identity_from_the_gateway_only(
    core: kubernetes.client.CoreV1Api, mesh: Platform, member: str
) -> None:
    portal = "http://portal.portal.svc.cluster.local:80/"
    values = mesh.credential("admin")
    page = Browser(*mesh.door()).login(values["email"], values["password"])
    assert page.status_code == 200 and values["email"] in page.text
    with namespace(core) as stranger:
        for space in (member, stranger):
            admit(core, "portal", space)
        try:
            ((status, text),) = asked(core, member, "-", portal)
            assert status == 403 and "RBAC" in text, (status, text)
            ((status, text),) = asked(core, stranger, "-", portal)
            assert status == 0 and ("reset" in text.lower() or "closed" in text.lower()), (status, text)
        finally:
            api = kubernetes.client.NetworkingV1Api(core.api_client)
            for space in (member, stranger):
                api.delete_namespaced_network_policy(f"test-{space}", "portal")


def test_a_run_in_a_profile_ends_beside_its_sidecar(
    core: kubernetes.client.CoreV1Api, mesh: Platform, profile: str
) -> None:
    result = mesh.cli("run", "hello", "--profile", profile, "--watch", "--json").lines()[-1]
    pods = core.list_namespaced_pod(profile, label_selector="workflows.argoproj.io/workflow").items
    assert result and [pod.status.phase for pod in pods] == ["Succeeded"] and proxy_of(pods[0])
    assert mesh.hello()


def test_the_attack_list_gets_nowhere(mesh: Platform) -> None:
    report = mesh.cli("verify", "--auth", "--json").lines()[-1]
    assert report["cases"] and not [case for case in report["cases"] if case["error"]]


def test_no_envoy_refused_its_configuration(core: kubernetes.client.CoreV1Api, mesh: Platform, closed: str) -> None:
    assert {space for space, _ in proxies(core)} >= {"istio-system", "auth", "login", "portal", closed}
    assert refused_configurations(mesh) == []


def test_a_refused_configuration_would_be_seen(core: kubernetes.client.CoreV1Api, mesh: Platform, closed: str) -> None:
    """The control of the test before it: a filter that the stock Envoy does not have."""
    config = {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "type_url": "type.googleapis.com/no.such.Filter"}
    patch = {"operation": "INSERT_FIRST", "value": {"name": "no.such.filter", "typed_config": config}}
    chain = {"filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager"}}}
    match = {"context": "SIDECAR_INBOUND", "listener": chain}
    spec = {"configPatches": [{"applyTo": "HTTP_FILTER", "match": match, "patch": patch}]}
    body: dict[str, Any] = {"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "spec": spec}
    api = kubernetes.client.CustomObjectsApi(core.api_client)
    place = ("networking.istio.io", "v1alpha3", closed, "envoyfilters")
    api.create_namespaced_custom_object(*place, {**body, "metadata": {"name": "wrong"}})
    try:
        deadline = time.monotonic() + 60
        while len(found := refused_configurations(mesh)) < 2 and time.monotonic() < deadline:
            time.sleep(1)
        assert any(line.startswith("pilot_total_xds_rejects") for line in found), found
        assert any(line.startswith(f"{closed}/") for line in found), found
    finally:
        api.delete_namespaced_custom_object(*place, "wrong")


@pytest.mark.last(1)
@pytest.mark.skipif(not OWN, reason="changes how the platform is set up: set MLSTACK_E2E_MESH=1")
def test_from_sidecars_to_the_gateway_alone_and_back(
    core: kubernetes.client.CoreV1Api, mesh: Platform, tmp_path: Path
) -> None:
    alone = configured(mesh.name, tmp_path, MESH.format("gateway"))
    for platform, wanted in ((alone, set[tuple[str, str]]()), (mesh, MESHED)):
        planned = json.dumps(platform.cli("plan", "--json").json()["actions"])
        assert all(f"Deployment/{space}/{name}" in planned for space, name in MESHED), (
            "the plan tells whose pods are new"
        )
        platform.up()
        assert platform.cli("plan", "--json").json()["actions"] == []
        assert finished(platform.up())["changed"] == 0
        pods = [pod for pod in core.list_pod_for_all_namespaces().items if pod.metadata.deletion_timestamp is None]
        names = {
            (pod.metadata.namespace, pod.metadata.labels.get("app.kubernetes.io/name")) for pod in pods if proxy_of(pod)
        }
        assert names & MESHED == wanted
        values = platform.credential("admin")
        page = Browser(*platform.door()).login(values["email"], values["password"])
        assert page.status_code == 200 and values["email"] in page.text
        assert platform.hello()
    assert refused_configurations(mesh) == []
