"""Whose host it is, over any set of Ingress objects."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ingressworld import ingress, rule

from mlstack_ingress.claims import settle
from mlstack_ingress.model import Ingress
from mlstack_ingress.parse import parse_ingress


def make(name: str, *rules: dict, age: int = 0) -> Ingress:
    return parse_ingress(ingress(*rules, name=name, age=age))


def test_the_older_one_keeps_the_host_and_the_other_is_told() -> None:
    young, old = make("young", rule("a.b"), age=5), make("old", rule("a.b"), age=1)
    winners, conflicts = settle([young, old])
    assert winners == [old]
    assert conflicts == {"uid-young": "host a.b belongs to the older Ingress team/old"}


def test_the_loser_of_one_host_blocks_nobody_with_its_others() -> None:
    first = make("first", rule("a.b"), age=1)
    loser = make("loser", rule("a.b", "c.d"), age=2)
    third = make("third", rule("c.d"), age=3)
    winners, conflicts = settle([third, loser, first])
    assert (winners, list(conflicts)) == ([first, third], ["uid-loser"])


def test_a_host_from_inside_and_the_same_from_outside_are_one() -> None:
    outside, inside = make("outside", rule("a.b"), age=1), make("inside", rule("a.b", local=True), age=2)
    assert list(settle([inside, outside])[1]) == ["uid-inside"]


def test_hosts_of_two_local_rules_of_one_object_do_not_conflict() -> None:
    one = make("one", rule("a.b"), rule("a.b", local=True), rule("a.b"))
    assert settle([one]) == ([one], {})


HOSTS = st.lists(st.sampled_from(["a.b", "c.d", "e.f", "g.h"]), min_size=1, max_size=3, unique=True)
SETS = st.lists(st.tuples(HOSTS, st.booleans(), st.integers(0, 3)), max_size=6)


@settings(deadline=None)
@given(parts=SETS, data=st.data())
def test_every_host_has_one_owner_whatever_the_order(parts, data) -> None:
    everybody = [make(f"n{i}", rule(*hosts, local=local), age=age) for i, (hosts, local, age) in enumerate(parts)]
    winners, conflicts = settle(everybody)
    assert settle(data.draw(st.permutations(everybody))) == (winners, conflicts)
    assert {one.uid for one in winners} | conflicts.keys() == {one.uid for one in everybody}
    claimed = [host for one in winners for rule in one.rules for host in rule.hosts]
    assert len(claimed) == len(set(claimed))
    for uid in conflicts:
        loser = next(one for one in everybody if one.uid == uid)
        rivals = [one for one in winners if (one.created, one.uid) < (loser.created, loser.uid)]
        assert {host for one in rivals for host in one.rules[0].hosts} & set(loser.rules[0].hosts)
