"""Why the gateway lets a request in: a table of requests against what a real one answered, and what is said to be unknown."""

import base64
import copy
import json

import pytest
import yaml

from mlstack.core import authz
from mlstack.core.authzgate import open_gate
from mlstack.core.authzmatch import Request
from mlstack.core.authzresult import Answer, Decision
from mlstack.core.authztoken import audiences_of
from mlstack.core.errors import MlstackError
from mlstack.core.urlpath import normalized

NOW = 1_800_000_000.0
OBJECTS = list(
    yaml.safe_load_all("""
kind: Deployment
metadata: {name: gate, namespace: edge}
spec:
  template:
    metadata: {labels: {app: gate, istio: gate, more: "1"}}
    spec: {containers: [{ports: [{name: http, containerPort: 8080}, {name: https, containerPort: 8443}]}]}
---
kind: Service
metadata: {name: gate, namespace: edge}
spec:
  selector: {app: gate}
  ports: [{port: 80, targetPort: http, nodePort: 30080}, {port: 443, targetPort: https, nodePort: 30443}]
---
kind: ConfigMap
metadata: {name: istio, namespace: edge}
data: {mesh: "pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}"}
---
kind: Gateway
metadata: {name: platform, namespace: edge}
spec: {selector: {istio: gate}, servers: [{port: {number: 443}, tls: {mode: SIMPLE}, hosts: ["*"]}]}
---
kind: Gateway
metadata: {name: plain, namespace: edge}
spec: {selector: {istio: gate}, servers: [{port: {number: 80}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: plain, namespace: edge}
spec: {gateways: [plain], hosts: ["*"], http: [{name: up, redirect: {scheme: https, redirectCode: 308}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: platform, namespace: login}
spec:
  gateways: [edge/platform]
  hosts: ["*"]
  http:
    - {name: login, match: [{uri: {prefix: /oauth2/}}], route: [{destination: {host: login.svc, port: {number: 80}}}]}
    - {name: dex-slash, match: [{uri: {exact: /dex}}], redirect: {uri: /dex/, redirectCode: 308}}
    - {name: dex, match: [{uri: {prefix: /dex/}}], route: [{destination: {host: dex.svc, port: {number: 5556}}}]}
    - {name: nothing, directResponse: {status: 404}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s3, namespace: login}
spec: {gateways: [edge/platform], hosts: [s3.lab.localhost], http: [{name: s3, route: [{destination: {host: s3.svc}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: login, namespace: edge}
spec: &custom
  action: CUSTOM
  provider: {name: login}
  selector: {matchLabels: {app: gate}}
  rules:
    - to: [{operation: {ports: ["8443"], notPaths: [/oauth2/*, /dex/*], notHosts: [s3.lab.localhost, "s3.lab.localhost:*"]}}]
      when: [{key: "request.headers[authorization]", notValues: ["*"]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: require-token, namespace: edge}
spec:
  action: DENY
  selector: {matchLabels: {app: gate}}
  rules:
    - from: [{source: {notRequestPrincipals: ["*"]}}]
      to: [{operation: {ports: ["8443"], notPaths: [/oauth2/*, /dex/*], notHosts: [s3.lab.localhost, "s3.lab.localhost:*"]}}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: people, namespace: edge}
spec:
  selector: {matchLabels: {app: gate}}
  jwtRules:
    - issuer: https://lab.localhost/dex
      audiences: [mlstack]
      fromHeaders: [{name: Authorization, prefix: "Bearer "}]
      outputClaimToHeaders: [{header: x-user, claim: email}, {header: x-groups, claim: groups}]
""")
)
CLAIMS = {"iss": "https://lab.localhost/dex", "aud": ["mlstack"], "sub": "1", "email": "ann@lab", "exp": NOW + 60}
PUBLISHED = {8443: 30443, 8080: 30080}
NAMES = ("lab.localhost", "*.lab.localhost")


def token(alg="RS256", **change):
    parts = ({"alg": alg}, {**CLAIMS, **change})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2ln"])


def bearer(**change):
    return {"authorization": f"Bearer {token(**change)}"}


def explain(
    target="/", headers=None, session=None, port=8443, host="lab.localhost:8443", objects=OBJECTS, method="GET"
):
    gate = open_gate(objects, {"namespace": "edge", "workload": "gate"}, port, PUBLISHED, NAMES)
    request = Request(host, gate.port, normalized(target, gate.normalization), method, headers or {})
    return authz.explain(gate, request, f"https://{host}{target}", target, NOW, session)


