"""Clocks that differ are named as such: between host, API server and nodes, and where a token's times make no sense now."""

from datetime import UTC, datetime

import pytest

from mlstack.core.authztoken import judge_claims
from mlstack.core.clocks import clock_checks
from mlstack.core.results import CheckState

NOW = 1_800_000_000.0
RULES = [
    {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "machines", "namespace": "edge"},
        "spec": {"jwtRules": [{"issuer": "https://i", "audiences": ["gate"]}]},
    }
]


def lease(ago):
    return datetime.fromtimestamp(NOW - ago, UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("ahead", "state", "told"),
    [
        (0.0, CheckState.OK, "agree"),
        (-3.0, CheckState.OK, "agree"),
        (30.0, CheckState.WARNING, "this host is 30 s ahead of"),
        (-30.0, CheckState.WARNING, "this host is 30 s behind"),
        (3600.0, CheckState.FAILED, "expired or not yet valid"),
    ],
)
def test_host_against_cluster(ahead, state, told):
    (check,) = clock_checks(NOW + ahead, NOW, {"a": lease(5)})
    assert check.state is state and told in check.detail
    assert ("time service" in check.remedy) == (state is not CheckState.OK)


@pytest.mark.parametrize(("ago", "told"), [(-120, "node b is 120 s ahead of"), (300, "node b is 300 s behind")])
def test_a_node_is_told_by_the_lease_it_renews(ago, told):
    checks = clock_checks(NOW, NOW, {"a": lease(9), "b": lease(ago)})
    assert [check.state for check in checks] == [CheckState.OK, CheckState.FAILED]
    assert told in checks[1].detail and "node b" in checks[1].remedy


def verdict(**times):
    return judge_claims(
        RULES, {"iss": "https://i", "aud": "gate", **{name: NOW + at for name, at in times.items()}}, NOW
    )


def test_a_token_of_now_is_accepted_within_the_gateways_tolerance():
    assert verdict(iat=0, exp=600).principal and verdict(nbf=59, iat=59, exp=600).principal
    assert verdict(exp=-59).principal and verdict().principal


@pytest.mark.parametrize(
    ("times", "told", "cause"),
    [
        ({"nbf": 300, "exp": 900}, "Jwt not yet valid: it begins in 300 s", "ahead of the cluster's"),
        (
            {"iat": -900, "exp": -300},
            "Jwt is expired: 300 s ago",
            "If it was just made, the clock of who made it is behind",
        ),
        ({"iat": 7200, "exp": -300}, "made 7200 s from now", "ahead of the cluster's"),
        ({"iat": -90000, "exp": -86400}, "Jwt is expired: 86400 s ago; get a new one", ""),
    ],
)
def test_what_the_clock_may_have_done_is_said(times, told, cause):
    found = verdict(**times)
    assert found.status == 401 and told in found.reason and cause in found.reason
    assert ("clock" in found.reason) == bool(cause)


def test_times_that_are_none_are_no_crash():
    claims = {"iss": "https://i", "aud": "gate", "exp": "soon", "nbf": None, "iat": []}
    assert judge_claims(RULES, claims, NOW).principal
