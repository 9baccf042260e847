"""Ingress objects to configuration of Envoy: the whole of it, without an Envoy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingressworld import ingress, path, rule, service, services, split

from mlstack_ingress.backends import find_backend
from mlstack_ingress.model import KeyPair, Split
from mlstack_ingress.snapshot import Snapshot, World, possible_clusters, secrets_of, translate

HOST = "hello.team.example.org"
WORLD = World(services=services(service()))


def snapshot(*objects: dict[str, Any], world: World = WORLD) -> Snapshot:
    return translate(objects, world, {})[0]


def virtual_host(found: Snapshot, table: str, host: str = HOST) -> dict[str, Any]:
    return next(one for one in found.routes[table]["virtual_hosts"] if host in one["domains"])


def hosts(found: Snapshot, table: str) -> list[str]:
    return [one["name"] for one in found.routes[table]["virtual_hosts"]]


def test_what_is_external_is_known_inside_too_and_what_is_local_only_there() -> None:
    found = snapshot(ingress(rule(HOST), rule("hello.team.svc.cluster.local", "hello.team", local=True)))
    assert hosts(found, "external") == [HOST]
    assert hosts(found, "internal") == ["hello.team", HOST, "hello.team.svc.cluster.local"]
    assert hosts(found, "external-tls") == hosts(found, "internal-tls") == []


def test_shares_become_weights_and_nothing_is_left_for_a_share_of_zero() -> None:
    world = World(services=services(service("a"), service("b", "10.0.0.2")))
    found = snapshot(ingress(rule(HOST, paths=[path(split("a", 75), split("b", 25), split("gone", 0))])), world=world)
    weighted = virtual_host(found, "external")["routes"][0]["route"]["weighted_clusters"]["clusters"]
    assert [(one["name"], one["weight"]) for one in weighted] == [("team/a:80", 75), ("team/b:80", 25)]
    assert list(found.clusters) == ["team/a:80", "team/b:80"]


def test_headers_are_set_over_what_the_caller_sent_and_percents_are_no_variables() -> None:
    found = snapshot(ingress(rule(HOST, paths=[path(split(x="100%"), appendHeaders={"y": "%REQ(z)%"})])))
    route = virtual_host(found, "external")["routes"][0]
    header = route["request_headers_to_add"][0]
    assert header["header"] == {"key": "y", "value": "%%REQ(z)%%"}
    assert header["append_action"] == "OVERWRITE_IF_EXISTS_OR_ADD"
    share = route["route"]["weighted_clusters"]["clusters"][0]
    assert share["request_headers_to_add"][0]["header"] == {"key": "x", "value": "100%%"}


def test_paths_with_headers_to_match_and_longer_ones_come_first() -> None:
    tagged = path(headers={"Knative-Serving-Tag": {"exact": "blue"}})
    found = snapshot(ingress(rule(HOST, paths=[path(), tagged, path(path="/long")])))
    matches = [route["match"] for route in virtual_host(found, "external")["routes"]]
    blue = {"name": "Knative-Serving-Tag", "string_match": {"exact": "blue"}}
    assert matches == [{"prefix": "/long"}, {"prefix": "/", "headers": [blue]}, {"prefix": "/"}]


def test_rules_of_one_object_for_one_host_are_one_virtual_host() -> None:
    found = snapshot(ingress(rule(HOST, paths=[path(path="/.well-known/acme-challenge/x")]), rule(HOST)))
    assert hosts(found, "external") == [HOST]
    assert len(virtual_host(found, "external")["routes"]) == 2


def test_no_time_limit_is_set_and_only_what_reached_nobody_is_tried_again() -> None:
    route = virtual_host(snapshot(ingress()), "external")["routes"][0]["route"]
    assert (route["timeout"], route["idle_timeout"]) == ("0s", "0s")
    assert route["retry_policy"]["retry_on"] == "connect-failure,refused-stream"


def test_redirection_is_for_plain_requests_from_outside_only() -> None:
    found = snapshot(ingress(httpOption="Redirected"))
    assert virtual_host(found, "external")["require_tls"] == "ALL"
    assert "require_tls" not in virtual_host(found, "internal")


PAIRS = {("team", "cert"): KeyPair("CHAIN", "KEY")}


def test_a_tls_block_makes_a_listener_with_its_hosts_in_both_scopes() -> None:
    world = World(services=WORLD.services, pairs=PAIRS)
    found = snapshot(ingress(tls=[{"hosts": ["hello.team.example.org"], "secretName": "cert"}]), world=world)
    assert [one["name"] for one in found.listeners] == ["external", "internal", "external-tls", "internal-tls"]
    chain = found.listeners[2]["filter_chains"][0]
    assert chain["filter_chain_match"] == {"server_names": [HOST]}
    context = chain["transport_socket"]["typed_config"]["common_tls_context"]
    assert context["tls_certificates"][0]["private_key"] == {"inline_string": "KEY"}
    assert hosts(found, "external-tls") == [HOST]
    assert "KEY" not in repr(found) + repr(world)


def test_a_certificate_is_not_used_for_hosts_of_others() -> None:
    world = World(services=WORLD.services, pairs=PAIRS)
    mine = ingress(rule("mine.example.org"), name="mine", tls=[{"hosts": [HOST], "secretName": "cert"}])
    found = snapshot(mine, ingress(), world=world)
    assert [one["name"] for one in found.listeners] == ["external", "internal"]
    assert hosts(found, "external-tls") == []


def test_a_secret_that_is_not_there_waits_while_plain_http_goes_on() -> None:
    obj = ingress(tls=[{"hosts": [HOST], "secretName": "cert"}])
    world = World(services=WORLD.services, faults={("team", "cert"): "holds no certificate with its key"})
    found, verdicts = translate([obj], world, {})
    assert verdicts["uid-hello"].kind == "waiting"
    assert verdicts["uid-hello"].message == "Secret team/cert holds no certificate with its key"
    assert hosts(found, "external") == [HOST]
    assert secrets_of([obj, ingress(rule("_"), name="bad")]) == {("team", "cert")}


def test_a_changed_object_whose_service_is_not_there_yet_is_served_as_it_was() -> None:
    first, _ = translate([ingress()], WORLD, {})
    changed = ingress(rule(HOST, paths=[path(split("hello-00002"))]), generation=2)
    second, verdicts = translate([changed], WORLD, first.used)
    assert (second.version, second.holds("uid-hello", 2)) == (first.version, False)
    assert verdicts["uid-hello"].message == "Service team/hello-00002:80 is not there"
    world = World(services=services(service(), service("hello-00002", "10.0.0.2")))
    third, verdicts = translate([changed], world, second.used)
    assert list(third.clusters) == ["team/hello-00002:80"]
    assert verdicts["uid-hello"].kind == "programmed"
    assert third.holds("uid-hello", 2)


def test_an_object_that_became_invalid_is_served_as_it_was() -> None:
    first, _ = translate([ingress()], WORLD, {})
    second, verdicts = translate([ingress(rule("_"), generation=2)], WORLD, first.used)
    assert second.version == first.version
    assert verdicts["uid-hello"].kind == "invalid"


def test_one_that_lost_its_host_is_served_by_nobody() -> None:
    found, verdicts = translate([ingress(), ingress(rule(HOST), name="late", age=1)], WORLD, {})
    assert list(found.used) == ["uid-hello"]
    assert verdicts["uid-late"].kind == "conflict"


@pytest.mark.parametrize(
    ("obj", "port", "address", "number", "resolve", "h2"),
    [
        (service(), 80, "10.0.0.1", 80, False, False),
        (service("hello-00001", "10.0.0.1", ("http2", 81)), "http2", "10.0.0.1", 81, False, True),
        (service("hello-00001", "10.0.0.1", ("h2c", 80)), 80, "10.0.0.1", 80, False, True),
        (service("hello-00001", "10.0.0.1", ("grpc-api", 80)), 80, "10.0.0.1", 80, False, True),
        (service("hello-00001", "fd00::1"), 80, "fd00::1", 80, False, False),
        (service("hello-00001", "None"), 80, "hello-00001.team.svc.cluster.local", 8012, True, False),
        (service(type="ExternalName", externalName="gw.ns.svc."), 80, "gw.ns.svc", 80, True, False),
        (service(type="ExternalName", externalName="gw.ns.svc", ports=[]), 443, "gw.ns.svc", 443, True, False),
    ],
)
def test_backends(obj, port, address, number, resolve, h2) -> None:
    found = find_backend(Split(("team", "hello-00001"), port, 100), services(obj))
    assert found is not None
    assert (found.address, found.port, found.resolve, found.h2) == (address, number, resolve, h2)


@pytest.mark.parametrize("port", [81, "grpc"])
def test_a_port_that_the_service_does_not_have_is_not_there(port) -> None:
    assert find_backend(Split(("team", "hello-00001"), port, 100), WORLD.services) is None


def test_app_protocol_says_h2_too() -> None:
    obj = service(ports=[{"name": "web", "port": 80, "appProtocol": "kubernetes.io/h2c"}])
    found = snapshot(ingress(), world=World(services=services(obj)))
    (options,) = found.clusters["team/hello-00001:80"]["typed_extension_protocol_options"].values()
    assert "http2_protocol_options" in options["explicit_http_config"]


def test_after_a_start_clusters_of_all_revisions_are_possible_and_those_of_others_are_not() -> None:
    other = service("database", "10.0.0.9")
    other["metadata"]["labels"] = {}
    known = services(service("a", "10.0.0.1", ("http", 80), ("https", 443)), other)
    assert list(possible_clusters(known)) == ["team/a:80", "team/a:443"]


NAMES = st.sampled_from(["a", "b", "c", "d"])
SHARES = st.lists(NAMES, min_size=1, max_size=4, unique=True)


@st.composite
def objects(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for index in range(draw(st.integers(0, 5))):
        names = draw(SHARES)
        cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(names) - 1, max_size=len(names) - 1)))
        shares = [end - start for start, end in zip([0, *cuts], [*cuts, 100], strict=True)]
        splits = [split(name, share) for name, share in zip(names, shares, strict=True)]
        host = draw(st.sampled_from(["x.y", "z.y", "w.y", "v.y"]))
        found.append(
            ingress(
                rule(host, paths=[path(*splits)], local=draw(st.booleans())),
                name=f"n{index}",
                age=draw(st.integers(0, 3)),
            )
        )
    return found


@settings(deadline=None)
@given(found=objects(), there=st.sets(NAMES), data=st.data())
def test_any_set_of_objects(found: list[dict[str, Any]], there: set[str], data: st.DataObject) -> None:
    """Order does not matter; hosts are unique; weights make 100; what is routed to is a cluster, or its Service is missing."""
    world = World(services=services(*(service(name) for name in there)))
    one, verdicts = translate(found, world, {})
    assert translate(data.draw(st.permutations(found)), world, {})[0].version == one.version
    assert verdicts.keys() == {obj["metadata"]["uid"] for obj in found}
    for table in one.routes.values():
        domains = [domain for host in table["virtual_hosts"] for domain in host["domains"]]
        assert len(domains) == len(set(domains))
        for host in table["virtual_hosts"]:
            for route in host["routes"]:
                shares = route["route"]["weighted_clusters"]["clusters"]
                assert sum(share["weight"] for share in shares) == 100
                missing = {share["name"] for share in shares} - one.clusters.keys()
                assert not missing & {f"team/{name}:80" for name in there}
    for obj in found:
        verdict = verdicts[obj["metadata"]["uid"]]
        assert (verdict.kind == "conflict") == (obj["metadata"]["uid"] not in one.used)