TABLE = [
    ("no session", {}, Decision.LOGIN, 302, "login"),
    ("an API client", {"headers": {"accept": "application/json"}}, Decision.LOGIN, 401, "login"),
    ("a session", {"session": CLAIMS}, Decision.DIRECT, 404, "ann@lab"),
    ("a session that has ended", {"session": {**CLAIMS, "exp": 1}}, Decision.REFUSED, 401, "expired"),
    ("a good token", {"headers": bearer()}, Decision.DIRECT, 404, "x-user: ann@lab"),
    ("another audience", {"headers": bearer(aud="x")}, Decision.REFUSED, 403, "Audiences in Jwt"),
    ("another issuer", {"headers": bearer(iss="https://evil")}, Decision.REFUSED, 401, "issuer is not configured"),
    ("an expired token", {"headers": bearer(exp=NOW - 120)}, Decision.REFUSED, 401, "120 s ago"),
    ("within the clocks' tolerance", {"headers": bearer(exp=NOW - 30)}, Decision.DIRECT, 404, "accepted"),
    ("a token of the future", {"headers": bearer(nbf=NOW + 600)}, Decision.REFUSED, 401, "ahead of the cluster's"),
    ("alg none", {"headers": bearer(alg="none")}, Decision.REFUSED, 401, "alg"),
    ("garbage", {"headers": {"authorization": "Bearer x"}}, Decision.REFUSED, 401, "form"),
    ("garbage in parts", {"headers": {"authorization": "Bearer x.y.z"}}, Decision.REFUSED, 401, "cannot be read"),
    ("basic", {"headers": {"authorization": "Basic eA=="}}, Decision.REFUSED, 403, "require-token"),
    (
        "bearer in small letters",
        {"headers": {"authorization": f"bearer {token()}"}},
        Decision.REFUSED,
        403,
        "no bearer",
    ),
    ("an open path", {"target": "/dex/healthz"}, Decision.SERVICE, 0, "notPaths has /dex/*"),
    ("a bad token on an open path", {"target": "/dex/", "headers": bearer(iss="x")}, Decision.REFUSED, 401, "issuer"),
    ("an open path in disguise", {"target": "/dex/..%2fx"}, Decision.LOGIN, 302, "is taken for '/x'"),
    ("a redirect asks for a login too", {"target": "/dex"}, Decision.LOGIN, 302, "login"),
    ("a redirect with a token", {"target": "/dex", "headers": bearer()}, Decision.REDIRECT, 308, "/dex/"),
    ("an open host", {"host": "S3.lab.localhost:8443"}, Decision.SERVICE, 0, "s3.svc"),
    (
        "an open host, its own login",
        {"host": "s3.lab.localhost", "headers": {"authorization": "AWS4"}},
        Decision.SERVICE,
        0,
        "",
    ),
    ("another host", {"host": "evil.example"}, Decision.LOGIN, 302, "not for evil.example"),
    ("plain http", {"port": 8080, "host": "lab.localhost:8080"}, Decision.REDIRECT, 308, "without TLS"),
]


@pytest.mark.parametrize(("case", "options", "decision", "status", "told"), TABLE, ids=[row[0] for row in TABLE])
def test_the_answer_is_explained(case, options, decision, status, told):
    found = explain(**options)
    assert (found.decision, found.status) == (decision, status), found.steps
    assert told in " ".join(f"{step.by} {step.text}" for step in found.steps)
    assert all(step.by and step.text for step in found.steps)


MODELS = list(
    yaml.safe_load_all("""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: models, namespace: serve}
spec:
  gateways: [edge/platform]
  hosts: ["*"]
  http: [{name: iris, match: [{uri: {prefix: /serving/ann/iris/}}], rewrite: {uri: /}, route: [{destination: {host: iris.svc}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: models, namespace: edge}
spec:
  action: DENY
  selector: {matchLabels: {app: gate}}
  rules:
    - from: [{source: {notRequestPrincipals: ["https://lab.localhost/dex/machine:*"]}}]
      to: [{operation: {paths: [/serving/ann/*]}}]
      when:
        - {key: "request.auth.claims[groups]", notValues: [admins]}
        - {key: "request.auth.claims[email]", notValues: [ann@lab]}
""")
)
MEMBERS = [
    ("the owner", {}, Decision.SERVICE, 0, "iris.svc"),
    ("a stranger", {"email": "bob@lab"}, Decision.REFUSED, 403, "this address is not for https://lab.localhost/dex/1"),
    ("a stranger with other groups", {"email": "bob@lab", "groups": ["readers"]}, Decision.REFUSED, 403, "models"),
    (
        "an administrator",
        {"email": "bob@lab", "groups": ["readers", "admins"]},
        Decision.SERVICE,
        0,
        "groups] is admins",
    ),
    ("a machine", {"email": None, "sub": "machine:x"}, Decision.SERVICE, 0, "notRequestPrincipals has"),
]


@pytest.mark.parametrize(("case", "claims", "decision", "status", "told"), MEMBERS, ids=[row[0] for row in MEMBERS])
def test_a_route_of_another_service_is_reached_by_those_who_may(case, claims, decision, status, told):
    """The service that takes everything comes first in the list, as it does in a cluster where it is older."""
    claims = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    found = explain("/serving/ann/iris/v1", session=claims, objects=[*OBJECTS, *MODELS])
    assert (found.decision, found.status) == (decision, status), found.steps
    assert told in " ".join(f"{step.by} {step.text}" for step in found.steps)


