"""With ``tls.issuer: cert-manager`` a stack's certificates are objects, for whoever issues them in the cluster."""

from dataclasses import replace

import pytest
from test_render import FACTS, Reader, entry, select

from mlstack.core.certmanager import TlsFacts
from mlstack.core.configlayers import Given
from mlstack.core.configlayers import resolve as resolve_config
from mlstack.core.context import ExternalFacts
from mlstack.core.errors import Problems
from mlstack.core.render import Renderer

HOOK = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: hook}
webhooks: []
"""
CERTIFICATE = {
    "secret": "gate-tls",
    "dnsNames": ["{{ external.names }}", "gate.{{ namespace }}.svc"],
    "caBundleIn": ["ValidatingWebhookConfiguration/hook"],
}
EXTERNAL = ExternalFacts("lab.example", 443, ("10.0.0.1",))


def rendered(tls):
    gate = entry("gate", {"hook.yaml.j2": HOOK}, certificates=[CERTIFICATE])
    (one,) = Renderer(Reader(), None).render(select(gate), replace(FACTS, external=EXTERNAL, tls=tls))
    return one


def test_the_own_authority_issues_for_the_external_names_and_addresses():
    one = rendered(TlsFacts())
    assert [spec.dns_names for spec in one.certificates] == [
        ["lab.example", "*.lab.example", "10.0.0.1", "gate.gate.svc"]
    ]
    assert "Certificate" not in {obj["kind"] for obj in one.objects}


def test_cert_manager_gets_an_object_of_the_form_it_documents():
    one = rendered(TlsFacts("cert-manager", "company", "Issuer"))
    assert one.certificates == ()
    (made,) = [obj for obj in one.objects if obj["kind"] == "Certificate"]
    assert made["apiVersion"] == "cert-manager.io/v1"
    assert made["metadata"]["namespace"] == "gate"
    assert made["metadata"]["labels"]["mlstack.dev/stack"] == "gate"
    spec = made["spec"]
    assert spec["secretName"] == "gate-tls"
    assert spec["dnsNames"] == ["lab.example", "*.lab.example", "gate.gate.svc"]
    assert spec["ipAddresses"] == ["10.0.0.1"]
    assert spec["issuerRef"] == {"name": "company", "kind": "Issuer", "group": "cert-manager.io"}
    assert [(wait.resource, wait.condition) for wait in one.waits] == [("Certificate/gate-tls", "Ready")]
    (hook,) = [obj for obj in one.objects if obj["kind"] == "ValidatingWebhookConfiguration"]
    assert hook["metadata"]["annotations"] == {"cert-manager.io/inject-ca-from": "gate/gate-tls"}


def test_an_issuer_must_be_named():
    with pytest.raises(Problems) as caught:
        resolve_config(Given(environ={}, sets=("tls.issuer=cert-manager",)))
    (problem,) = caught.value.problems
    assert problem.code == "config.issuer-missing"
    assert "tls.issuerRef.name" in problem.remedy
    found = resolve_config(Given(environ={}, sets=("tls.issuer=cert-manager", "tls.issuerRef.name=company")))
    assert found.config.tls.issuer_ref.kind == "ClusterIssuer"
    with pytest.raises(Problems):
        resolve_config(Given(environ={}, sets=("tls.issuer=acme",)))
