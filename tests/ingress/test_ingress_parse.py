"""Reading an Ingress: what is right comes out whole, what is wrong is named with its place, nothing bad gets further."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingressworld import ingress, path, rule, split

from mlstack_ingress.model import InvalidIngress
from mlstack_ingress.parse import parse_ingress


def test_everything_is_read() -> None:
    found = parse_ingress(
        ingress(
            rule(
                "hello.team.example.org",
                paths=[
                    path(
                        split("a", 25, 81, **{"Knative-Serving-Revision": "a"}),
                        split("b", 75, "http"),
                        path="/v1",
                        rewriteHost="b.team.svc.cluster.local",
                        headers={"Knative-Serving-Tag": {"exact": "blue"}},
                        appendHeaders={"x-b": "2", "x-a": "1"},
                    )
                ],
            ),
            rule("hello.team.svc.cluster.local", local=True),
            tls=[{"hosts": ["hello.team.example.org"], "secretName": "cert"}],
            httpOption="Redirected",
            generation=7,
        )
    )
    assert (str(found), found.identity, found.redirect) == ("team/hello", ("uid-hello", 7), True)
    one = found.rules[0].paths[0]
    assert [(s.service, s.port, s.percent, s.headers) for s in one.splits] == [
        (("team", "a"), 81, 25, (("Knative-Serving-Revision", "a"),)),
        (("team", "b"), "http", 75, ()),
    ]
    assert (one.prefix, one.rewrite_host, one.matches) == (
        "/v1",
        "b.team.svc.cluster.local",
        (("Knative-Serving-Tag", "blue"),),
    )
    assert one.headers == (("x-a", "1"), ("x-b", "2"))
    assert [rule.local for rule in found.rules] == [False, True]
    assert found.tls[0].secret == ("team", "cert"), "the namespace is the Ingress's where none is named"


def test_one_split_without_a_share_gets_all() -> None:
    without = split()
    del without["percent"]
    assert parse_ingress(ingress(rule("a.b", paths=[path(without)]))).rules[0].paths[0].splits[0].percent == 100


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        (ingress(rule("UPPER.case")), "spec.rules[0].hosts: 'UPPER.case' is no host name"),
        (ingress(rule("*")), "'*' is no host name"),
        (ingress(rule("a.b\n")), "is no host name"),
        (ingress(rule("a" * 64 + ".b")), "is no host name"),
        (ingress(rule()), "spec.rules[0].hosts: there are none"),
        (ingress(spec=1, rules=[]), "spec.rules: there are none"),
        (ingress(rule("a.b", paths=[{"splits": []}])), "spec.rules[0].http.paths[0].splits: there are none"),
        (ingress(rule("a.b", paths=[path(split(percent=101))])), "is no number from 0 to 100"),
        (ingress(rule("a.b", paths=[path(split(percent=50), split(percent=49))])), "make 99, not 100"),
        (ingress(rule("a.b", paths=[path(split(port=70000))])), "servicePort: 70000 is neither"),
        (ingress(rule("a.b", paths=[path(split(port=True))])), "servicePort: True is neither"),
        (ingress(rule("a.b", paths=[path(split("Bad_Name"))])), "'team/Bad_Name' names no Service"),
        (ingress(rule("a.b", paths=[path(path="no-slash")])), "'no-slash' is no path"),
        (ingress(rule("a.b", paths=[path(path="/a?b")])), "'/a?b' is no path"),
        (ingress(rule("a.b", paths=[path(headers={"a b": {"exact": "c"}})])), "'a b' is no header's name"),
        (ingress(rule("a.b", paths=[path(appendHeaders={"a": "b\r\nc: d"})])), "characters that no header may have"),
        (ingress(rule("a.b", paths=[path(appendHeaders={"Host": "c"})])), "'Host' cannot be set"),
        (ingress(rule("a.b", paths=[path(rewriteHost="-")])), "rewriteHost: '-' is no host name"),
        (ingress(tls=[{"hosts": ["a.b"]}]), "spec.tls[0]: 'team/' names no Secret"),
        (ingress(httpOption="Off"), "'Off' is neither Enabled nor Redirected"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(obj: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidIngress) as error:
        parse_ingress(obj)
    assert said in str(error.value)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(InvalidIngress) as error:
        parse_ingress(ingress(rule("_", paths=[path(split(port=0), path="x")]), httpOption="Off"))
    assert len(error.value.problems) == 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(host=st.text(max_size=300), prefix=st.text(max_size=30), name=st.text(max_size=20), value=st.text(max_size=50))
def test_no_text_gets_through_that_a_gateway_refuses(host: str, prefix: str, name: str, value: str) -> None:
    """Whatever is accepted is printable ASCII without line ends."""
    obj = ingress(rule(host, paths=[path(path=prefix, appendHeaders={name: value}, headers={name: {"exact": value}})]))
    try:
        found = parse_ingress(obj)
    except InvalidIngress:
        return
    one = found.rules[0].paths[0]
    for text in (*found.rules[0].hosts, one.prefix, *(part for pair in one.headers + one.matches for part in pair)):
        assert text.isascii()
        assert text.isprintable()
