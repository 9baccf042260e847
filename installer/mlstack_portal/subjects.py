"""What a run is as an object of the cluster: its kind, how its state is read, and which sample it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from mlstack.core.model import Object
from mlstack.core.pipelinerequests import sample_of_name
from mlstack.core.pipelinerun import ANNOTATION_NAME, LABEL_RUN
from mlstack.core.sample import LABEL_SAMPLE
from mlstack.core.samplekind import SampleState
from mlstack.core.samplestates import PipelineState, ResourceState, WorkflowState, is_pipeline
from mlstack_portal.cluster import WORKFLOW, Kind
from mlstack_portal.offer import Offer, SampleOffer


@dataclass(frozen=True, slots=True)
class Subject:
    """How one run is read. sample: None for a run of something else; pipeline: the id of a pipeline's run, else empty."""

    kind: Kind
    state: SampleState
    sample: SampleOffer | None
    pipeline: str = ""

    @property
    def wanted(self) -> Mapping[str, str]:
        """The results that the sample names."""
        return self.sample.sample.spec.results if self.sample else {}


def kind_of(offer: SampleOffer) -> Kind:
    """The kind of a sample's object, which is a workflow unless the sample says how else it is followed."""
    spec = offer.sample.spec
    if spec.follow is None:
        return WORKFLOW
    return Kind(spec.object["apiVersion"], spec.object["kind"], spec.follow.resource)


def kinds(offer: Offer) -> list[Kind]:
    """All kinds of runs that there are here, workflows first. The portal reads no others."""
    return list(dict.fromkeys([WORKFLOW, *map(kind_of, offer.samples.values())]))


def kind_named(offer: Offer, plural: str) -> Kind | None:
    """The kind that is called so in paths."""
    return next((kind for kind in kinds(offer) if kind.plural == plural), None)


def subject_of(offer: Offer, kind: Kind, obj: Object) -> Subject:
    """How an object of one of ``kinds`` is read."""
    labels = obj["metadata"].get("labels") or {}
    if kind == WORKFLOW and is_pipeline(obj):
        name = str((obj["metadata"].get("annotations") or {}).get(ANNOTATION_NAME) or "")
        found = offer.samples.get(sample_of_name(name))
        sample = found if found and found.sample.spec.runner == "pipeline" else None
        return Subject(kind, PipelineState(), sample, labels[LABEL_RUN])
    found = offer.samples.get(labels.get(LABEL_SAMPLE, ""))
    sample = found if found and found.sample.spec.runner != "pipeline" and kind_of(found) == kind else None
    if kind == WORKFLOW:
        return Subject(kind, WorkflowState(), sample)
    # one of a sample that is no longer offered is read as others of its kind are
    follow = (sample or next(one for one in offer.samples.values() if kind_of(one) == kind)).sample.spec.follow
    assert follow is not None, "the kinds that are no workflows come from samples that say it"  # noqa: S101
    return Subject(kind, ResourceState(follow), sample)


def run_path(kind: Kind, namespace: str, name: str) -> str:
    """The path of a run's page; of workflows the kind is not named."""
    place = [namespace, name] if kind == WORKFLOW else [namespace, kind.plural, name]
    return "/runs/" + "/".join(quote(part, safe="") for part in place)
