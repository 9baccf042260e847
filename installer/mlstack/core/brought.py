"""Which stacks come along because of a parameter of another one (``brings``). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlstack.core.catalogue import Catalogue, Entry
from mlstack.core.template import Templates
from mlstack.core.values import check_values


def provides(entry: Entry, need: str) -> bool:
    """Whether an entry meets a need: it has that name or that capability."""
    return need == entry.name or need in entry.document.spec.provides


def brought_by(entry: Entry, values: Mapping[str, Any]) -> list[str]:
    """The needs that an entry has because of its parameters' values."""
    brings = entry.document.spec.brings
    if not brings:
        return []
    templates, where = Templates(), entry.place("stack.yaml")
    return [need for need, expression in brings.items() if templates.holds(expression, where, {"params": dict(values)})]


def missing_names(
    catalogue: Catalogue, stacks: Mapping[str, str], entries: Sequence[Entry], given: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """The release's stacks that meet what the entries bring and none of them meets.

    stacks: the release's, name -> version; given: what the user said, entry's name -> parameters. Values that are wrong are
    left to whoever resolves: they bring nothing.
    """
    found: list[str] = []
    for entry in (one for one in entries if one.document.spec.brings):
        values, wrong = check_values(entry.name, entry.document.spec.params, given.get(entry.name, {}))
        for need in [] if wrong else brought_by(entry, values):
            if not any(provides(other, need) for other in entries):
                found += [name for name, version in stacks.items() if provides(catalogue.entry(name, version), need)][
                    :1
                ]
    return list(dict.fromkeys(found))