def changed(name, change):
    objects = copy.deepcopy(OBJECTS)
    change(next(obj for obj in objects if obj["metadata"]["name"] == name and obj["kind"] != "Gateway"))
    return objects


def test_where_nothing_is_nobody_is_asked_to_log_in():
    def no_catch_all(obj):
        obj["spec"]["http"].pop()

    objects = changed("platform", no_catch_all)
    assert (explain("/x", objects=objects).decision, explain("/x", objects=objects).status) == (Decision.REFUSED, 403)
    assert explain("/x", headers=bearer(), objects=objects).status == 404


def test_an_allow_policy_refuses_what_it_does_not_name():
    allow = {"action": "ALLOW", "rules": [{"when": [{"key": "request.auth.claims[groups]", "values": ["admins"]}]}]}
    policy = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "spec": allow}
    objects = [*OBJECTS, {**policy, "metadata": {"name": "admins", "namespace": "edge"}}]
    assert explain(headers=bearer(), objects=objects).status == 403
    found = explain(headers=bearer(groups=["admins", "x"]), objects=objects)
    assert found.status == 404
    assert "x-groups: admins,x" in found.user


def test_what_is_not_evaluated_is_said_and_nothing_is_predicted():
    def by_address(obj):
        obj["spec"]["rules"][0]["from"] = [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]

    found = explain(objects=changed("login", by_address))
    assert found.decision is Decision.UNKNOWN
    assert "from.source.ipBlocks" in found.open_points
    envoy = {"kind": "EnvoyFilter", "metadata": {"name": "f", "namespace": "edge"}, "spec": {}}
    assert "EnvoyFilter/edge/f" in explain(objects=[*OBJECTS, envoy]).open_points


def test_a_policy_of_another_namespace_or_workload_is_not_for_the_gateway():
    def elsewhere(obj):
        obj["metadata"]["namespace"] = "other"

    def of_others(obj):
        obj["spec"]["selector"] = {"matchLabels": {"app": "other"}}

    for change in (elsewhere, of_others):
        assert explain(objects=changed("login", change)).status == 403, "the token is still required"


def test_a_port_that_is_not_the_gateways_is_refused_with_those_that_are():
    with pytest.raises(MlstackError) as caught:
        explain(port=443)
    assert (caught.value.code, caught.value.remedy) == ("auth.port", "ports: 8080, 8443")


@pytest.mark.parametrize(
    ("options", "answer", "agrees"),
    [
        ({}, Answer(status=302, by_service=False), True),
        ({}, Answer(status=302, by_service=True), False),
        ({}, Answer(status=200, by_service=True), False),
        ({"target": "/dex/"}, Answer(status=404, by_service=True), True),
        ({"target": "/dex/"}, Answer(status=403, by_service=False), False),
        ({"target": "/dex/"}, Answer(status=503, by_service=False), True),
    ],
)
def test_a_prediction_is_held_against_the_real_answer(options, answer, agrees):
    from dataclasses import replace

    assert replace(explain(**options), answer=answer).agrees is agrees


ROLE = list(
    yaml.safe_load_all("""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: role-metrics, namespace: edge}
spec:
  action: DENY
  selector: {matchLabels: {app: gate}}
  rules:
    - from: [{source: {notRequestPrincipals: ["https://lab.localhost/dex/system:serviceaccount:login:metrics"]}}]
      to: [{operation: {ports: ["8443"], paths: [/metrics/x*]}}]
      when: [{key: "request.auth.claims[groups]", notValues: [admins]}]
""")
)


@pytest.mark.parametrize(
    ("claims", "refused"),
    [
        ({}, True),
        ({"groups": ["readers"]}, True),
        ({"groups": ["readers", "admins"]}, False),
        ({"sub": "system:serviceaccount:login:metrics"}, False),
        ({"sub": "system:serviceaccount:ann:metrics"}, True),
    ],
)
def test_a_role_is_for_administrators_and_its_service_account(claims, refused):
    found = explain("/metrics/x", session={**CLAIMS, **claims}, objects=[*OBJECTS, *ROLE])
    assert (found.decision is Decision.REFUSED) is refused
    if refused:
        told = next(step.text for step in found.steps if "role-metrics" in step.by)
        assert told.startswith("denies it: this address is not for https://lab.localhost/dex/")
    elsewhere = explain("/other", session={**CLAIMS, **claims}, objects=[*OBJECTS, *ROLE])
    assert elsewhere.decision is Decision.DIRECT


def test_whom_a_token_is_for_is_read_without_its_key():
    assert audiences_of(token(aud=["a", "b"])) == ["a", "b"] and audiences_of(token(aud="a")) == ["a"]
    assert audiences_of("x.y") == audiences_of("x.y.z") == []
