"""An external name that leads nowhere is told with the line that mends it; names below localhost are the browser's business."""

from types import SimpleNamespace

import pytest

from mlstack.app import naming
from mlstack.core.context import ExternalFacts
from mlstack.core.results import CheckState


@pytest.fixture
def session(monkeypatch):
    def make(host, provides=("gateway",), addresses=("127.0.0.1",)):
        spec = SimpleNamespace(provides=list(provides))
        chosen = SimpleNamespace(entry=SimpleNamespace(document=SimpleNamespace(spec=spec)))
        points = [("s3", True), ("", True), ("off", False)]
        routes = [(SimpleNamespace(route=SimpleNamespace(subdomain=name)), on) for name, on in points]
        monkeypatch.setattr(naming, "endpoints", lambda _session: [*routes, (SimpleNamespace(route=None), True)])
        return SimpleNamespace(
            selection=SimpleNamespace(stacks=[chosen]),
            render_facts=SimpleNamespace(external=ExternalFacts(host, 443, addresses)),
            warned=[],
        )

    return make


def asked(name):
    raise AssertionError(f"{name} was asked for")


@pytest.mark.parametrize("host", ["localhost", "lab.localhost", "10.0.0.7", "::1"])
def test_what_needs_no_resolver_is_not_asked_for(session, host):
    assert naming.name_checks(session(host), asked) == []


def test_without_a_gateway_there_is_no_name(session):
    assert naming.name_checks(session("ml.example.org", provides=()), asked) == []


def test_a_name_that_resolves_is_well(session):
    (check,) = naming.name_checks(session("ml.example.org"), lambda _name: ["10.0.0.7"])
    assert (check.state, check.remedy) == (CheckState.OK, "")


def test_a_name_that_does_not_is_told_with_the_line_for_the_hosts_file(session):
    (check,) = naming.name_checks(session("ml.example.org"), lambda _name: [])
    assert check.state is CheckState.FAILED
    assert "ml.example.org, s3.ml.example.org does not resolve" in check.detail
    assert "'127.0.0.1 ml.example.org s3.ml.example.org' to /etc/hosts" in check.remedy and "DNS" in check.remedy


def test_only_what_is_missing_is_named_and_an_unknown_address_is_left_open(session):
    far = session("ml.example.org", addresses=())
    (check,) = naming.name_checks(far, lambda name: ["10.0.0.7"] if name == "ml.example.org" else [])
    assert "'ADDRESS s3.ml.example.org'" in check.remedy


def test_up_says_it_and_goes_on(session, monkeypatch):
    monkeypatch.setattr("mlstack.adapters.resolve.addresses", lambda _name: ())
    one = session("ml.example.org")
    one.warn = one.warned.append
    naming.tell_unresolved(one)
    assert len(one.warned) == 1 and "/etc/hosts" in one.warned[0]


def test_the_hosts_own_resolver():
    from mlstack.adapters.resolve import addresses

    assert "127.0.0.1" in addresses("127.0.0.1")
    assert addresses("nowhere.invalid") == () and addresses("a" * 300) == ()
