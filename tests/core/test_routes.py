"""What the selection offers behind the gateway: routes and stacks as templates see them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mlstack.core.context import ExternalFacts
from mlstack.core.routes import role_of
from mlstack.core.stackfile import Endpoint, Route


def test_the_external_url_leaves_out_the_schemes_own_port() -> None:
    assert ExternalFacts("lab.localhost", 8443).url == "https://lab.localhost:8443"
    assert ExternalFacts("ml.example.org").url == "https://ml.example.org"


@pytest.mark.parametrize("prefix", ["minio/", "/a b/", "/a//b", '/"quote"/'])
def test_a_prefix_is_a_plain_path(prefix: str) -> None:
    with pytest.raises(ValidationError):
        Route(prefix=prefix)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"role": "metrics", "route": {"prefix": "/m"}}, "need auth: required"),
        ({"role": "metrics", "auth": "required"}, "a route with a prefix"),
        ({"role": "metrics", "auth": "required", "route": {}}, "a route with a prefix"),
        ({"role": "metrics", "auth": "required", "route": {"prefix": "/m", "subdomain": "m"}}, "a route with a prefix"),
        ({"route": {"prefix": "/a/", "forwardToken": True, "tenantPath": "{namespace}"}}, "need auth: required"),
        ({"auth": "required", "route": {"prefix": "/a/", "forwardToken": True}}, "tenantPath"),
        ({"auth": "required", "route": {"prefix": "/a/", "tenantPath": "{namespace}"}}, "tenantPath"),
    ],
)
def test_rules_that_would_not_hold_are_refused(wrong: dict, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Endpoint.model_validate({"name": "x", "service": "x", "port": 80, **wrong})


def test_the_longest_route_decides_which_role_a_path_is_for() -> None:
    routes = [
        {"prefix": "/", "subdomain": "", "role": ""},
        {"prefix": "/metrics/x", "subdomain": "", "role": "metrics"},
        {"prefix": "/", "subdomain": "s3", "role": "other"},
    ]
    assert [role_of(path, routes) for path in ("/", "/metrics/x", "/metrics/x/y", "/metrics")] == [
        "",
        "metrics",
        "metrics",
        "",
    ]
    assert role_of("/anything", []) == ""
