"""Whose host is it: an older Ingress keeps a host that a younger one asks for as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlstack_ingress.model import Ingress

EXTERNAL, INTERNAL = "external", "internal"


def scopes(local: bool) -> tuple[str, ...]:
    """Where a rule's hosts are known: what is reachable from outside is so from inside as well."""
    return (INTERNAL,) if local else (EXTERNAL, INTERNAL)


def by_age(ingresses: Iterable[Ingress]) -> list[Ingress]:
    """Oldest first; those of the same second by their uid, so that all controllers decide the same."""
    return sorted(ingresses, key=lambda one: (one.created, one.uid))


def settle(ingresses: Iterable[Ingress]) -> tuple[list[Ingress], dict[str, str]]:
    """Those that get all their hosts, oldest first, and for each other one's uid which host it does not get and why.

    An Ingress that loses one host loses all: half a route is none. What it asked for is free for others then.
    """
    owners: dict[tuple[str, str], Ingress] = {}
    winners: list[Ingress] = []
    conflicts: dict[str, str] = {}
    for one in by_age(ingresses):
        taken = next((claim for claim in _claims(one) if claim in owners), None)
        if taken is not None:
            conflicts[one.uid] = f"host {taken[1]} belongs to the older Ingress {owners[taken]}"
            continue
        owners.update(dict.fromkeys(_claims(one), one))
        winners.append(one)
    return winners, conflicts


def _claims(one: Ingress) -> Iterator[tuple[str, str]]:
    for rule in one.rules:
        for host in rule.hosts:
            for scope in scopes(rule.local):
                yield scope, host
