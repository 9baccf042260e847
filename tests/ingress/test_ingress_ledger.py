"""Who is given what and when: clusters before routes, nothing taken away too early, what is refused comes again later."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingressworld import ingress, path, rule, service, services, split

from mlstack_ingress.ledger import AGAIN_SECONDS, FORGET_SECONDS, Answer, Ledger, Question
from mlstack_ingress.snapshot import Snapshot, World, possible_clusters, translate

SERVICES = services(*(service(f"r{n}", f"10.0.0.{n}") for n in range(1, 6)))
WORLD = World(services=SERVICES)


def snapshot(*revisions: str, generation: int = 1) -> Snapshot:
    shares = [100 - 10 * (len(revisions) - 1), *[10] * (len(revisions) - 1)]
    splits = [split(name, share) for name, share in zip(revisions, shares, strict=True)]
    return translate([ingress(rule("a.b", paths=[path(*splits)]), generation=generation)], WORLD, {})[0]


class Gateway:
    """A gateway that takes what it is given, and has it checked: no route may name a cluster that it does not have."""

    SLOTS = (("clusters", ""), ("listeners", ""), ("routes", "external"), ("routes", "internal"))

    def __init__(self, ledger: Ledger, name: str = "g") -> None:
        self.ledger, self.name = ledger, name
        self.has: dict[tuple[str, str], Answer] = {}

    def ask(self, slot: tuple[str, str], now: float, take: bool = True) -> Answer | None:
        version = self.has[slot].version if slot in self.has else ""
        answer = self.ledger.ask(Question(self.name, slot[0], version, slot[1]), now)
        if answer is not None and take:
            self.has[slot] = answer
            self.check()
        return answer

    def ask_all(self, now: float, rounds: int = 3) -> None:
        for _ in range(rounds):
            for slot in self.SLOTS:
                self.ask(slot, now)

    def names(self) -> set[str]:
        return {one["name"] for one in self.has[("clusters", "")].resources} if ("clusters", "") in self.has else set()

    def check(self) -> None:
        for slot, answer in self.has.items():
            if slot[0] == "routes":
                for table in answer.resources:
                    for host in table["virtual_hosts"]:
                        for route in host["routes"]:
                            used = {one["name"] for one in route["route"]["weighted_clusters"]["clusters"]}
                            assert used <= self.names()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(keep=30)


def test_nothing_is_said_before_anything_is_published(ledger: Ledger) -> None:
    assert ledger.ask(Question("g", "clusters"), 0) is None


def test_routes_come_after_their_clusters(ledger: Ledger) -> None:
    ledger.publish(snapshot("r1"), 0)
    gateway = Gateway(ledger)
    assert gateway.ask(("routes", "external"), 0) is None
    assert gateway.ask(("listeners", ""), 0) is None
    assert gateway.ask(("clusters", ""), 0)
    assert gateway.ask(("routes", "external"), 0) is None, "given is not taken: it has not said so"
    assert gateway.ask(("clusters", ""), 1) is None
    assert gateway.ask(("routes", "external"), 1)


def test_a_gateway_runs_a_version_when_it_has_said_so_of_every_part(ledger: Ledger) -> None:
    one = snapshot("r1")
    ledger.publish(one, 0)
    gateway = Gateway(ledger)
    gateway.ask_all(0, rounds=2)
    assert ledger.runs("g") == "", "the last table was given and not yet acknowledged"
    gateway.ask_all(1)
    assert ledger.runs("g") == one.version
    assert ledger.holds(one.version, "uid-hello", 1)
    assert not ledger.holds(one.version, "uid-hello", 2)
    assert ledger.runs("nobody") == ""


def test_a_cluster_stays_for_a_while_and_until_no_gateway_routes_to_it(ledger: Ledger) -> None:
    ledger.publish(snapshot("r1"), 0)
    quick, slow = Gateway(ledger, "quick"), Gateway(ledger, "slow")
    quick.ask_all(0)
    slow.ask_all(0)
    ledger.publish(snapshot("r2", generation=2), 10)
    quick.ask_all(10)
    assert quick.names() == {"team/r1:80", "team/r2:80"}
    assert not ledger.expire(["quick", "slow"], 39)
    assert not ledger.expire(["quick", "slow"], 41), "slow still routes to it"
    slow.ask_all(42)
    assert ledger.expire(["quick", "slow"], 43)
    quick.ask_all(43)
    assert quick.names() == {"team/r2:80"}
    assert ledger.runs("quick") == ledger.runs("slow") or ledger.runs("slow") == ""


def test_a_gateway_that_never_comes_along_does_not_keep_clusters_for_ever(ledger: Ledger) -> None:
    ledger.publish(snapshot("r1"), 0)
    Gateway(ledger).ask_all(0)
    ledger.publish(snapshot("r2"), 10)
    assert ledger.expire(["g"], 10 + FORGET_SECONDS)


def test_a_cluster_that_comes_back_is_not_taken_away(ledger: Ledger) -> None:
    ledger.publish(snapshot("r1"), 0)
    ledger.publish(snapshot("r2"), 1)
    ledger.publish(snapshot("r1"), 2)
    assert ledger.next_expiry() == 32, "r2 went last"
    gateway = Gateway(ledger)
    gateway.ask_all(2)
    ledger.expire(["g"], 100)
    gateway.ask_all(100)
    assert gateway.names() == {"team/r1:80"}


def test_what_was_refused_comes_again_after_a_pause_and_is_told(ledger: Ledger) -> None:
    ledger.publish(snapshot("r1"), 0)
    gateway = Gateway(ledger)
    assert gateway.ask(("clusters", ""), 0, take=False)
    assert gateway.ask(("clusters", ""), 0.1, take=False) is None
    assert ledger.refusals() == {"g": ["clusters"]}
    assert gateway.ask(("clusters", ""), AGAIN_SECONDS + 0.1)
    assert gateway.ask(("clusters", ""), 9) is None
    assert ledger.refusals() == {}


def test_something_newer_is_given_at_once_to_who_refused(ledger: Ledger) -> None:
    ledger.publish(snapshot("r1"), 0)
    gateway = Gateway(ledger)
    gateway.ask(("clusters", ""), 0, take=False)
    ledger.publish(snapshot("r2"), 0.1)
    assert gateway.ask(("clusters", ""), 0.2)


def test_a_gateway_that_began_anew_runs_nothing(ledger: Ledger) -> None:
    ledger.publish(snapshot("r1"), 0)
    Gateway(ledger).ask_all(0)
    assert ledger.runs("g")
    Gateway(ledger).ask(("clusters", ""), 5)
    assert ledger.runs("g") == ""


def test_another_controller_knows_a_version_by_its_content(ledger: Ledger) -> None:
    ledger.publish(snapshot("r1"), 0)
    gateway = Gateway(ledger)
    gateway.ask_all(0)
    gateway.ledger = other = Ledger()
    other.publish(snapshot("r1"), 100, possible_clusters(SERVICES))
    gateway.ask_all(100)
    assert other.runs("g") == ledger.runs("g")


def test_a_controller_that_has_just_started_takes_no_cluster_from_routes_of_before(ledger: Ledger) -> None:
    """Found in a run with a restart and a new revision at once: the new controller had never heard of the old one."""
    ledger.publish(snapshot("r1"), 0)
    gateway = Gateway(ledger)
    gateway.ask_all(0)
    gateway.ledger = other = Ledger(keep=30)
    other.publish(snapshot("r2", generation=2), 100, possible_clusters(SERVICES))
    gateway.ask(("clusters", ""), 100)
    gateway.ask_all(101)
    other.expire(["g"], 131)
    gateway.ask_all(131)
    assert gateway.names() == {"team/r2:80"}


def test_routes_that_were_given_and_not_yet_acknowledged_keep_their_clusters(ledger: Ledger) -> None:
    """Found by the property below: routes of before were given just after one of their clusters had been let go."""
    ledger.publish(snapshot("r2"), 1)
    gateway = Gateway(ledger)
    gateway.ask(("clusters", ""), 2)
    ledger.publish(snapshot("r1"), 3)
    gateway.ask(("clusters", ""), 4)
    ledger.expire(["g"], 34)
    gateway.ask(("routes", "external"), 34)
    ledger.expire(["g"], 35)
    gateway.ask_all(36)
    assert ledger.runs("g") == snapshot("r1").version


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.lists(st.sampled_from(["r1", "r2", "r3", "r4"]), min_size=1, max_size=3, unique=True)),
        st.tuples(st.just("ask"), st.tuples(st.integers(0, 1), st.integers(0, 3))),
        st.tuples(st.just("refuse"), st.tuples(st.integers(0, 1), st.integers(0, 3))),
        st.tuples(st.just("expire"), st.floats(0, 60)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=40,
)  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(steps=STEPS)
def test_in_whatever_order_no_route_ever_names_a_cluster_that_the_gateway_lacks(steps) -> None:
    """Gateways that lag, refuse, and controllers that begin anew. In the end all run what was published last."""
    ledger, now, generation = Ledger(keep=30), 0.0, 1
    gateways = [Gateway(ledger, name) for name in ("g0", "g1")]
    last = snapshot("r1")
    ledger.publish(last, now)
    for what, how in steps:
        now += 1
        if what == "publish":
            generation += 1
            last = snapshot(*how, generation=generation)
            ledger.publish(last, now)
        elif what == "expire":
            now += how
            ledger.expire(["g0", "g1"], now)
        elif what == "restart":
            ledger = Ledger(keep=30)
            ledger.publish(last, now, possible_clusters(SERVICES))
            for one in gateways:
                one.ledger = ledger
        else:
            gateways[how[0]].ask(Gateway.SLOTS[how[1]], now, take=what == "ask")
    for _ in range(4):
        now += AGAIN_SECONDS
        for one in gateways:
            one.ask_all(now)
    assert [ledger.runs(one.name) for one in gateways] == [last.version] * 2
    now += 31
    ledger.expire(["g0", "g1"], now)
    for one in gateways:
        one.ask_all(now)
        assert one.names() == set(last.clusters)
