"""The controller's configuration in a real Envoy: what a client sees."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from concurrent import futures
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from envoyworld import HERE, Backends, ControlPlane, Gateway, config_map, free_ports, gateway, until
from ingressworld import ingress, path, rule, service, split

from mlstack_ingress.access import Access
from mlstack_ingress.model import KeyPair
from mlstack_ingress.snapshot import World, possible_clusters

pytestmark = pytest.mark.slow
HOST = "hello.team.example.org"


class Stage:
    """One control plane, one gateway, three backends."""

    def __init__(self, control: ControlPlane, front: Gateway, backends: Backends) -> None:
        self.control, self.front, self.backends = control, front, backends

    def world(self, **more) -> World:
        return World(services=self.backends.services(), ports=self.front.ports, **more)

    def serve(self, *objects, **more) -> None:
        self.control.publish_all(list(objects), self.world(**more), self.front.name)

    def to(self, name: str, percent: int = 100, **headers: str):
        return split(name, percent, self.backends.ports[name], **headers)


@pytest.fixture(scope="module")
def backends():
    made = Backends()
    made.start("a", "b", "c")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory, backends):
    (port,) = free_ports(1)
    control = ControlPlane(port)
    control.start()
    with gateway(tmp_path_factory.mktemp("envoy"), "g1", port) as front:
        yield Stage(control, front, backends)
    control.stop()


def test_a_gateway_is_not_ready_before_it_has_its_configuration(tmp_path: Path, backends: Backends) -> None:
    (port,) = free_ports(1)
    control = ControlPlane(port)
    control.start()
    with gateway(tmp_path, "early", port) as front:
        time.sleep(1.5)
        assert not front.ready()
        obj = ingress(rule(HOST, paths=[path(split("a", 100, backends.ports["a"]))]))
        control.publish_all([obj], World(services=backends.services(), ports=front.ports), "early")
        until(front.ready, "it has its configuration")
        assert front.get(HOST).json()["name"] == "a"
    control.stop()


def test_shares_are_kept(stage: Stage) -> None:
    stage.serve(ingress(rule(HOST, paths=[path(stage.to("a", 80), stage.to("b", 20))])))
    with httpx.Client(trust_env=False, timeout=30) as client:
        url = stage.front.url(stage.front.ports.external)
        seen = Counter(client.get(url, headers={"host": HOST}).json()["name"] for _ in range(400))
    assert seen.keys() == {"a", "b"}
    assert 40 <= seen["b"] <= 130, "80 expected; 5 deviations either way are 40"


def test_a_header_and_a_tag_host_lead_to_their_revision(stage: Stage) -> None:
    tagged = path(stage.to("b"), headers={"Knative-Serving-Tag": {"exact": "blue"}})
    one = ingress(rule(HOST, paths=[tagged, path(stage.to("a"))]), rule(f"blue-{HOST}", paths=[path(stage.to("c"))]))
    stage.serve(one)
    assert stage.front.get(HOST).json()["name"] == "a"
    assert stage.front.get(HOST, headers={"Knative-Serving-Tag": "blue"}).json()["name"] == "b"
    assert stage.front.get(HOST, headers={"Knative-Serving-Tag": "green"}).json()["name"] == "a"
    assert stage.front.get(f"blue-{HOST}").json()["name"] == "c"


def test_longer_paths_win_and_hosts_may_come_with_a_port(stage: Stage) -> None:
    stage.serve(ingress(rule(HOST, paths=[path(stage.to("a")), path(stage.to("b"), path="/v2/")])))
    assert stage.front.get(f"{HOST}:8443", "/v1/x").json()["name"] == "a"
    assert stage.front.get(HOST, "/v2/x?y=1").json() | {"headers": None} == {
        "name": "b",
        "path": "/v2/x?y=1",
        "headers": None,
    }


def test_headers_are_set_and_cannot_be_forged(stage: Stage) -> None:
    shares = [stage.to("a", **{"Knative-Serving-Revision": "a-1", "x-rate": "100%"})]
    stage.serve(ingress(rule(HOST, paths=[path(*shares, appendHeaders={"K-Original": "%REQ(host)%"})])))
    seen = stage.front.get(HOST, headers={"knative-serving-revision": "forged"}).json()["headers"]
    lower = {name.lower(): value for name, value in seen.items()}
    assert (lower["knative-serving-revision"], lower["x-rate"]) == ("a-1", "100%")
    assert lower["k-original"] == "%REQ(host)%"
    assert lower["host"] == HOST


def test_a_host_can_be_rewritten(stage: Stage) -> None:
    stage.serve(ingress(rule(HOST, paths=[path(stage.to("a"), rewriteHost="a.team.svc.cluster.local")])))
    seen = stage.front.get(HOST).json()["headers"]
    assert {name.lower(): value for name, value in seen.items()}["host"] == "a.team.svc.cluster.local"


def test_what_is_local_is_not_reached_from_outside(stage: Stage) -> None:
    local = "hello.team.svc.cluster.local"
    stage.serve(ingress(rule(HOST, paths=[path(stage.to("a"))]), rule(local, paths=[path(stage.to("a"))], local=True)))
    assert stage.front.get(local, internal=True).status_code == 200
    assert stage.front.get(HOST, internal=True).status_code == 200
    assert stage.front.get(local).status_code == 404
    assert stage.front.get(HOST).status_code == 200
    assert stage.front.get("unknown.example.org").status_code == 404


def test_an_answer_may_take_its_time_and_a_dead_backend_is_told_at_once(stage: Stage) -> None:
    """Envoy's own limit would be 15 seconds; here only its absence is looked at, and that a wait goes through."""
    (nobody,) = free_ports(1)
    services = {**stage.backends.services(), ("team", "dead"): service("dead", HERE, ("http", nobody))}
    one = ingress(rule(HOST, paths=[path(stage.to("a")), path(split("dead", 100, nobody), path="/dead")]))
    stage.control.publish_all([one], World(services=services, ports=stage.front.ports), "g1")
    assert stage.front.get(HOST, "/sleep/2").status_code == 200
    began = time.monotonic()
    assert stage.front.get(HOST, "/dead").status_code == 503
    assert time.monotonic() - began < 5
    dump = httpx.get(stage.front.url(stage.front.admin, "/config_dump?resource=dynamic_route_configs"), trust_env=False)
    assert '"timeout": "15s"' not in dump.text
    assert '"timeout": "0s"' in dump.text


