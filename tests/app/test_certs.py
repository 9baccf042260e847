"""A certificate that clients refuse is told by status and doctor, with what to do; one that is due is a warning."""

from types import SimpleNamespace

import pytest

from mlstack.app import certs
from mlstack.app.certs import Held
from mlstack.core.certmanager import TlsFacts, certificate_objects
from mlstack.core.model import ResourceId
from mlstack.core.results import CheckState
from mlstack.core.stackfile import CertificateSpec
from mlstack.core.tls import DAY, CertificateFacts

NOW = 1_800_000_000.0
RID = ResourceId("Secret", "gateway-tls", "edge")


def session(issuer="own"):
    return SimpleNamespace(config=SimpleNamespace(tls=SimpleNamespace(issuer=issuer)), stacks=())


@pytest.fixture
def holding(monkeypatch):
    """Makes the platform hold one certificate: seconds until it ends, the names wanted of it."""

    def hold(ends, wanted=("lab.localhost",), there=True):
        facts = CertificateFacts(names=("lab.localhost",), begins=NOW - DAY, ends=NOW + ends)
        monkeypatch.setattr(
            certs, "held", lambda _session, _kube: [Held("gate", RID, wanted, facts if there else None)]
        )
        monkeypatch.setattr(certs.time, "time", lambda: NOW)

    return hold


@pytest.mark.parametrize(
    ("ends", "wanted", "state", "told", "refused"),
    [
        (200 * DAY, ("lab.localhost",), CheckState.OK, "for 200 more days", False),
        (20 * DAY, ("lab.localhost",), CheckState.WARNING, "it ends in 20 days", False),
        (-2 * DAY, ("lab.localhost",), CheckState.FAILED, "it ended 2 days ago", True),
        (200 * DAY, ("lab.example",), CheckState.FAILED, "it is not for lab.example", True),
    ],
)
def test_status_and_doctor_tell_with_the_remedy(holding, ends, wanted, state, told, refused):
    holding(ends, wanted)
    (one,) = certs.held(None, None)
    check = certs._check(one, certs._remedy(session()))
    assert (check.state, check.name) == (state, "certificate edge/gateway-tls")
    assert told in check.detail
    assert ("mlstack certs rotate" in check.remedy) == (state is not CheckState.OK)
    found = certs.findings(session(), None)
    assert bool(found) == refused
    if refused:
        (state_of,) = found["gate"]
        assert state_of.resource == "Secret/edge/gateway-tls"
        assert told in state_of.reason
        assert "mlstack certs rotate" in state_of.reason


def test_one_that_is_not_there_yet_is_no_finding(holding):
    holding(DAY, there=False)
    assert certs.findings(session(), None) == {}


def test_with_cert_manager_the_remedy_is_another():
    assert "cert-manager" in certs._remedy(session("cert-manager"))


def test_certificates_of_cert_manager_are_found_by_their_objects():
    spec = CertificateSpec(secret="gateway-tls", dns_names=["lab.example", "10.0.0.1"])
    (obj,) = certificate_objects([spec], TlsFacts("cert-manager", "company"))
    obj["metadata"]["namespace"] = "edge"
    stack = SimpleNamespace(name="gate", objects=(obj,), certificates=())
    kube = SimpleNamespace(get=lambda _rid: None)
    (one,) = certs._issued_by_others(SimpleNamespace(stacks=(stack,)), kube)
    assert one == Held("gate", RID, ("lab.example", "10.0.0.1"), None)
