"""What stack ``kubeflow-pipelines`` gives a namespace: records that nobody else reaches, rights for its own things only."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from contract_data import CATALOGUE, FACTS, Workshop

from mlstack.core.desired import RenderedStack
from mlstack.core.people import People, Profile
from mlstack.core.resolve import Choice, resolve

STACK = "kubeflow-pipelines"
BUILT, PUBLISHED = VERSIONS = list(CATALOGUE.versions(STACK))
OWNER = "ann@lab"


def rendered_for(workshop: Workshop, version: str, *names: str, removed: tuple[str, ...] = ()) -> RenderedStack:
    profiles = tuple(Profile(name, OWNER) for name in names)
    gone = tuple(Profile(name, OWNER, removed=True) for name in removed)
    facts = replace(FACTS, people=People(profiles=profiles, removed=gone))
    return workshop.render(STACK, version, facts)


def find(one: RenderedStack, kind: str, name: str, namespace: str = "kubeflow") -> dict[str, Any]:
    where = (kind, name, namespace)
    return next(
        obj
        for obj in one.objects
        if (obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", "kubeflow")) == where
    )


def ports(one: RenderedStack) -> dict[str, int]:
    found: dict[str, int] = json.loads(find(one, "ConfigMap", "tenants")["data"]["tenants.json"])
    return found


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """What holds for profiles holds in each version."""
    return str(request.param)


@pytest.fixture
def three(workshop: Workshop, version: str) -> RenderedStack:
    return rendered_for(workshop, version, "ann", "bob", "eve", removed=("retired",))


def test_only_the_pods_of_a_namespace_reach_its_records(three: RenderedStack) -> None:
    wanted = ports(three)
    assert wanted.keys() == {"ml", "ann", "bob", "eve"} and len(set(wanted.values())) == 4
    policy = find(three, "NetworkPolicy", "lineage")["spec"]
    opened = {}
    for rule in policy["ingress"]:
        (source,), (port,) = rule["from"], rule["ports"]
        assert source.keys() == {"namespaceSelector"}
        labels = source["namespaceSelector"].get("matchLabels")
        if labels:
            opened[labels["kubernetes.io/metadata.name"]] = port["port"]
        else:
            assert port["port"] == 8080, "the gateway asks for what is told of runs, with a user"
    assert opened == wanted
    for namespace, port in wanted.items():
        if namespace != "ml":
            (rule,) = find(three, "NetworkPolicy", "pipelines", namespace)["spec"]["egress"]
            assert rule["ports"] == [{"port": port}]


def served(one: RenderedStack, name: str) -> dict[int, Any]:
    return {port["port"]: port["targetPort"] for port in find(one, "Service", name)["spec"]["ports"]}


def test_steps_are_told_the_place_of_their_own_records_by_a_map_of_their_namespace(workshop: Workshop) -> None:
    three = rendered_for(workshop, BUILT, "ann", "bob", "eve", removed=("retired",))
    assert served(three, "lineage") == {8080: "http"} | {port: port for port in ports(three).values()}
    for namespace, port in ports(three).items():
        told = find(three, "ConfigMap", "metadata-grpc-configmap", namespace)["data"]
        for name, value in told.items():
            if "MINIO" not in name:
                assert value in ("lineage.kubeflow.svc.cluster.local", str(port))


def test_steps_are_told_the_place_of_their_own_records_by_the_name_of_their_namespace(workshop: Workshop) -> None:
    """The server composes addresses as NAME.NAMESPACE.svc.cluster.local with fixed ports, and the engine fills in the name."""
    three = rendered_for(workshop, PUBLISHED, "ann", "bob", "eve", removed=("retired",))
    container = find(three, "Deployment", "ml-pipeline")["spec"]["template"]["spec"]["containers"][0]
    told = {each["name"]: each.get("value") for each in container["env"]}
    assert served(three, "lineage") == {8080: "http"}
    for namespace, port in ports(three).items():
        for variable in ("METADATA_SERVICE_NAME", "ML_PIPELINE_SERVICE_NAME"):
            name = told[variable].replace("{{workflow.namespace}}", namespace)
            alias = find(three, "Service", name, told["POD_NAMESPACE"])["spec"]
            assert alias == {"type": "ExternalName", "externalName": f"{name}.kubeflow.svc.cluster.local"}
            assert served(three, name) == {8080: port, 8887: port}


def test_steps_are_told_where_their_files_are(workshop: Workshop) -> None:
    data = find(rendered_for(workshop, PUBLISHED, "ann"), "ConfigMap", "kfp-launcher", "ann")["data"]
    store = yaml.safe_load(data["providers"])["minio"]["default"]
    assert store["endpoint"] == "minio.minio.svc.cluster.local:9000" and store["disableSSL"] is True
    keys = {"secretName": "mlpipeline-minio-artifact", "accessKeyKey": "accesskey", "secretKeyKey": "secretkey"}
    assert store["credentials"] == {"fromEnv": False, "secretRef": keys}


def test_ports_stay_when_others_come_and_go(workshop: Workshop, version: str, three: RenderedStack) -> None:
    assert ports(rendered_for(workshop, version, "bob", "zoe"))["bob"] == ports(three)["bob"]


def test_ports_stay_when_the_version_changes(workshop: Workshop) -> None:
    assert ports(rendered_for(workshop, BUILT, "bob")) == ports(rendered_for(workshop, PUBLISHED, "bob"))


def test_two_names_that_hash_alike_get_two_ports(workshop: Workshop, version: str) -> None:
    seen: dict[int, str] = {}
    for name in (f"team-{number}" for number in itertools.count()):
        slot = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 20000
        if slot in seen:
            break
        seen[slot] = name
    both = ports(rendered_for(workshop, version, seen[slot], name))
    assert sorted(both[one] for one in (seen[slot], name)) == [20000 + 2 * slot, 20001 + 2 * slot]


def test_files_of_a_namespace_are_in_its_own_bucket(three: RenderedStack) -> None:
    data = find(three, "ConfigMap", "kfp-launcher", "ann")["data"]
    assert data["defaultPipelineRoot"] == "minio://profile-ann/pipelines"
    secrets = {(copy, one.copy_name): one.name for one in three.secrets for copy in one.copies}
    assert secrets["ann", "mlpipeline-minio-artifact"] == "pipelines-profile-ann"
    assert secrets["ml", "mlpipeline-minio-artifact"] == "pipeline-runs"
    buckets = [(one.name, one.secret) for one in three.buckets]
    assert ("profile-ann", "pipelines-profile-ann") in buckets and ("pipeline-runs", "pipeline-runs") in buckets
    assert len({secret for _, secret in buckets}) == len(buckets), "no key opens two buckets"


def test_a_removed_profile_has_nothing(three: RenderedStack) -> None:
    assert "retired" not in {obj["metadata"].get("namespace") for obj in three.objects}
    assert "retired" not in json.dumps(list(three.objects))
    assert not [one for one in three.secrets if "retired" in one.name]


def test_the_api_is_asked_by_the_gateway_and_by_its_own_agents_only(three: RenderedStack, version: str) -> None:
    gateway, agent, *others = find(three, "NetworkPolicy", "ml-pipeline")["spec"]["ingress"]
    scheduler = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "ml-pipeline-scheduledworkflow"}}}
    assert others == ([{"from": [scheduler], "ports": [{"port": 8887}]}] if version == PUBLISHED else [])
    assert gateway["from"] == [
        {"namespaceSelector": {"matchExpressions": [{"key": "provides.mlstack.dev/gateway", "operator": "Exists"}]}}
    ]
    assert gateway["ports"] == [{"port": 8888}]
    assert agent["from"] == [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "ml-pipeline-persistenceagent"}}}
    ]
    routes = {point.name: point.route.prefix for point in three.endpoints if point.route}
    assert routes == {"pipelines": "/pipeline/apis/v2beta1/", "lineage": "/pipeline/lineage/"}
    assert all(point.auth == "required" for point in three.endpoints)


def test_rights_name_what_they_are_for(three: RenderedStack) -> None:
    for obj in three.objects:
        if obj["kind"] not in ("Role", "ClusterRole"):
            continue
        for rule in obj.get("rules") or []:
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert not words & {"*", "escalate", "bind", "impersonate"}, obj["metadata"]["name"]
            assert "secrets" not in rule["resources"] or rule.get("resourceNames") == ["mlpipeline-minio-artifact"]


def test_the_scheduler_asks_as_the_account_that_it_is(workshop: Workshop) -> None:
    three = rendered_for(workshop, PUBLISHED, "ann")
    spec = find(three, "Deployment", "ml-pipeline-scheduledworkflow")["spec"]["template"]["spec"]
    header = three.exports["pipelines"]["userHeader"]
    assert f"--userIdentityHeader={header}" in spec["containers"][0]["args"]
    account = f"system:serviceaccount:kubeflow:{spec['serviceAccountName']}"
    assert f"--userIdentityValue={account}" in spec["containers"][0]["args"]
    rules = find(three, "ClusterRole", "mlstack-pipelines-scheduledworkflow")["rules"]
    assert {"apiGroups": ["pipelines.kubeflow.org"], "resources": ["runs"], "verbs": ["create"]} in rules


def test_without_users_there_is_one_namespace_and_a_local_address(workshop: Workshop, version: str) -> None:
    choices = {STACK: Choice(version=version, enabled=True)}
    selection = resolve(CATALOGUE, workshop.release, "minimal", choices=choices)
    facts = replace(FACTS, people=People(profiles=(Profile("ann", OWNER),)))
    one = next(each for each in workshop.renderer.render(selection, facts) if each.name == STACK)
    assert ports(one).keys() == {"ml"}
    container = find(one, "Deployment", "ml-pipeline")["spec"]["template"]["spec"]["containers"][0]
    told = {each["name"]: each.get("value") for each in container["env"]}
    assert told["MULTIUSER"] == "false" and "KUBEFLOW_USERID_HEADER" not in told
    assert one.exports["pipelines"]["userHeader"] == one.exports["pipelines"]["url"] == ""
    (point,) = one.endpoints
    assert (point.name, point.node_port) == ("pipelines-local", 30888)
    rule = find(one, "NetworkPolicy", "ml-pipeline")["spec"]["ingress"][0]
    assert rule["from"] == [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [FACTS.provider.pod_cidr]}}], "no pod"
