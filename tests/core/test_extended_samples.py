"""Samples that are variants of another one, and samples that need more than their stack does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from mlstack.core.catalogue import Entry
from mlstack.core.ground import stands_on
from mlstack.core.resolve import Chosen, Selection
from mlstack.core.sample import extended, find_sample, samples_of
from mlstack.core.samplefile import Sample
from mlstack.core.stackfile import Stack

OBJECT = {"kind": "Job", "metadata": {"generateName": "base-", "namespace": "ml"}, "spec": {"n": "${{ params.n }}"}}


def sample(name: str, **spec: Any) -> Sample:
    return Sample.model_validate(
        {
            "apiVersion": "mlstack/v1alpha1",
            "kind": "Sample",
            "metadata": {"name": name, "summary": "s"},
            "spec": {"extends": spec.pop("extends")} | spec if "extends" in spec else {"object": OBJECT} | spec,
        }
    )


def param(default: int) -> dict[str, Any]:
    return {"type": "integer", "default": default, "doc": "d"}


def test_a_variant_has_what_the_other_says_but_for_what_it_says_itself() -> None:
    base = sample("base", params={"n": param(1), "m": param(2)}, results={"r": "log:r"}, requires=["a"])
    _, found = extended([base, sample("more", extends="base", params={"n": param(5)}, requires=["b"])])
    assert found.metadata.name == "more"
    assert found.spec.object == {**OBJECT, "metadata": {"generateName": "more-", "namespace": "ml"}}
    assert {name: one.default for name, one in found.spec.params.items()} == {"n": 5, "m": 2}
    assert (found.spec.results, found.spec.requires) == ({"r": "log:r"}, ["a", "b"])


@pytest.mark.parametrize("name", ["nothing", "second", "first"])
def test_only_one_with_an_object_can_be_extended(name: str) -> None:
    samples = [sample("base"), sample("second", extends="base"), sample("first", extends=name)]
    with pytest.raises(ValueError, match=f"sample first extends {name}"):
        extended(samples)


def test_a_sample_has_an_object_or_another_samples() -> None:
    with pytest.raises(ValidationError, match="of its own"):
        sample("both", extends="base", object=OBJECT)
    with pytest.raises(ValidationError, match="of its own"):
        sample("none", object={})


def chosen(name: str, provides: list[str], *samples: Sample) -> Chosen:
    document = Stack.model_validate(
        {
            "apiVersion": "mlstack/v1alpha1",
            "kind": "Stack",
            "metadata": {
                "name": name,
                "version": "1.0.0",
                "summary": "s",
                "license": "MIT",
                "homepage": "https://x.example",
            },
            "spec": {
                "kubernetes": ">=1.30",
                "namespace": name,
                "provides": provides,
                "manifests": [],
                "budget": {"cpu": "1m", "memory": "1Mi"},
            },
        }
    )
    return Chosen(Entry(document=document, directory="", templates={}, patches=(), samples=samples), {})


def test_a_sample_is_offered_where_what_it_needs_is_there() -> None:
    own = chosen("tuner", [], sample("plain"), sample("both", requires=["training", "tuner"]))
    assert list(samples_of(Selection("r", "p", "1", (own,)))) == ["plain"]
    trainer = chosen("trainer", ["training"])
    assert list(samples_of(Selection("r", "p", "1", (trainer, own)))) == ["plain", "both"]


def test_a_sample_stands_on_its_stack_on_what_it_asks_for_and_on_what_these_require() -> None:
    disk, other = chosen("disk", ["volumes"]), chosen("other", [])
    store = replace(chosen("store", ["objects"]), requires=("disk",))
    trainer = replace(chosen("trainer", ["training"]), requires=("store",))
    own = chosen("tuner", [], sample("plain"), sample("both", requires=["training"]))
    selection = Selection("r", "p", "1", (disk, other, store, trainer, own))
    assert stands_on(selection, *find_sample(selection, "plain")) == {"tuner"}
    assert stands_on(selection, *find_sample(selection, "both")) == {"tuner", "trainer", "store", "disk"}
