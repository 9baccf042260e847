"""What stacks export to those that require their capabilities, and the context of each stack with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlstack.core.catalogue import Entry
from mlstack.core.context import RenderFacts, build_context
from mlstack.core.resolve import Chosen, Selection
from mlstack.core.template import Templates


def export_values(entry: Entry, context: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What a stack exports, by capability, as strings."""
    templates, where = Templates(), entry.place("stack.yaml exports")
    return {
        capability: {key: str(templates.value(value, where, context)) for key, value in values.items()}
        for capability, values in entry.document.spec.exports.items()
    }


def contexts(selection: Selection, facts: RenderFacts) -> Iterator[tuple[Chosen, dict[str, Any]]]:
    """Every stack with its template context and, as ``exports``, its own; nothing is rendered but the exports."""
    exports: dict[str, dict[str, dict[str, str]]] = {}
    for chosen in selection.stacks:
        capabilities = {need: exports[name].get(need, {}) for need, name in chosen.providers.items()}
        context = build_context(chosen.entry, chosen.values, facts, capabilities)
        exports[chosen.entry.name] = export_values(chosen.entry, context)
        yield chosen, {**context, "exports": exports[chosen.entry.name]}
