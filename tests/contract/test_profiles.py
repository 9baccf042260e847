"""What stack ``profiles`` makes of a profile: nothing in it gives more rights than its role, nobody gets in from outside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from contract_data import CATALOGUE, FACTS, Workshop

from mlstack.core.desired import RenderedStack
from mlstack.core.people import Member, People, Profile
from mlstack.core.resolve import Choice, home_choices, profile_of, resolve

FORBIDDEN = {"*", "escalate", "bind", "impersonate", "approve", "sign"}
VERSION = CATALOGUE.versions("profiles")[-1]
OWNER = "ann@lab"


def rendered_for(
    workshop: Workshop, *profiles: Profile, removed: tuple[Profile, ...] = (), **params: Any
) -> RenderedStack:
    facts = replace(FACTS, people=People(profiles=profiles, removed=removed))
    return workshop.render("profiles", VERSION, facts, **params)


def of_kind(one: RenderedStack, kind: str, namespace: str = "") -> dict[str, dict[str, Any]]:
    found = [obj for obj in one.objects if obj["kind"] == kind and obj["metadata"].get("namespace", "") == namespace]
    return {obj["metadata"]["name"]: obj for obj in found}


@pytest.fixture
def shared(workshop: Workshop) -> RenderedStack:
    members = (Member("bob@lab", "edit"), Member("readers", "view", group=True), Member("eve@lab", "admin"))
    return rendered_for(workshop, Profile("ann", OWNER, members, quota={"cpu": "2"}), Profile("bob", "bob@lab"))


def test_no_role_has_a_wildcard_or_a_way_to_more(shared: RenderedStack) -> None:
    roles = {**of_kind(shared, "ClusterRole"), **of_kind(shared, "Role", "ann")}
    assert len(roles) == 6
    for name, labels in {"view": ["view"], "edit": ["view", "edit"]}.items():
        chosen = roles.pop(f"mlstack-profile-{name}")["aggregationRule"]["clusterRoleSelectors"]
        wanted = [{"matchLabels": {f"profiles.mlstack.dev/aggregate-to-{label}": "true"}} for label in labels]
        assert chosen == wanted, "edit is view and more, and both take what other stacks add"
    for role in roles.values():
        for rule in role["rules"]:
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert not words & FORBIDDEN
            writes = set(rule["verbs"]) - {"get", "list", "watch"}
            guarded = {"roles", "rolebindings", "networkpolicies", "resourcequotas", "limitranges", "serviceaccounts"}
            assert not (writes and guarded & set(rule["resources"]))
    readable = [rule["resources"] for rule in roles["mlstack-profile-view-base"]["rules"]]
    assert not [names for names in readable if "secrets" in names], "view sees no Secret"


def test_everybody_has_the_role_that_was_given(shared: RenderedStack) -> None:
    def subjects(binding: dict[str, Any]) -> set[tuple[str, str]]:
        return {(one["kind"], one["name"]) for one in binding["subjects"]}

    bindings = of_kind(shared, "RoleBinding", "ann")
    admins = {("User", OWNER), ("Group", "admins"), ("User", "eve@lab")}
    assert subjects(bindings["profile-admin"]) == admins
    assert subjects(bindings["profile-edit"]) == admins | {("User", "bob@lab")}, "an admin may edit"
    assert subjects(bindings["profile-view"]) == {("Group", "readers")}
    assert subjects(bindings["default-editor"]) == {("ServiceAccount", "default-editor")}
    assert bindings["default-editor"]["roleRef"]["name"] == "mlstack-profile-edit"
    assert "profile-view" not in of_kind(shared, "RoleBinding", "bob"), "a binding without anybody is none"
    for name, binding in bindings.items():
        assert name.startswith("default") or binding["roleRef"]["name"] in (f"mlstack-{name}", "workflow-executor")


def test_only_the_platform_gets_in(shared: RenderedStack) -> None:
    policies = of_kind(shared, "NetworkPolicy", "ann")
    policy, near, out = (policies[name]["spec"] for name in ("profile", "neighbours", "profile-out"))
    assert policy["podSelector"] == out["podSelector"] == {}
    assert (policy["policyTypes"], out["policyTypes"]) == (["Ingress"], ["Egress"])
    (rule,), (other,) = policy["ingress"], near["ingress"]
    keys = [
        [one["namespaceSelector"]["matchExpressions"][0]["key"] for one in each["from"] if "namespaceSelector" in one]
        for each in (rule, other)
    ]
    assert keys == [["provides.mlstack.dev/gateway"], ["provides.mlstack.dev/workflow-engine"]]
    assert {"podSelector": {}} in other["from"] and {"podSelector": {}} not in rule["from"]
    assert near["podSelector"]["matchExpressions"] == [
        {"key": "mlstack.dev/from", "operator": "NotIn", "values": ["gateway"]}
    ], "a pod can leave it to the gateway alone who gets in"
    blocks = [one["ipBlock"] for rule in out["egress"] for one in rule["to"] if "ipBlock" in one]
    assert blocks and all({"169.254.0.0/16", FACTS.provider.pod_cidr} <= set(block["except"]) for block in blocks)


def test_egress_can_be_closed(workshop: Workshop) -> None:
    closed = rendered_for(workshop, Profile("ann", OWNER), egress="platform")
    rules = of_kind(closed, "NetworkPolicy", "ann")["profile-out"]["spec"]["egress"]
    outside = [rule for rule in rules if any("ipBlock" in one for one in rule["to"])]
    assert [rule["ports"] for rule in outside] == [[{"port": 6443}]]


def test_each_profile_has_bucket_and_key_of_its_own(shared: RenderedStack) -> None:
    assert [(one.name, one.secret) for one in shared.buckets] == [
        ("profile-ann", "profile-ann"),
        ("profile-bob", "profile-bob"),
    ]
    assert [(one.name, one.copies, one.credential) for one in shared.secrets] == [
        ("profile-ann", ["ann"], "profile-ann"),
        ("profile-bob", ["bob"], "profile-bob"),
    ]
    assert shared.namespace not in ("ann", "bob"), "the key that counts is where no user of a profile can change it"
    repository = of_kind(shared, "ConfigMap", "ann")["artifact-repositories"]
    assert "bucket: profile-ann\n" in repository["data"]["profile"]


def test_quota_and_security_of_one_profile_win_over_the_parameters(workshop: Workshop) -> None:
    one, other = Profile("a", OWNER, quota={"pods": "3"}, pod_security="restricted"), Profile("b", OWNER)
    found = rendered_for(workshop, one, other, pods=7)
    pods = [of_kind(found, "ResourceQuota", name)["profile"]["spec"]["hard"]["pods"] for name in ("a", "b")]
    level = "pod-security.kubernetes.io/enforce"
    spaces = of_kind(found, "Namespace")
    assert pods == ["3", "7"]
    assert [spaces[name]["metadata"]["labels"][level] for name in ("a", "b")] == ["restricted", "baseline"]


def test_a_removed_profile_keeps_its_namespace_and_nothing_opens_it(workshop: Workshop) -> None:
    found = rendered_for(workshop, removed=(Profile("old", OWNER, removed=True),))
    mine = {obj["kind"]: obj for obj in found.objects if obj["metadata"].get("namespace") == "old"}
    assert set(mine) == {"NetworkPolicy", "ResourceQuota"} and "old" in of_kind(found, "Namespace")
    assert "ingress" not in mine["NetworkPolicy"]["spec"] and mine["ResourceQuota"]["spec"]["hard"]["pods"] == "0"
    assert not found.buckets and not found.secrets


@pytest.mark.parametrize("name", ["minio", "ml"])
def test_a_profile_in_the_namespace_of_a_stack_is_refused(workshop: Workshop, name: str) -> None:
    from mlstack.core.errors import MlstackError

    with pytest.raises(MlstackError) as caught:
        rendered_for(workshop, Profile(name, OWNER))
    assert caught.value.code == "stack.duplicate-object" and f"Namespace/{name}" in caught.value.what


def test_without_a_workflow_engine_nothing_of_it_is_there(workshop: Workshop) -> None:
    from mlstack.core.resolve import Choice, resolve

    choices = {"argo-workflows": Choice(enabled=False), "profiles": Choice(enabled=True)}
    selection = resolve(CATALOGUE, workshop.release, "minimal", choices=choices)
    facts = replace(FACTS, people=People(profiles=(Profile("ann", OWNER),)))
    found = next(one for one in workshop.renderer.render(selection, facts) if one.name == "profiles")
    assert "argoproj" not in repr(found.objects) and not of_kind(found, "ConfigMap", "ann")


def with_stacks(workshop: Workshop, *names: str) -> list[RenderedStack]:
    choices = home_choices(workshop.release, "profiles", Choice(version=VERSION, enabled=True))
    choices |= {name: Choice(enabled=True) for name in names}
    selection = resolve(CATALOGUE, workshop.release, profile_of(workshop.release, "profiles"), choices=choices)
    facts = replace(FACTS, people=People(profiles=(Profile("ann", OWNER),)))
    return list(workshop.renderer.render(selection, facts))


def collected(rendered: list[RenderedStack], role: str) -> list[dict[str, Any]]:
    """The rules that the cluster puts into the role, from all stacks."""
    roles = [obj for one in rendered for obj in of_kind(one, "ClusterRole").values()]
    chosen = next(obj for obj in roles if obj["metadata"]["name"] == f"mlstack-profile-{role}")["aggregationRule"]
    wanted = [selector["matchLabels"].items() for selector in chosen["clusterRoleSelectors"]]
    parts = [obj for obj in roles if any(labels <= obj["metadata"].get("labels", {}).items() for labels in wanted)]
    return [rule for part in parts for rule in part["rules"]]


def allowed(rules: list[dict[str, Any]], verb: str, group: str) -> set[str]:
    return {
        name for rule in rules if verb in rule["verbs"] and group in rule["apiGroups"] for name in rule["resources"]
    }


# stack -> API group -> what users of a profile change, and what they see but leave to the controllers
OBJECTS: dict[str, dict[str, tuple[set[str], set[str]]]] = {
    "training": {
        "trainer.kubeflow.org": ({"trainingruntimes", "trainjobs"}, set()),
        "jobset.x-k8s.io": (set(), {"jobsets"}),
    },
    "katib": {"kubeflow.org": ({"experiments"}, {"suggestions", "trials"})},
    "kserve": {
        "serving.kserve.io": ({"inferencegraphs", "inferenceservices", "servingruntimes", "trainedmodels"}, set())
    },
    "knative": {"serving.knative.dev": ({"configurations", "revisions", "routes", "services"}, set())},
}


@pytest.mark.parametrize("stack", OBJECTS)
def test_the_objects_of_a_stack_are_the_users_and_what_is_for_all_is_not(workshop: Workshop, stack: str) -> None:
    rendered = with_stacks(workshop, stack)
    view, edit = collected(rendered, "view"), collected(rendered, "edit")
    for group, (changed, seen) in OBJECTS[stack].items():
        for verb in ("get", "list", "watch"):
            assert allowed(view, verb, group) == allowed(edit, verb, group) == changed | seen
        for verb in ("create", "update", "patch", "delete", "deletecollection"):
            assert allowed(edit, verb, group) == changed
            assert not allowed(view, verb, group)
    assert not {word for rule in edit for words in rule.values() for word in words} & FORBIDDEN


def test_without_a_stack_nothing_of_it_is_in_the_roles(workshop: Workshop) -> None:
    rules = collected(with_stacks(workshop), "edit")
    assert not {group for rule in rules for group in rule["apiGroups"]} & {
        group for one in OBJECTS.values() for group in one
    }


def test_with_tuning_the_tuner_gets_through(workshop: Workshop) -> None:
    one = next(each for each in with_stacks(workshop, "katib") if each.name == "profiles")

    labels = of_kind(one, "Namespace")["ann"]["metadata"]["labels"]
    assert labels["katib.kubeflow.org/metrics-collector-injection"] == "enabled"
    tuner = {"kubernetes.io/metadata.name": "katib"}
    policies = of_kind(one, "NetworkPolicy", "ann")
    ports = {
        side: [
            port["port"]
            for rule in policies[name]["spec"][side]
            for peer in rule[key]
            if _names(peer) == tuner
            for port in rule["ports"]
        ]
        for name, side, key in (("neighbours", "ingress", "from"), ("profile-out", "egress", "to"))
    }
    assert ports == {"ingress": [6788, 6789], "egress": [6789]}


def _names(peer: dict[str, Any]) -> dict[str, str]:
    return peer.get("namespaceSelector", {}).get("matchLabels", {})
