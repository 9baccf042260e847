"""The engine on a real API server (etcd and kube-apiserver started here; skipped where they are not found)."""

from __future__ import annotations

import json
import stat
import sys
import threading
import time

import pytest
from apiserver import ApiServer, missing
from sampleobjects import applied, config, crd, ns, slow_waits, thing
from world import INSTANCE, World, secret_value, stack

from mlstack.adapters.kube import KubeClient
from mlstack.adapters.kube_http import Patience
from mlstack.core.actions import Apply
from mlstack.core.errors import MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.stackfile import SecretSpec

PATIENCE = Patience()
RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def world(api, tmp_path):
    world = World(api.kubeconfig, tmp_path / "state", PATIENCE)
    yield world
    client = KubeClient(api.kubeconfig)
    for kind in ("ConfigMap", "Secret"):
        for obj in client.list_metadata(client.resource("v1", kind), f"mlstack.dev/instance={INSTANCE}"):
            client.delete(ResourceId.of(obj))


def full_crd(kind, group):
    definition = crd(kind, group)
    definition["spec"]["names"] |= {"singular": kind.lower(), "listKind": f"{kind}List"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition["spec"]["versions"] = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    return definition


def role(name, namespace):
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    return {"apiVersion": RBAC, "kind": "Role", "metadata": {"name": name, "namespace": namespace}, "rules": rules}


def platform(value="1"):
    secret = SecretSpec(name="keys", keys={"secretkey": 40})
    return (
        stack("base", ns("base"), full_crd("Thing", "g.example"), role("r", "base")),
        stack("app", ns("app"), thing("t", "app"), config("c", "app", a=value), secrets=(secret,), requires=("base",)),
    )


def versions(client):
    found = {}
    for api, kind in (
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "Namespace"),
        ("g.example/v1", "Thing"),
        (RBAC, "Role"),
    ):
        for obj in client.list_metadata(client.resource(api, kind), f"mlstack.dev/instance={INSTANCE}"):
            found[ResourceId.of(obj)] = obj["metadata"]["resourceVersion"]
    return found


def test_up_twice_then_drift_then_prune(world):
    plan, report = world.up(*platform())
    assert report.ok, [outcome.error for outcome in report.outcomes if outcome.error]
    client = world.client()
    before = versions(client)
    assert len(before) >= 6
    plan, report = world.up(*platform())
    assert plan.actions == () and versions(client) == before
    kinds = len({(obj["apiVersion"], obj["kind"]) for one in platform() for obj in one.objects}) + 1
    assert world.clients[-1].requests <= kinds + 5

    client.patch(ResourceId("ConfigMap", "c", "app"), {"data": {"a": "edited", "theirs": "kept"}})
    plan, report = world.up(*platform())
    assert report.ok and applied(plan) == ["c"]
    assert client.get(ResourceId("ConfigMap", "c", "app"))["data"] == {"a": "1", "theirs": "kept"}
    assert world.up(*platform())[0].actions == ()

    plan, report = world.up(*platform("2"))
    assert report.ok and applied(plan) == ["c"]

    plan, report = world.up(platform()[0], stack("app", ns("app"), config("c", "app", a="2")))
    assert report.ok and client.get(ResourceId("Thing", "t", "app", "g.example/v1")) is None
    assert client.get(ResourceId("Secret", "keys", "app")), "generated secrets stay"


def test_a_generated_secret_keeps_its_value_and_is_in_no_event(world):
    world.up(*platform())
    value = secret_value(world.client().get(ResourceId("Secret", "keys", "app")), "secretkey")
    world.up(*platform("3"))
    assert secret_value(world.client().get(ResourceId("Secret", "keys", "app")), "secretkey") == value
    assert len(value) == 40 and value not in repr(world.events) + (world.state / "journal").read_text()


def test_string_data_of_a_secret_does_not_drift(world):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "plain", "namespace": "app"},
        "stringData": {"a": "1"},
    }
    assert world.up(stack("app", ns("app"), secret))[1].ok
    assert world.up(stack("app", ns("app"), secret))[0].actions == ()


def test_a_claimed_name_of_a_definition_is_told(world):
    world.up(*platform())
    second = full_crd("Thing", "g.example")
    second["metadata"]["name"] = "others.g.example"
    second["spec"]["names"] = {"kind": "Other", "plural": "others", "singular": "thing", "listKind": "OtherList"}
    _plan, report = world.up(platform()[0], stack("second", second))
    (error,) = [outcome.error for outcome in report.outcomes if outcome.error]
    assert error["code"] == "wait.failed" and "already in use" in error["why"]
    world.client().delete(ResourceId("CustomResourceDefinition", "others.g.example", "", "apiextensions.k8s.io/v1"))


