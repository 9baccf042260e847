"""What a sample stands on: the stacks that must work while it runs. Pure."""

from __future__ import annotations

from mlstack.core.brought import provides
from mlstack.core.resolve import Chosen, Selection
from mlstack.core.samplefile import Sample


def stands_on(selection: Selection, chosen: Chosen, sample: Sample) -> frozenset[str]:
    """The stacks that a stack's sample needs: its own, those that it asks for, and all that these require."""
    known = {one.entry.name: one for one in selection.stacks}
    todo = [chosen.entry.name]
    todo += [one for need in sample.spec.requires for one in known if provides(known[one].entry, need)]
    found: set[str] = set()
    while todo:
        if (one := todo.pop()) not in found:
            found.add(one)
            todo += known[one].requires
    return frozenset(found)
