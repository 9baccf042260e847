"""The client of the platform's gateway: what it says when nothing answers."""

import pytest

from mlstack.adapters.authorityfiles import host_authorities
from mlstack.adapters.freeport import free_port
from mlstack.adapters.gateway import GatewayClient
from mlstack.core.errors import MlstackError
from mlstack.core.probes import Probe


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_address_that_does_not_answer_is_named_as_it_was_asked(scheme):
    url = f"{scheme}://lab.localhost:{free_port(set())}"
    with pytest.raises(MlstackError) as caught:
        GatewayClient(url, host_authorities([])).send(Probe("explain", "/", "GET", "/"))
    assert caught.value.code == "gateway.unreachable" and caught.value.what.endswith(f"at {url}")


def test_plain_http_has_a_port_of_its_own():
    assert GatewayClient("http://lab.localhost", host_authorities([]))._port == 80
    assert GatewayClient("https://lab.localhost", host_authorities([]))._port == 443