class Doubler(grpc.GenericRpcHandler):
    """Every method answers each message with it said twice."""

    def service(self, _details):
        return grpc.stream_stream_rpc_method_handler(lambda requests, _: (one + one for one in requests))


def test_grpc_streams_go_both_ways(stage: Stage) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Doubler(),))
    port = server.add_insecure_port(f"{HERE}:0")
    server.start()
    try:
        services = {("team", "rpc"): service("rpc", HERE, ("h2c", port))}
        one = ingress(rule(HOST, paths=[path(split("rpc", 100, port))]))
        stage.control.publish_all([one], World(services=services, ports=stage.front.ports), "g1")
        options = [("grpc.default_authority", HOST), ("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(f"{HERE}:{stage.front.ports.external}", options=options) as channel:
            call = channel.stream_stream("/demo.Doubler/Say")
            assert list(call(iter([b"a", b"bc"]), timeout=20)) == [b"aa", b"bcbc"]
    finally:
        server.stop(None)


def test_plain_requests_are_sent_on_to_https_unless_they_came_by_it(stage: Stage) -> None:
    stage.serve(ingress(rule(HOST, paths=[path(stage.to("a"))]), httpOption="Redirected"))
    answer = stage.front.get(HOST, "/x?y=1")
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{HOST}/x?y=1")
    assert (
        stage.front.get(HOST, headers={"x-forwarded-proto": "https", "x-forwarded-for": "1.2.3.4"}).status_code == 200
    )
    assert stage.front.get(HOST, internal=True).status_code == 200


def make_pair(host: str) -> KeyPair:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    chain = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return KeyPair(chain.decode(), key.private_bytes(*form).decode())


def served_by(port: int, host: str, pair: KeyPair) -> bytes:
    """The answer over TLS that is verified with the pair's own certificate."""
    context = ssl.create_default_context(cadata=pair.chain)
    with (
        socket.create_connection((HERE, port), 10) as plain,
        context.wrap_socket(plain, server_hostname=host) as tls,
    ):
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: tls.recv(4096), b""))


