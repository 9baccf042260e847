"""The form of a sample: one field for each parameter it declares, what was typed, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlstack.core.errors import Problems
from mlstack.core.model import Object
from mlstack.core.sample import fill_sample, sample_values
from mlstack.core.samplefile import Sample
from mlstack.core.stackfile import Param
from mlstack_portal.offer import SampleOffer
from mlstack_portal.who import User

ANNOTATION_BY = "mlstack.dev/started-by"
"""Annotation of a run: who started it here."""
PREFIX = "param-"
"""What the names of the parameters' fields begin with, so that they cannot be taken for the form's own."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input. kind: ``number``, ``select`` or ``text``; hint: what is allowed; problem: empty when it is good."""

    name: str
    kind: str
    value: str
    doc: str
    hint: str = ""
    choices: tuple[str, ...] = ()
    low: str = ""
    high: str = ""
    step: str = "any"
    problem: str = ""


def fields(sample: Sample, given: Mapping[str, str], problems: Mapping[str, str]) -> list[Field]:
    """The fields with what was given, else the defaults."""
    return [
        _field(name, param, given.get(name, _text(param.default)), problems.get(name, ""))
        for name, param in sample.spec.params.items()
    ]


def _field(name: str, param: Param, value: str, problem: str) -> Field:
    choices = ("true", "false") if param.type == "boolean" else tuple(param.values)
    numeric = param.type in ("integer", "number")
    return Field(
        name=name,
        kind="number" if numeric else "select" if choices else "text",
        value=value,
        doc=param.doc,
        hint=_hint(param),
        choices=choices,
        low=_text(param.min) if param.min is not None else "",
        high=_text(param.max) if param.max is not None else "",
        step="1" if param.type == "integer" else "any",
        problem=problem,
    )


def _hint(param: Param) -> str:
    if param.min is not None and param.max is not None:
        return f"from {_text(param.min)} to {_text(param.max)}"
    if param.type == "list":
        return "several, with commas between them"
    return "such as 512Mi or 250m" if param.type == "quantity" else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def given_of(sent: Mapping[str, str]) -> dict[str, str]:
    """The parameters among the fields that were sent; text areas' line ends as the shell would give them."""
    return {name.removeprefix(PREFIX): value for name, value in sent.items() if name.startswith(PREFIX)}


def workload(
    offer: SampleOffer, given: Mapping[str, str], user: User, namespace: str
) -> tuple[Object | None, dict[str, str]]:
    """(the object to create, none) or (None, problem by parameter's name), as ``mlstack run`` would make it."""
    try:
        values = sample_values(offer.sample, given)
    except Problems as error:
        return None, {_param(one.place.path if one.place else ""): one.why or one.what for one in error.problems}
    obj = fill_sample(offer.sample, offer.context, values)
    metadata = obj["metadata"]
    metadata["namespace"] = namespace
    metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION_BY: user.name}
    return obj, {}


def _param(path: str) -> str:
    return path.rpartition(".")[2]
