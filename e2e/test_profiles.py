"""Profiles keep their users apart: keys, network, roles, quota; removing keeps data and can be taken back."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException
from minio.error import S3Error

from e2e.platform import SHELL_IMAGE, Platform, finished, namespace, restricted, run_pod, wait_for
from e2e.tenants import may, needs, two_profiles

OWNER, GUEST = "e2e-owner@example.org", "e2e-guest@example.org"
SERVER = ["sh", "-c", "mkdir -p /tmp/www && echo here > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"]


@pytest.fixture(scope="module")
def pair(platform: Platform) -> Iterator[tuple[str, str]]:
    """Two profiles of different owners."""
    needs(platform, "profile standard has it", "profiles", "identity-provider")
    with two_profiles(platform, {"one": OWNER, "two": GUEST}) as names:
        yield names


def editor(space: str) -> str:
    return f"system:serviceaccount:{space}:default-editor"


def keys(platform: Platform, profile: str) -> dict[str, str]:
    values = platform.credential(f"profile-{profile}")
    return {"access_key": values["accesskey"], "secret_key": values["secretkey"]}


def test_a_key_opens_its_own_bucket_only(platform: Platform, pair: tuple[str, str]) -> None:
    one, two = (platform.minio(**keys(platform, name)) for name in pair)
    one.put_object(f"profile-{pair[0]}", "mine", io.BytesIO(b"mine"), 4)
    assert one.get_object(f"profile-{pair[0]}", "mine").read() == b"mine"
    assert two.list_objects(f"profile-{pair[1]}") is not None and list(two.list_objects(f"profile-{pair[1]}")) == []
    for refused in (
        lambda: two.get_object(f"profile-{pair[0]}", "mine"),
        lambda: list(two.list_objects(f"profile-{pair[0]}")),
        lambda: two.put_object(f"profile-{pair[0]}", "theirs", io.BytesIO(b"x"), 1),
        lambda: list(two.list_objects("workflows")),
    ):
        with pytest.raises(S3Error, match="AccessDenied"):
            refused()


def test_everybody_has_their_role_and_no_more(platform: Platform, pair: tuple[str, str]) -> None:
    one, two = pair
    assert may(platform, OWNER, "create", "pods", one) and may(platform, OWNER, "get", "secrets", one)
    assert may(platform, OWNER, "list", "rolebindings.rbac.authorization.k8s.io", one)
    assert not may(platform, OWNER, "get", "pods", two) and not may(platform, OWNER, "get", "nodes", "")
    assert may(platform, "anybody@example.org", "create", "pods", one, ("admins",))
    assert not may(platform, "anybody@example.org", "get", "pods", one)
    platform.cli("profiles", "share", one, GUEST, "--role", "view")
    assert may(platform, GUEST, "list", "pods", one)
    assert not may(platform, GUEST, "get", "secrets", one) and not may(platform, GUEST, "create", "pods", one)
    platform.cli("profiles", "share", one, GUEST, "--role", "edit")
    assert may(platform, GUEST, "create", "pods", one) and may(platform, GUEST, "get", "secrets", one)
    assert finished(platform.up())["changed"] == 0, "no up undoes it"
    assert may(platform, GUEST, "create", "pods", one)
    platform.cli("profiles", "share", one, GUEST, "--remove")
    assert not may(platform, GUEST, "list", "pods", one) and may(platform, GUEST, "list", "pods", two)


def test_a_program_cannot_give_itself_more(platform: Platform, pair: tuple[str, str]) -> None:
    space = pair[0]
    assert may(platform, editor(space), "create", "workflows.argoproj.io", space)
    assert may(platform, editor(space), "create", "pods", space)
    for verb, resource in (
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("escalate", "roles.rbac.authorization.k8s.io"),
        ("patch", "networkpolicies.networking.k8s.io"),
        ("delete", "networkpolicies.networking.k8s.io"),
        ("update", "resourcequotas"),
        ("update", "limitranges"),
        ("create", "serviceaccounts"),
        ("create", "serviceaccounts/token"),
    ):
        assert not may(platform, editor(space), verb, resource, space), f"{verb} {resource}"
    assert not may(platform, editor(space), "get", "secrets", pair[1])
    assert not may(platform, editor(space), "get", "secrets", "mlstack-profiles")
    assert not may(platform, f"system:serviceaccount:{space}:default-viewer", "get", "secrets", space)


def reach(core: kubernetes.client.CoreV1Api, space: str, address: str) -> str:
    """The phase of a pod that asks for a page."""
    script = 'for n in 1 2 3; do timeout 5 wget -q -O- "$0" | grep -q . && exit 0; sleep 1; done; exit 1'
    name = run_pod(core, space, restricted(SHELL_IMAGE, ["sh", "-c", script, address]))
    return wait_for(core, space, name, {"Succeeded", "Failed"})


def test_nobody_outside_reaches_a_pod(
    platform: Platform, core: kubernetes.client.CoreV1Api, pair: tuple[str, str]
) -> None:
    server = run_pod(core, pair[0], restricted(SHELL_IMAGE, SERVER))
    wait_for(core, pair[0], server, {"Running"})
    address = f"http://{core.read_namespaced_pod(server, pair[0]).status.pod_ip}:8080/"
    assert reach(core, pair[0], address) == "Succeeded"
    assert reach(core, pair[1], address) == "Failed"
    with namespace(core) as stranger:
        assert reach(core, stranger, address) == "Failed"


def test_a_pod_reaches_the_object_store_and_no_other_stack(
    platform: Platform, core: kubernetes.client.CoreV1Api, pair: tuple[str, str]
) -> None:
    knock = 'timeout 8 nc -w 4 "$0" "$1" </dev/null'
    for host, port, wanted in (
        ("minio.minio.svc.cluster.local", "9000", "Succeeded"),
        ("kubernetes.default.svc.cluster.local", "443", "Succeeded"),
        ("minio-console.minio.svc.cluster.local", "9001", "Failed"),
        ("mysql.mysql.svc.cluster.local", "3306", "Failed"),
    ):
        # without a sidecar: that would take the connection itself before it finds out that the network refuses it
        alone = {"sidecar.istio.io/inject": "false"}
        name = run_pod(core, pair[0], restricted(SHELL_IMAGE, ["sh", "-c", knock, host, port]), alone)
        assert wait_for(core, pair[0], name, {"Succeeded", "Failed"}) == wanted, host


def service(**spec: object) -> dict[str, object]:
    ports = [{"port": 80}]
    return {"metadata": {"name": f"s-{secrets.token_hex(3)}"}, "spec": {"selector": {"a": "b"}, "ports": ports, **spec}}


def test_quota_and_admission_hold(platform: Platform, core: kubernetes.client.CoreV1Api, pair: tuple[str, str]) -> None:
    core.create_namespaced_service(pair[0], service())
    for spec, why in (({"type": "NodePort"}, "exceeded quota"), ({"externalIPs": ["192.0.2.1"]}, "externalIPs")):
        with pytest.raises(ApiException, match=why):
            core.create_namespaced_service(pair[0], service(**spec))
    client = platform.api()
    client.set_default_header("Impersonate-User", f"system:serviceaccount:{pair[0]}:default-editor")
    theirs = service(type="ExternalName", externalName=f"kubernetes.{pair[1]}.svc")
    with pytest.raises(ApiException, match="cannot stand for one elsewhere"):
        kubernetes.client.CoreV1Api(client).create_namespaced_service(pair[0], theirs)
    greedy = restricted(SHELL_IMAGE, ["true"])
    greedy["containers"][0]["resources"] = {"requests": {"cpu": "100"}, "limits": {"memory": "16Mi"}}
    with pytest.raises(ApiException, match="exceeded quota"):
        run_pod(core, pair[0], greedy)
    privileged = restricted(SHELL_IMAGE, ["true"])
    privileged["hostNetwork"] = True
    with pytest.raises(ApiException, match="PodSecurity"):
        run_pod(core, pair[0], privileged)


def test_a_sample_runs_in_a_profile_with_its_own_bucket(platform: Platform, pair: tuple[str, str]) -> None:
    done = platform.cli("run", "artifacts", "--profile", pair[0], "--watch", "--json").lines()[-1]
    assert (done["namespace"], done["phase"]) == (pair[0], "Succeeded")
    found = {
        item.object_name for item in platform.minio().list_objects(f"profile-{pair[0]}", "workflows/", recursive=True)
    }
    assert [name for name in found if done["run"] in name], "its artifacts and logs are in the profile's bucket"
    run = platform.cli("run", "hello", "--profile", f"{pair[0]}x", check=False)
    assert run.code == 2 and "did you mean" in run.err


def test_a_removed_profile_keeps_its_data_and_can_be_opened_again(
    platform: Platform, core: kubernetes.client.CoreV1Api
) -> None:
    if not platform.provides("profiles"):
        pytest.skip("the platform has no profiles (profile standard has them)")
    name = f"e2e-gone-{secrets.token_hex(2)}"
    bucket = f"profile-{name}"
    platform.cli("profiles", "add", name, "--owner", OWNER)
    key = keys(platform, name)
    platform.minio(**key).put_object(bucket, "kept", io.BytesIO(b"kept"), 4)
    assert may(platform, OWNER, "create", "pods", name)
    for _ in range(2):
        platform.cli("profiles", "remove", name, "--yes")
    assert not may(platform, OWNER, "get", "pods", name)
    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        platform.minio(**key).get_object(bucket, "kept")
    with pytest.raises(ApiException, match="exceeded quota"):
        run_pod(core, name, restricted(SHELL_IMAGE, ["true"]))
    assert platform.minio().get_object(bucket, "kept").read() == b"kept"
    listed = {one["name"]: one["state"] for one in platform.cli("profiles", "list", "--json").json()["items"]}
    assert listed[name] == "removed"
    platform.cli("profiles", "add", name, "--owner", OWNER)
    assert may(platform, OWNER, "create", "pods", name)
    assert platform.minio(**keys(platform, name)).get_object(bucket, "kept").read() == b"kept"
    platform.cli("profiles", "remove", name, "--purge", "--yes")
    assert not platform.minio().bucket_exists(bucket)
    assert name not in {space.metadata.name for space in core.list_namespace().items}
    assert finished(platform.up())["failed"] == 0


def test_a_namespace_of_somebody_else_is_never_taken(platform: Platform, core: kubernetes.client.CoreV1Api) -> None:
    if not platform.provides("profiles"):
        pytest.skip("the platform has no profiles (profile standard has them)")
    with namespace(core) as foreign:
        for name in (foreign, "minio", "kube-system"):
            run = platform.cli("profiles", "add", name, "--owner", OWNER, check=False)
            assert run.code == 2 and "profiles.bad-name" in run.err, name
        assert core.read_namespace(foreign).metadata.labels.keys() == {"kubernetes.io/metadata.name"}