def test_tls_blocks_serve_their_hosts_and_a_renewed_certificate_comes_without_a_break(stage: Stage) -> None:
    other = "other.team.example.org"
    blocks = [{"hosts": [HOST], "secretName": "one"}, {"hosts": [other], "secretName": "two"}]
    one = ingress(rule(HOST, other, paths=[path(stage.to("a"))]), tls=blocks)
    pairs = {("team", "one"): make_pair(HOST), ("team", "two"): make_pair(other)}
    port = stage.front.ports.external_tls
    stage.serve(one, pairs=pairs)
    assert b'"name": "a"' in served_by(port, HOST, pairs[("team", "one")])
    assert b'"name": "a"' in served_by(port, other, pairs[("team", "two")])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        served_by(port, "nobody.example.org", pairs[("team", "one")])
    renewed = {**pairs, ("team", "one"): make_pair(HOST)}
    stage.serve(one, pairs=renewed)
    until(lambda: serves(port, HOST, renewed[("team", "one")]), "the renewed certificate is not served")
    stage.serve(ingress(rule(HOST, paths=[path(stage.to("a"))])))
    until(lambda: not serves(port, HOST, renewed[("team", "one")]), "no block, no listener")


def serves(port: int, host: str, pair: KeyPair) -> bool:
    try:
        return b"200 OK" in served_by(port, host, pair)
    except OSError:
        return False


def test_only_those_who_have_a_part_in_a_namespace_get_in_from_outside(stage: Stage) -> None:
    users = ("o'neil+x@example.org", "system:serviceaccount:team:*")
    obj = ingress(rule(HOST, paths=[path(stage.to("a"))]))
    stage.serve(obj, access=Access("kubeflow-userid", {"team": users}))

    def status(*who: str) -> int:
        headers = [("host", HOST), *(("kubeflow-userid", one) for one in who)]
        port = stage.front.ports.external
        return httpx.get(stage.front.url(port), headers=headers, trust_env=False, timeout=30).status_code

    assert status("o'neil+x@example.org") == status("system:serviceaccount:team:default-editor") == 200
    bad = [
        "",
        "other@example.org",
        "system:serviceaccount:team2:x",
        "o'neil+x@example.org.evil",
        "xo'neil+x@example.org",
    ]
    assert [status(who) for who in bad] == [403] * len(bad)
    assert status() == 403
    answer = stage.front.get(HOST)
    assert answer.json() == {
        "error": "forbidden",
        "why": "this service belongs to namespace team: you have no part in it",
    }
    assert stage.front.get(HOST, internal=True).status_code == 200, "inside nobody says who he is"
    stage.serve(obj, access=Access("kubeflow-userid", {}))
    assert status("o'neil+x@example.org") == 403
    stage.serve(obj, access=Access("kubeflow-userid", {"team": ("*",)}))
    assert status("other@example.org") == 200


class Load:
    """Requests one after another in a thread, over new and kept connections, and what came of them."""

    def __init__(self, urls: list[str], pause: float = 0.01) -> None:
        self.urls, self.pause, self.seen = urls, pause, Counter()
        self.errors: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        kept = httpx.Client(trust_env=False, timeout=20)
        number = 0
        while not self._stop.is_set():
            url = self.urls[number % len(self.urls)]
            get = kept.get if number % 2 else httpx.get
            number += 1
            try:
                answer = get(
                    url, headers={"host": HOST}, **({} if number % 2 == 0 else {"trust_env": False, "timeout": 20})
                )
                self.seen[answer.status_code] += 1
            except httpx.HTTPError as error:
                self.errors.append(f"{url}: {error!r}")
            time.sleep(self.pause)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join(30)


