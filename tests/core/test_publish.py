"""Host ports of endpoints: wishes win, customary ports only for the default instance, nothing is given twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstack.core.publish import publish, url_of
from mlstack.core.stackfile import Endpoint


def endpoint(name: str, port: int, node_port: int, **more: object) -> Endpoint:
    return Endpoint(name=name, service="svc", port=port, node_port=node_port, **more)


S3, CONSOLE, INNER = (
    endpoint("s3", 9000, 30900, scheme="s3"),
    endpoint("console", 9001, 30901, path="/ui"),
    endpoint("db", 3306, 0),
)


def free(taken: frozenset[int]) -> int:
    return next(port for port in range(40000, 41000) if port not in taken)


@pytest.mark.parametrize(
    ("endpoints", "wishes", "remembered", "own", "wanted"),
    [
        ([(S3, True), (CONSOLE, True)], {}, {}, True, {"s3": 9000, "console": 9001}),
        ([(S3, True), (CONSOLE, False)], {}, {}, True, {"s3": 9000, "console": 40000}),
        ([(S3, True), (CONSOLE, True)], {}, {}, False, {"s3": 40000, "console": 40001}),
        ([(S3, True)], {"s3": 19000}, {"s3": 9000}, True, {"s3": 19000}),
        ([(S3, True)], {"s3": "auto"}, {}, True, {"s3": 40000}),
        ([(S3, True)], {}, {"s3": 41234}, False, {"s3": 41234}),
        # a stack that was switched on later has the port that the cluster was made with
        ([(S3, True), (CONSOLE, True)], {}, {"s3": 9000, "console": 40123}, True, {"s3": 9000, "console": 40123}),
        ([(S3, True), (CONSOLE, True)], {}, {"s3": 9001}, True, {"s3": 9001, "console": 40000}),
        ([(S3, True), (CONSOLE, True)], {"console": 40000}, {}, False, {"s3": 40001, "console": 40000}),
        ([(INNER, True), (S3, True), (S3, True)], {}, {}, True, {"s3": 9000}),
    ],
)
def test_publish(endpoints: list, wishes: dict, remembered: dict, own: bool, wanted: dict) -> None:
    found = publish(endpoints, wishes, remembered, free, address="127.0.0.1", own_ports=own)
    assert {one.name: one.host_port for one in found} == wanted
    assert {one.address for one in found} == {"127.0.0.1"}


@given(
    st.lists(st.booleans(), min_size=1, max_size=6),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(30000, 30005)),
)
def test_no_free_port_is_given_twice(enabled: list[bool], remembered: dict[str, int]) -> None:
    endpoints = [(endpoint("abcdef"[at], 9000 + at, 30900 + at), on) for at, on in enumerate(enabled)]
    found = publish(endpoints, {}, remembered, free, address="127.0.0.1", own_ports=False)
    assert len({one.host_port for one in found}) == len(found) == len(endpoints)


def test_urls() -> None:
    found = publish([(S3, True), (CONSOLE, True)], {}, {}, free, address="127.0.0.1", own_ports=True)
    assert url_of(S3, found) == "http://127.0.0.1:9000/"
    assert url_of(CONSOLE, found) == "http://127.0.0.1:9001/ui"
    assert url_of(INNER, found) == ""
    six = publish([(S3, True)], {}, {}, free, address="::1", own_ports=True)
    assert url_of(S3, six) == "http://[::1]:9000/"
