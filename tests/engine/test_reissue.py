"""Certificates in the cluster: kept while they will do, replaced when due, of a new authority when asked for."""

from __future__ import annotations

import pytest
from fakeapi import FakeApi
from world import INSTANCE, World, secret_value, stack

from mlstack.adapters.certificates import OwnAuthority
from mlstack.core.actions import IssueCertificate
from mlstack.core.certmanager import ISSUED_BY
from mlstack.core.desired import Facts, HostFacts, Wanted
from mlstack.core.model import ResourceId
from mlstack.core.plan import plan_up
from mlstack.core.plan_rotate import plan_rotate
from mlstack.core.stackfile import CertificateSpec
from mlstack.core.tls import DAY
from mlstack.engine.access import ClusterAccess
from mlstack.engine.handle_certificates import authority_id, observe_certificates
from mlstack.engine.lock import HostLock, identity
from mlstack.engine.secretobjects import encoded

SECRET = ResourceId("Secret", "gateway-tls", "app")
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}}
HOOK = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "hook"},
    "webhooks": [{"name": "hook.app.svc", "clientConfig": {"service": {"name": "hook", "namespace": "app"}}}],
}


def app(*names, hook=False):
    spec = CertificateSpec(
        secret="gateway-tls",
        dns_names=list(names),
        ca_bundle_in=["ValidatingWebhookConfiguration/hook"] if hook else [],
    )
    objects = [{**NAMESPACE, "metadata": {"name": "app"}}, *([{**HOOK, "metadata": {"name": "hook"}}] if hook else [])]
    return stack("app", *objects, certificates=(spec,))


@pytest.fixture
def world(tmp_path):
    server = FakeApi(tmp_path)
    yield World(server.kubeconfig, tmp_path / "state")
    server.stop()


def certificate(world, rid=SECRET):
    return secret_value(world.client().get(rid), "tls.crt")


def issued(plan):
    return [action.why for action in plan.actions if isinstance(action, IssueCertificate)]


def test_cert_manager_is_told_that_another_issuer_made_it_also_after_it_had_it(world):
    """Without the annotation it takes a Secret that it finds for its own work, and keeps a certificate that it did not issue."""
    world.up(app("lab.localhost"))
    assert issuer_of(world) == f"mlstack-{INSTANCE}"
    world.client().patch(SECRET, {"metadata": {"annotations": {ISSUED_BY: "company-ca"}}})
    world.up(app("other.localhost"))
    assert issuer_of(world) == f"mlstack-{INSTANCE}"


def issuer_of(world):
    return world.client().get(SECRET)["metadata"]["annotations"][ISSUED_BY]


def test_a_certificate_is_kept_until_it_is_due_and_then_replaced_with_the_reason(world):
    assert issued(world.up(app("lab.localhost"))[0]) == ["absent"]
    first = certificate(world)
    assert issued(world.up(app("lab.localhost"))[0]) == []
    plan, report = world.up(app("lab.localhost", "lab.example", "10.0.0.1"))
    assert issued(plan) == ["it is not for lab.example, 10.0.0.1"]
    assert report.ok
    second = certificate(world)
    assert second != first
    world.later = 380 * DAY
    assert issued(world.up(app("lab.localhost", "lab.example", "10.0.0.1"))[0]) == ["it ends in 16 days"]


def test_one_that_somebody_else_put_there_is_kept(world):
    world.up(stack("app", {**NAMESPACE, "metadata": {"name": "app"}}))
    own, key = OwnAuthority().issue(OwnAuthority().new_authority("company"), ["lab.example"])
    metadata = {"name": SECRET.name, "namespace": SECRET.namespace}
    obj = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata}
    world.client().create({**obj, "data": encoded({"tls.crt": own, "tls.key": key})})
    _plan, report = world.up(app("lab.localhost"))
    assert report.ok
    assert certificate(world) == own


def test_a_lost_authority_is_made_anew_and_so_is_what_it_signed(world):
    world.up(app("lab.localhost"))
    world.client().delete(authority_id(INSTANCE))
    assert issued(world.up(app("lab.localhost"))[0]) == ["another authority has signed it"]
    assert issued(world.up(app("lab.localhost"))[0]) == []


def rotate(world, *stacks, authority, change=lambda plan: plan):
    with HostLock(world.state, "certs rotate"):
        access = ClusterAccess(world.client, INSTANCE, identity(world.state, "certs rotate"))
        try:
            facts = Facts(HostFacts("20"), world.cluster)
            plan = change(plan_rotate(INSTANCE, stacks, facts, authority=authority))
            return world.runner(access, {}).run(plan)
        finally:
            access.close()


def bundle(world):
    hook = world.client().get(ResourceId(HOOK["kind"], "hook", api_version=HOOK["apiVersion"]))
    return hook["webhooks"][0]["clientConfig"]["caBundle"]


@pytest.mark.parametrize("authority", [False, True])
def test_rotation_issues_everything_and_a_new_authority_is_trusted_by_what_checks(world, authority):
    parts = app("lab.localhost", hook=True)
    world.up(parts)
    before = certificate(world), certificate(world, authority_id(INSTANCE)), bundle(world)
    assert rotate(world, parts, authority=authority).ok
    after = certificate(world), certificate(world, authority_id(INSTANCE)), bundle(world)
    assert [old != new for old, new in zip(before, after, strict=True)] == [True, authority, authority]
    facts = observe_certificates(world.client(), INSTANCE, [parts], OwnAuthority())[SECRET]
    assert facts.ours
    assert not world.up(parts)[0].actions, "nothing is left to do"


def test_an_up_goes_on_where_a_rotation_of_the_authority_was_cut_off(world):
    parts = app("lab.localhost")
    world.up(parts)

    def first_only(plan):
        return type(plan)(plan.instance, plan.command, plan.actions[:1])

    assert rotate(world, parts, authority=True, change=first_only).ok
    assert issued(world.up(parts)[0]) == ["another authority has signed it"]


def test_the_plan_says_why_for_a_wanted_stack_without_a_cluster(world):
    plan = plan_up(Wanted(world.spec, (app("a.example"),)), Facts(HostFacts("20"), world.cluster))
    assert issued(plan) == ["absent"]
