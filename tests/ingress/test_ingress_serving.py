"""The controller's own server: TLS with a certificate that is renewed in place, health, questions that are none, key pairs."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from pathlib import Path

import httpx
import pytest
from ingressworld import ingress, service, services
from test_envoy import make_pair

from mlstack_ingress.__main__ import read_settings
from mlstack_ingress.ledger import Ledger
from mlstack_ingress.pairs import key_pair
from mlstack_ingress.serving import make_server, renew, serve_health
from mlstack_ingress.snapshot import World, translate
from mlstack_ingress.xds import Discovery, make_app

NAME = "knative-ingress.knative-serving.svc.cluster.local"


def write(directory: Path) -> str:
    pair = make_pair(NAME)
    (directory / "tls.crt").write_text(pair.chain)
    (directory / "tls.key").write_text(pair.key)
    return pair.chain


async def served(port: int) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(found)


def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    async def play() -> None:
        first = write(tmp_path)
        server = make_server(make_app(Discovery(Ledger(), lambda: None)), "127.0.0.1", 0, tmp_path)
        tasks = [asyncio.create_task(server.serve()), asyncio.create_task(renew(server, tmp_path, 0.05))]
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        assert await served(port) == first
        second = write(tmp_path)
        async with asyncio.timeout(10):
            while await served(port) != second:
                await asyncio.sleep(0.05)
        server.should_exit = True
        await tasks[0]
        tasks[1].cancel()

    asyncio.run(play())


def test_health_tells_ready_and_alive_apart() -> None:
    async def play() -> None:
        state = {"ready": False, "turned": -1e9}
        server = await serve_health("127.0.0.1", 0, lambda: bool(state["ready"]), lambda: float(state["turned"]))
        port = server.sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert [(await client.get(path)).status_code for path in ("/readyz", "/healthz")] == [503, 503]
            state.update(ready=True, turned=1e18)
            assert [(await client.get(path)).status_code for path in ("/readyz", "/healthz")] == [200, 200]
        server.close()

    asyncio.run(play())


ASK = {"node": {"id": "g1"}, "version_info": "", "type_url": "x"}


def test_questions_over_http() -> None:
    async def play() -> None:
        ledger = Ledger()
        app = make_app(Discovery(ledger, lambda: None, hold=0.05))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:

            async def ask(kind: str, body: object) -> httpx.Response:
                return await client.post(f"/v3/discovery:{kind}", content=json.dumps(body))

            assert (await ask("clusters", ASK)).status_code == 304, "nothing is published yet"
            snapshot, _ = translate([ingress()], World(services=services(service())), {})
            ledger.publish(snapshot, 0)
            answer = (await ask("clusters", ASK)).json()
            assert answer["version_info"] == snapshot.version
            assert answer["type_url"].endswith("envoy.config.cluster.v3.Cluster")
            assert [one["name"] for one in answer["resources"]] == ["team/hello-00001:80"]
            for kind, body in [
                ("secrets", ASK),
                ("clusters", {}),
                ("clusters", []),
                ("clusters", {"node": {"id": ""}}),
                ("routes", ASK),
                ("routes", {**ASK, "resource_names": ["a", "b"]}),
            ]:
                assert (await ask(kind, body)).status_code == 400, (kind, body)

    asyncio.run(play())


def secret(**data: str) -> dict:
    return {"data": {name.replace("_", "."): base64.b64encode(text.encode()).decode() for name, text in data.items()}}


def test_a_good_pair_is_read_and_a_bad_one_is_told_without_its_text() -> None:
    good, other = make_pair("a.b"), make_pair("a.b")
    assert key_pair(secret(tls_crt=good.chain, tls_key=good.key)) == good
    for bad, said in [
        (secret(tls_crt=good.chain), "has no tls.crt and tls.key"),
        ({"data": {"tls.crt": "%%", "tls.key": "%%"}}, "has no tls.crt and tls.key"),
        (secret(tls_crt=good.chain, tls_key=other.key), "holds no certificate with its key"),
        (secret(tls_crt="nonsense", tls_key=good.key), "holds no certificate with its key"),
        ({}, "has no tls.crt and tls.key"),
    ]:
        with pytest.raises(ValueError, match=said) as error:
            key_pair(bad)
        assert good.key.splitlines()[1] not in str(error.value)


def test_a_setting_that_is_missing_ends_the_start() -> None:
    environ = {
        "INGRESS_CLASS": "c",
        "POD_NAMESPACE": "n",
        "GATEWAY_SELECTOR": "s",
        "PUBLIC_SERVICE": "p",
        "PRIVATE_SERVICE": "q",
        "ACCESS_FILE": "/a",
    }
    assert read_settings(environ).addresses.private == "q"
    for name in environ:
        with pytest.raises(KeyError, match=name):
            read_settings({key: value for key, value in environ.items() if key != name})
