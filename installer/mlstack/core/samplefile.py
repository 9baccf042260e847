"""The sample document: a workload a stack ships for its users to run."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mlstack.core.documentmodel import Strict
from mlstack.core.servicespec import DnsLabel
from mlstack.core.stackfile import Param, ParamName

_CONDITION = "^[A-Za-z0-9./_-]+(=(True|False|Unknown))?$"


class Follow(Strict):
    """How an object that its own controller works on is followed.

    succeeded, failed: the conditions that mean its end, ``TYPE`` or ``TYPE=STATUS`` (``True`` where none is said), or where
    ``state`` names the path of a field that tells its state, that field's values; ended, reason: paths of when it ended and why
    it failed, where ``state`` does; pods: selector of the pods whose log is shown, ``{name}`` stands for the object's; container:
    which of their containers; step: label of a pod that says which part of the whole it runs, where there is one; lines: pattern
    of the lines that are shown, of those its group; progress: how far it is, with paths of the object in braces, as in
    ``{status.done} of {spec.wanted} done``; resource: the kind's name in the API's paths, as in ``jobs``; plain: CEL over
    ``object``, all of which hold of an object that runs with no other rights than the sample's own. Whoever starts samples for
    others may make no other ones.
    """

    resource: str = Field(pattern="^[a-z][a-z0-9]*$")
    plain: list[str] = Field(min_length=1)
    succeeded: str = Field(default="Succeeded", pattern=_CONDITION)
    failed: str = Field(default="Failed", pattern=_CONDITION)
    state: str = ""
    ended: str = ""
    reason: str = ""
    pods: str
    container: str
    step: str = ""
    lines: str = ""
    progress: str = ""

    @field_validator("lines")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        try:
            groups = re.compile(value).groups
        except re.error as error:
            raise ValueError(f"no pattern: {error}") from error
        if value and groups != 1:
            raise ValueError("one group of the pattern says what is shown")
        return value


class SampleSpec(Strict):
    """A sample workload. object: the whole object; its string values hold ``${{ }}`` expressions of Jinja2 (workflow
    engines own ``{{ }}``) over params, images, namespace, capability, exports and instance. runner: how it is run, see
    ``core.samplekind``: ``workflow`` and ``resource`` create the object, which is a workflow or anything else that ``follow``
    says how to read, ``pipeline`` hands its ``spec.pipeline`` to the provider of capability ``pipelines``.
    """

    object: dict[str, Any] = {}
    extends: str = ""
    """Another sample of the stack, of which this one is a variant: it has its object, and what this one does not say."""
    requires: list[str] = []
    """Stacks or capabilities without which it cannot run, beside what its stack requires: it is not offered then."""
    params: dict[ParamName, Param] = {}
    runner: Literal["workflow", "resource", "pipeline"] = "workflow"
    follow: Follow | None = None
    image_refs: list[str] = []
    results: dict[str, str] = {}
    """result name -> where it is: ``outputs.parameters.<name>`` of the workflow, ``parameter:<step>/<name>`` or
    ``artifact:<step>/<name>``; of a pipeline also ``metric:<step>/<artifact>.<key>`` and ``count:cached``; of a resource
    ``object:<path>`` and ``log:<key>`` (of what its programs print as JSON)."""

    @model_validator(mode="after")
    def _followed(self) -> SampleSpec:
        if (self.runner == "resource") != (self.follow is not None):
            raise ValueError("`follow` goes with runner: resource, and that with it")
        if bool(self.object) == bool(self.extends):
            raise ValueError("a sample has an `object` of its own, or `extends` one that has")
        return self


class SampleMetadata(Strict):
    """A sample's name and one line about it. seconds: typical duration on two cores."""

    name: DnsLabel
    summary: str
    seconds: float = 60


class Sample(Strict):
    """A sample document."""

    api_version: Literal["mlstack/v1alpha1"]
    kind: Literal["Sample"]
    metadata: SampleMetadata
    spec: SampleSpec
