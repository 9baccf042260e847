"""A sample's workload out of its document: parameters checked, expressions filled in, labelled. Running it is the engine's part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlstack.core.context import SAMPLE_NAMES, RenderFacts
from mlstack.core.errors import ExitCode, Problems
from mlstack.core.exports import contexts
from mlstack.core.model import LABEL_INSTANCE, LABEL_STACK, Object
from mlstack.core.resolve import Chosen, Selection, unknown
from mlstack.core.routes import with_platform
from mlstack.core.samplefile import Sample
from mlstack.core.template import Templates
from mlstack.core.values import check_values

LABEL_SAMPLE = "mlstack.dev/sample"
MARKS = ("${{", "}}")
"""Delimiters of expressions in samples; ``{{ }}`` is left to the workflow engine."""


def samples_of(selection: Selection) -> dict[str, tuple[Chosen, Sample]]:
    """Every sample that can run on the enabled stacks, by name."""
    return {sample.metadata.name: (chosen, sample) for chosen, sample in selection.samples}


def find_sample(selection: Selection, name: str) -> tuple[Chosen, Sample]:
    """The sample of that name with its stack; raises ``config.unknown-sample`` with a suggestion."""
    found = samples_of(selection)
    if name not in found:
        raise unknown("sample", name, list(found))
    return found[name]


def extended(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """A stack's samples, each that ``extends`` another one filled up with what that one says. Raises ValueError."""
    known = {sample.metadata.name: sample for sample in samples}
    return tuple(_extended(sample, known) for sample in known.values())


def _extended(sample: Sample, known: Mapping[str, Sample]) -> Sample:
    if not sample.spec.extends:
        return sample
    name, base = sample.metadata.name, known.get(sample.spec.extends)
    if base is None or base.spec.extends:
        raise ValueError(f"sample {name} extends {sample.spec.extends}, which is no sample of the stack with an object")
    own = sample.spec
    metadata = {**base.spec.object["metadata"], "generateName": f"{name}-"}
    spec = base.spec.model_copy(
        update={
            "object": {**base.spec.object, "metadata": metadata},
            "params": {**base.spec.params, **own.params},
            "results": {**base.spec.results, **own.results},
            "requires": [*base.spec.requires, *own.requires],
        }
    )
    return sample.model_copy(update={"spec": spec})


def sample_object(
    selection: Selection, name: str, given: Mapping[str, Any], facts: RenderFacts, namespace: str = ""
) -> tuple[Object, Sample]:
    """The object to create. namespace: instead of the sample's own. Raises Problems for wrong parameters, all at once."""
    chosen, sample = find_sample(selection, name)
    values = sample_values(sample, given)
    obj = fill_sample(sample, stack_context(selection, chosen, facts), values)
    if namespace:
        obj["metadata"]["namespace"] = namespace
    return obj, sample


def sample_values(sample: Sample, given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every parameter. Raises Problems for what is wrong with those given, all at once."""
    name = sample.metadata.name
    values, problems = check_values(f"sample {name}", sample.spec.params, given)
    if problems:
        raise Problems("config.sample", f"cannot run sample {name}", problems, ExitCode.USAGE)
    return values


def fill_sample(sample: Sample, context: Mapping[str, Any], values: Mapping[str, Any]) -> Object:
    """The sample's object with its expressions filled in. context: its stack's, with ``exports``."""
    where = f"sample {sample.metadata.name}"
    seen = {name: context[name] for name in SAMPLE_NAMES} | {"params": dict(values)}
    obj: Object = Templates(MARKS).value(dict(sample.spec.object), where, seen)
    labels = {
        LABEL_INSTANCE: context["instance"],
        LABEL_STACK: context["stack"]["name"],
        LABEL_SAMPLE: sample.metadata.name,
    }
    obj["metadata"]["labels"] = {**(obj["metadata"].get("labels") or {}), **labels}
    return obj


def stack_context(selection: Selection, wanted: Chosen, facts: RenderFacts) -> dict[str, Any]:
    """The template context of one stack, with what the stacks before it export; nothing is rendered but the exports."""
    found = contexts(selection, with_platform(selection, facts))
    return next(context for chosen, context in found if chosen is wanted)
