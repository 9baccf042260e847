"""Upstream's ingresses in place of ours: the same people get to the same services, however a name is written."""

from __future__ import annotations

from itertools import product

import pytest
from callers import machine, person
from contract_data import Workshop
from upstreamworld import ADDONS, GATEWAY, HOST, Stacks, find, rendering

from mlstack.core.authzmatch import Request, find_route, policy_applies, virtual_services
from mlstack.core.errors import MlstackError


@pytest.fixture(params=ADDONS, scope="module")
def chosen(request: pytest.FixtureRequest, workshop: Workshop) -> tuple[str, Stacks]:
    return request.param, rendering(workshop, request.param)


WHO = {
    "owner": person("ann@lab"),
    "member": person("bob@lab"),
    "member by group": person("eve@lab", "readers"),
    "administrator": person("root@lab", "admins"),
    "stranger": person("zoe@lab"),
    "nobody's name": {"principal": "https://lab/dex/y", "claims": {}},
    "program of ann": machine("ann"),
    "program of zoe": machine("zoe"),
    "program with a like name": machine("ann-2"),
}
MAY = {
    f"hello.ann.{HOST}:8443": {"owner", "member", "program of ann"},
    f"hello.ann.{HOST}": {"owner", "member", "program of ann"},
    f"blue-hello.zoe.{HOST}:8443": {"stranger", "program of zoe"},
    f"hello.ml.{HOST}:8443": set(WHO),
    f"hello.models.{HOST}:8443": set(WHO),
    f"hello.open.{HOST}:8443": set(WHO),
    # what the policy would not read as such a name has no route
    f"hello.ann.{HOST}:1": set(),
    f"hello.ann.{HOST}:443": set(),
    f"hello.ann.{HOST}:84430": set(),
    f"HELLO.ann.{HOST}:8443": set(),
    f"a.hello.ann.{HOST}:8443": set(),
    f"hello.ann.{HOST}.:8443": set(),
    f"x@hello.ann.{HOST}": set(),
    f"hello-annxlab.localhost.ann.{HOST}": set(),
    f"hello.other.{HOST}:8443": set(),
    f"hello.annx{HOST}:8443": set(),
}


def led_to(stacks: Stacks, request: Request) -> str:
    """Where the platform's gateway leads a request that has passed the login."""
    policies = [obj for obj in stacks["knative"].objects if obj["kind"] == "AuthorizationPolicy"]
    assert all(policy["spec"]["action"] == "DENY" for policy in policies)
    if any(policy_applies(policy, request) for policy in policies):
        return ""
    services = virtual_services(stacks["knative"].objects, [GATEWAY], request.host)
    found = find_route(services, request)
    return found[1]["route"][0]["destination"]["host"] if found else ""


@pytest.mark.parametrize(("host", "who"), list(product(MAY, WHO)))
def test_the_same_people_get_to_the_same_services(chosen, host: str, who: str) -> None:
    _, stacks = chosen
    way = led_to(stacks, Request(host, 8443, "/", **WHO[who]))
    assert way == (stacks["knative"].exports["serving"]["gateway"] if who in MAY[host] else "")


def test_the_rest_of_the_platform_is_not_touched(chosen) -> None:
    policy = find(chosen[1], "AuthorizationPolicy", "knative-services")
    for host in (HOST, f"{HOST}:8443", f"s3.{HOST}:8443"):
        assert not policy_applies(policy, Request(host, 8443, "/", **WHO["stranger"]))


def test_who_calls_inside_the_cluster_is_not_asked_here(chosen) -> None:
    policy = find(chosen[1], "AuthorizationPolicy", "knative-services")
    assert not policy_applies(policy, Request(f"hello.ann.{HOST}", 8081, "/", **WHO["stranger"]))


def test_ours_asks_itself_and_without_a_login_nobody_is_asked(workshop: Workshop) -> None:
    for stacks in (rendering(workshop), rendering(workshop, "net-kourier", off=("oauth2-proxy", "portal", "kserve"))):
        assert not [obj for obj in stacks["knative"].objects if obj["kind"] == "AuthorizationPolicy"]
    assert "match" not in find(rendering(workshop), "VirtualService", "knative", "knative-serving")["spec"]["http"][0]


def test_there_is_one_ingress_at_a_time(workshop: Workshop) -> None:
    with pytest.raises(MlstackError) as caught:
        rendering(workshop, *ADDONS)
    assert caught.value.code == "stack.duplicate-object"
    assert "net-istio" in caught.value.what and "net-kourier" in caught.value.what
