"""The reviewed output of a stack: own objects in full, of upstream objects only kind, name and hash. Adapters write it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import yaml

from mlstack.core.context import ExternalFacts, RenderFacts
from mlstack.core.kinds import cluster_kinds
from mlstack.core.model import Object, ResourceId
from mlstack.core.people import Member, People, Profile, User
from mlstack.core.render import Renderer
from mlstack.core.resolve import Chosen, Selection
from mlstack.core.routes import with_platform
from mlstack.core.sample import fill_sample, stack_context

_ANN = User("ann", "ann@golden.localhost")
GOLDEN_FACTS = RenderFacts(
    instance="golden",
    external=ExternalFacts("golden.localhost", 8443),
    people=People(
        users=(_ANN,),
        profiles=(
            Profile("ann", _ANN.email, (Member("bob@example.org", "edit"), Member("readers", "view", group=True))),
        ),
        removed=(Profile("old", _ANN.email, removed=True),),
    ),
)
"""What golden output is rendered for: a kind cluster named ``golden``, without a proxy, with a profile that is shared and one
that was removed."""


def golden_files(renderer: Renderer, selection: Selection, name: str) -> dict[str, str]:
    """File name -> text of one stack's golden output, with the defaults of every parameter of the selection.

    ``objects.STACK.PARAM-VALUE.yaml`` holds what is new or other at a value that some stack lists in its ``golden``.
    """
    selection = replace(selection, stacks=tuple(map(_without_contents, selection.stacks)))
    facts = with_platform(selection, GOLDEN_FACTS)
    chosen = selection.named(name)
    own, upstream = _split(renderer, selection, name)
    files = {"objects.yaml": dump(own)}
    for variant, varied in _variants(selection):
        other = [obj for obj in _split(renderer, varied, name)[0] if obj not in own]
        if other:
            files[f"objects.{variant}.yaml"] = dump(other)
    if upstream:
        files["upstream.txt"] = "".join(f"{_line(obj)}\n" for obj in upstream)
    if chosen.entry.samples:
        context = stack_context(selection, chosen, facts)
        samples = [
            fill_sample(sample, context, {key: param.default for key, param in sample.spec.params.items()})
            for sample in chosen.entry.samples
        ]
        files["samples.yaml"] = dump(samples)
    return files


def _split(renderer: Renderer, selection: Selection, name: str) -> tuple[list[Object], list[Object]]:
    """(own, upstream) objects of one stack of the selection."""
    facts = with_platform(selection, GOLDEN_FACTS)
    rendered = renderer.render(selection, facts)
    exports = {one.name: one.exports for one in rendered}
    without = cluster_kinds([obj for one in rendered for obj in one.objects])
    return renderer.split(selection.named(name), facts, exports, without)


def _variants(selection: Selection) -> Iterator[tuple[str, Selection]]:
    """The selection at each value that a stack lists in its ``golden``, under the name ``STACK.PARAM-VALUE``."""
    for place, chosen in enumerate(selection.stacks):
        for name, values in chosen.entry.document.spec.golden.items():
            for value in values:
                varied = replace(chosen, values={**chosen.values, name: value})
                stacks = (*selection.stacks[:place], varied, *selection.stacks[place + 1 :])
                yield f"{chosen.entry.name}.{name}-{value}", replace(selection, stacks=stacks)


def _without_contents(chosen: Chosen) -> Chosen:
    """The stack without hashes of own packages in its images' references, which would make every change of code a change of the
    reviewed output. They go before anything is rendered, since what is rendered is hashed in turn (``mlstack.dev/config``)."""
    entry = chosen.entry
    masked = {
        image.ref: f"{image.ref[: image.ref.rfind('-') + 1]}content"
        for image in entry.document.spec.images
        if image.build and image.build.packages
    }
    images = [one.model_copy(update={"ref": masked.get(one.ref, one.ref)}) for one in entry.document.spec.images]
    spec = entry.document.spec.model_copy(update={"images": images})
    samples = tuple(
        one.model_copy(
            update={
                "spec": one.spec.model_copy(
                    update={"image_refs": [masked.get(ref, ref) for ref in one.spec.image_refs]}
                )
            }
        )
        for one in entry.samples
    )
    return replace(
        chosen, entry=replace(entry, document=entry.document.model_copy(update={"spec": spec}), samples=samples)
    )


def dump(objects: Sequence[Mapping[str, Any]]) -> str:
    """Objects as YAML for people: keys in their order, text of several lines as blocks."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=140, allow_unicode=True, explicit_start=True)


def object_hash(obj: Object) -> str:
    """Hash of an object, the same for every order of its keys."""
    return sha256(json.dumps(obj, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class _Dumper(yaml.SafeDumper):
    """Writes no aliases: golden output is read and compared by people."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the base class names it
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _line(obj: Object) -> str:
    return f"{ResourceId.of(obj)} sha256:{object_hash(obj)}"