def test_an_invalid_object_is_told_with_the_servers_words_and_a_secret_without(world):
    bad = config("c", "app")
    bad["data"] = {"not/allowed": "x"}
    _plan, report = world.up(stack("app", ns("app"), bad))
    (error,) = [outcome.error for outcome in report.outcomes if outcome.error]
    assert error["code"] == "kube.invalid" and "not/allowed" in error["why"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "app"},
        "data": {"k": "canary-not-base64"},
    }
    _plan, report = world.up(stack("app", ns("app"), secret))
    (error,) = [outcome.error for outcome in report.outcomes if outcome.error]
    assert "canary" not in json.dumps(error)


def test_a_deployment_without_a_controller_times_out_with_its_reason(world):
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "m", "image": "x:1"}]}}
    body = {"selector": {"matchLabels": {"app": "d"}}, "template": template}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "app"},
        "spec": body,
    }
    _plan, report = world.up(stack("app", ns("app"), deployment), change=slow_waits(1.5))
    (error,) = [outcome.error for outcome in report.outcomes if outcome.error]
    assert error["code"] == "wait.timeout" and "newest version" in error["why"]
    world.client().delete(ResourceId("Deployment", "d", "app", "apps/v1"))


def test_a_dry_run_gives_the_whole_object_and_changes_nothing(world):
    world.up(*platform())
    client = world.client()
    result = client.apply(config("c", "app", a="dry"), dry_run=True)
    assert result["data"]["a"] == "dry" and client.get(ResourceId("ConfigMap", "c", "app"))["data"]["a"] == "1"


def test_a_delete_with_a_wrong_uid_deletes_nothing(world):
    world.up(*platform())
    client, rid = world.client(), ResourceId("ConfigMap", "c", "app")
    with pytest.raises(MlstackError) as caught:
        client.delete(rid, uid="another")
    assert caught.value.code == "kube.conflict" and client.get(rid)
    assert client.delete(rid) is True and client.delete(rid) is False


def test_an_exec_plugin_logs_in_through_the_sdk(api, tmp_path, world):
    world.up(*platform())
    data = {name: (api.directory / name).read_text() for name in ("admin.crt", "admin.key")}
    status = {"clientCertificateData": data["admin.crt"], "clientKeyData": data["admin.key"]}
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    plugin = tmp_path / "plugin"
    (tmp_path / "credential.json").write_text(json.dumps(credential))
    plugin.write_text(f"#!{sys.executable}\nprint(open({str(tmp_path / 'credential.json')!r}).read())\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        f"""apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: test, cluster: {{server: "https://127.0.0.1:{api.port}", certificate-authority: {api.directory / "ca.crt"}}}}}]
users:
- name: admin
  user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {plugin}, interactiveMode: Never}}}}
contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]
"""
    )
    assert KubeClient(kubeconfig).get(ResourceId("ConfigMap", "c", "app"))["data"] == {"a": "1"}


def test_an_untrusted_server_is_told_at_once(api, tmp_path):
    other = tmp_path / "kubeconfig"
    server = f"{{server: 'https://127.0.0.1:{api.port}'}}"
    other.write_text(
        f"current-context: t\nclusters: [{{name: t, cluster: {server}}}]\ncontexts: [{{name: t, context: {{cluster: t}}}}]\n"
    )
    began = time.monotonic()
    with pytest.raises(MlstackError) as caught:
        KubeClient(other).server_version()
    assert (
        caught.value.code == "kube.unreachable" and "not trusted" in caught.value.why and time.monotonic() - began < 2
    )


def test_anonymous_requests_are_refused_in_words(api, tmp_path):
    other = tmp_path / "kubeconfig"
    cluster = f"{{server: 'https://127.0.0.1:{api.port}', certificate-authority: {api.directory / 'ca.crt'}}}"
    other.write_text(
        f"current-context: t\nclusters: [{{name: t, cluster: {cluster}}}]\ncontexts: [{{name: t, context: {{cluster: t}}}}]\n"
    )
    client = KubeClient(other)
    with pytest.raises(MlstackError) as caught:
        client.resource("v1", "Pod")
    assert caught.value.code == "kube.forbidden"


@pytest.mark.slow
def test_an_api_server_killed_during_the_run_is_waited_for(tmp_path):
    if missing():
        pytest.skip("no etcd and kube-apiserver")
    server = ApiServer(tmp_path).start()
    try:
        world = World(server.kubeconfig, tmp_path / "state", PATIENCE)
        configs = [config(f"c{number}", "app", a="1" * 500) for number in range(300)]
        app = stack("app", ns("app"), *configs)
        killed = threading.Event()

        def kill_soon():
            while len(world.events) < 120:
                time.sleep(0.01)
            server.kill_api()
            killed.set()
            server.start_api()

        thread = threading.Thread(target=kill_soon)
        thread.start()
        plan, report = world.up(app)
        thread.join()
        assert killed.is_set() and report.ok, [outcome.error for outcome in report.outcomes if outcome.error][:2]
        assert sum(isinstance(action, Apply) for action in plan.actions) == 301
        client = world.client()
        assert len(client.list_metadata(client.resource("v1", "ConfigMap"), f"mlstack.dev/instance={INSTANCE}")) == 300
        assert world.up(app)[0].actions == ()
    finally:
        server.stop()
