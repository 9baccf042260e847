"""The sample document: a workload a stack ships for its users to run."""

from __future__ import annotations

from typing import Any, Literal

from mlstack.core.documentmodel import Strict
from mlstack.core.servicespec import DnsLabel
from mlstack.core.stackfile import Param, ParamName


class SampleSpec(Strict):
    """A sample workload. object: the whole object; its string values hold ``${{ }}`` expressions of Jinja2 (workflow
    engines own ``{{ }}``) over params, images, namespace, capability, exports and instance. runner: how it is run, see
    ``core.samplekind``: ``workflow`` creates the object, ``pipeline`` hands its ``spec.pipeline`` to the provider of
    capability ``pipelines``.
    """

    object: dict[str, Any]
    params: dict[ParamName, Param] = {}
    runner: Literal["workflow", "pipeline"] = "workflow"
    image_refs: list[str] = []
    results: dict[str, str] = {}
    """result name -> where it is: ``outputs.parameters.<name>`` of the workflow, ``parameter:<step>/<name>`` or
    ``artifact:<step>/<name>``; of a pipeline also ``metric:<step>/<artifact>.<key>`` and ``count:cached``."""


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
