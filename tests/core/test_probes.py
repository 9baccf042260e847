"""The attack list: what counts as getting through, which routes are attacked, and that forged tokens are what they say."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from mlstack.core.probes import Answer, Identity, accepted, control, probes, protected_paths

LOGIN = "https://lab.localhost:8443/dex/auth"
GOOD = Answer(200, body=b"the application")
IDENTITY = Identity(
    user="admin@lab.localhost",
    header="kubeflow-userid",
    groups_header="kubeflow-groups",
    issuers=[("https://lab.localhost:8443/dex", "mlstack"), ("https://kubernetes.default.svc", "gateway")],
    good="aGVhZA.eyJzdWIiOiJtYWNoaW5lIn0.c2lnbmF0dXJl",
    wrong_audience="x.y.z",
)


@pytest.mark.parametrize(
    ("answer", "through"),
    [
        (Answer(302, LOGIN + "?client_id=mlstack"), False),
        (Answer(401, body=b"Jwt is expired"), False),
        (Answer(403, body=b"RBAC: access denied"), False),
        (Answer(0), False),
        (Answer(404, body=b"page not found"), False),
        (Answer(301, "/app/"), False),
        (Answer(301, "/app/inner/"), True),
        (Answer(302, "https://elsewhere.example.org/dex/auth"), True),
        (Answer(200, body=b"something"), True),
        (Answer(204), True),
        (Answer(502, body=b"the application is broken"), True),
    ],
)
def test_what_counts_as_getting_through(answer: Answer, through: bool) -> None:
    assert accepted("/app/", answer, GOOD, LOGIN) is through


def test_the_answer_that_the_rightful_gets_is_never_a_refusal() -> None:
    nothing = Answer(404, body=b"nothing is here")
    assert accepted("/", nothing, nothing, LOGIN)


def test_every_route_of_the_gateway_is_attacked_but_those_of_others_and_the_public_ones() -> None:
    routes = [
        {"match": [{"uri": {"prefix": "/app/"}}, {"uri": {"exact": "/app"}}]},
        {"match": [{"uri": {"prefix": "/dex/"}}]},
        {"directResponse": {"status": 404}},
    ]
    service = {"kind": "VirtualService", "spec": {"gateways": ["gw/platform"], "hosts": ["*"], "http": routes}}
    plain = {"kind": "VirtualService", "spec": {"gateways": ["gw/plain"], "hosts": ["*"], "http": routes}}
    found = protected_paths([service, plain, {"kind": "ConfigMap"}], "gw/platform", ["/dex/", "/oauth2/"])
    assert found == ["/", "/app", "/app/", "/mlstack-probe/nothing"]


def test_the_list_is_long_and_holds_what_it_says() -> None:
    found = list(probes("/app/", ["/dex/", "/oauth2/"], IDENTITY))
    assert len(found) >= 100
    assert len({(one.method, one.target, one.headers) for one in found}) == len(found)
    assert control("/app/", IDENTITY).headers == (("Authorization", f"Bearer {IDENTITY.good}"),)
    assert all(
        IDENTITY.good not in value
        for one in found
        for name, value in one.headers
        if name == "Authorization" and value.startswith("Bearer")
    )
    targets = {one.target for one in found}
    assert {"//app/", "/dex/%2e%2e/app/", "/oauth2/..%2fapp/"} <= targets


def test_a_route_for_a_role_is_asked_without_it_too() -> None:
    attacks = {one.attack: dict(one.headers) for one in probes("/m", [], replace(IDENTITY, without_role="h.b.s"))}
    assert attacks["token without the role"] == {"Authorization": "Bearer h.b.s"}
    assert "token without the role" not in {one.attack for one in probes("/m", [], IDENTITY)}


def test_forged_tokens_carry_the_right_claims_and_no_true_signature() -> None:
    tokens = {one.attack: dict(one.headers).get("Authorization", "") for one in probes("/", [], IDENTITY)}
    head, body, signature = tokens["alg none (https://lab.localhost:8443/dex)"].removeprefix("Bearer ").split(".")
    assert decoded(head)["alg"] == "none"
    assert (decoded(body)["aud"], decoded(body)["email"], signature) == ("mlstack", IDENTITY.user, "")
    altered = tokens["token with another subject"].split(".")
    assert decoded(altered[1])["sub"] == IDENTITY.user and altered[2] == IDENTITY.good.rpartition(".")[2]


def decoded(part: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found