def test_no_request_fails_while_revisions_change_and_the_controller_begins_anew(stage: Stage, tmp_path: Path) -> None:
    """Two gateways at one address (the kernel shares its connections among them), each change another split, and in the midst
    of it a controller that knows nothing of the one before."""
    names = ["a", "b", "c"]
    with gateway(tmp_path, "g2", stage.control.port):

        def serve(number: int) -> None:
            shares = [stage.to(names[number % 3], 60), stage.to(names[(number + 1) % 3], 40)]
            obj = ingress(rule(HOST, paths=[path(*shares)]), generation=number + 1)
            stage.control.publish_all([obj], stage.world(), "g1", "g2")
            stage.control.call(lambda: stage.control.ledger.expire(["g1", "g2"], time.monotonic()))

        serve(0)
        with Load([stage.front.url(stage.front.ports.external)]) as load:
            for number in range(1, 10):
                serve(number)
            stage.control.stop()
            stage.control = ControlPlane(stage.control.port)
            stage.control.start(possible_clusters(stage.backends.services()))
            for number in range(10, 18):
                serve(number)
        assert not load.errors
        assert load.seen.keys() == {200}
        assert load.seen[200] > 50


def test_clusters_that_are_not_needed_are_let_go_after_a_while(stage: Stage) -> None:
    stage.serve(ingress(rule(HOST, paths=[path(stage.to("a"))])))
    stage.serve(ingress(rule(HOST, paths=[path(stage.to("b"))])))
    name = f"team/a:{stage.backends.ports['a']}"
    assert name in stage.front.clusters()
    time.sleep(1.1)

    def expire() -> None:
        assert stage.control.ledger.expire(["g1"], time.monotonic())
        stage.control.discovery.wake()

    stage.control.call(expire)
    until(lambda: name not in stage.front.clusters(), "the cluster stays")
    assert stage.front.get(HOST).json()["name"] == "b"


def test_what_envoy_refuses_does_not_stop_what_comes_next(stage: Stage) -> None:
    good = ingress(rule(HOST, paths=[path(stage.to("a"))]))
    bad = {("team", "one"): KeyPair("no certificate", "no key")}
    stage.control.publish(
        [{**good, "spec": {**good["spec"], "tls": [{"hosts": [HOST], "secretName": "one"}]}}], stage.world(pairs=bad)
    )
    until(lambda: stage.control.call(stage.control.ledger.refusals) == {"g1": ["listeners"]}, "it was taken")
    assert stage.front.get(HOST).status_code == 200
    stage.serve(ingress(rule(HOST, paths=[path(stage.to("b"))])))
    assert stage.front.get(HOST).json()["name"] == "b"
    assert stage.control.call(stage.control.ledger.refusals) == {}


def test_a_gateway_that_ends_finishes_what_is_under_way_and_sends_new_connections_away(
    stage: Stage, tmp_path: Path
) -> None:
    """The stack's own script before the end: a long answer comes whole, a kept connection is closed after its answer."""
    stage.serve(ingress(rule(HOST, paths=[path(stage.to("a"))])))
    script = tmp_path / "drain"
    script.write_text(config_map()["drain"].replace("/9901", f"/{stage.front.admin}"))
    answers: list[int] = []
    long = threading.Thread(target=lambda: answers.append(stage.front.get(HOST, "/sleep/8").status_code))
    long.start()
    time.sleep(0.5)
    began = time.monotonic()
    with httpx.Client(trust_env=False, timeout=20) as kept:
        url = stage.front.url(stage.front.ports.external)
        assert "connection" not in kept.get(url, headers={"host": HOST}).headers
        drain = subprocess.Popen(["bash", str(script), "20"])
        until(lambda: not stage.front.ready(), "it still says that it is ready")
        assert kept.get(url, headers={"host": HOST}).headers.get("connection") == "close"
    assert drain.wait(30) == 0
    long.join(20)
    assert answers == [200]
    assert 6 < time.monotonic() - began < 19, "it waits for the long answer and no longer"
