"""What the selection offers behind the gateway: routes and stacks as templates see them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mlstack.core.context import ExternalFacts
from mlstack.core.stackfile import Route


def test_the_external_url_leaves_out_the_schemes_own_port() -> None:
    assert ExternalFacts("lab.localhost", 8443).url == "https://lab.localhost:8443"
    assert ExternalFacts("ml.example.org").url == "https://ml.example.org"


@pytest.mark.parametrize("prefix", ["minio/", "/a b/", "/a//b", '/"quote"/'])
def test_a_prefix_is_a_plain_path(prefix: str) -> None:
    with pytest.raises(ValidationError):
        Route(prefix=prefix)
