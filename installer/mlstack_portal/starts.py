"""Starts a sample for a user: asks the cluster whether the user may, then makes what the sample's runner says."""

from __future__ import annotations

from mlstack.core.model import Object
from mlstack.core.pipelinerun import LABEL_RUN
from mlstack_portal.cluster import REVIEW, WORKFLOW, Cluster, ClusterError, Kind
from mlstack_portal.offer import Offer, SampleOffer
from mlstack_portal.pipelines import Pipelines, PipelinesError
from mlstack_portal.subjects import kind_of, run_path
from mlstack_portal.who import User

PIPELINE_RUN = Kind("pipelines.kubeflow.org/v2beta1", "Run", "runs")
"""No object of the cluster: a name of rights, by which the server of pipelines asks, too."""
_HOOKS = ("denied the request", "denied request", "exceeded quota")
"""What the API server says with status 403 of an object that it could not take from anybody."""


class Refused(Exception):
    """It was not started, and what was asked for is why. message: for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


async def may(cluster: Cluster, user: User, kind: Kind, namespace: str) -> bool:
    """Whether the user's own rights in the cluster allow to create such objects there. Raises ClusterError."""
    group = kind.group.partition("/")[0] if "/" in kind.group else ""
    attributes = {"verb": "create", "group": group, "resource": kind.plural, "namespace": namespace}
    spec = {"user": user.name, "groups": list(user.groups), "resourceAttributes": attributes}
    answer = await cluster.create(REVIEW, "", {"apiVersion": REVIEW.group, "kind": REVIEW.name, "spec": spec})
    return bool((answer.get("status") or {}).get("allowed"))


async def start(
    cluster: Cluster, pipelines: Pipelines, offer: Offer, sample: SampleOffer, obj: Object, user: User
) -> str:
    """Starts a sample's filled-in object in its namespace; gives the path of its run's page.

    Where nobody has rights of their own, that is in the namespace of runs of no profile, ``profiles.Reach`` has decided.
    Raises Refused, ClusterError, PipelinesError.
    """
    namespace, pipeline = obj["metadata"]["namespace"], sample.sample.spec.runner == "pipeline"
    kind = PIPELINE_RUN if pipeline else kind_of(sample)
    if namespace != offer.namespace and not await may(cluster, user, kind, namespace):
        raise Refused(f"Your role in {namespace} does not let you create {kind.plural}.")
    return await (_run(cluster, pipelines, offer, obj) if pipeline else _object(cluster, kind, obj))


async def _object(cluster: Cluster, kind: Kind, obj: Object) -> str:
    namespace = obj["metadata"]["namespace"]
    try:
        made = await cluster.create(kind, namespace, obj)
    except ClusterError as error:
        wrong = error.status in (400, 409, 422) or (error.status == 403 and any(one in error.message for one in _HOOKS))
        if not wrong:
            raise
        raise Refused(f"The cluster refused the {kind.name}: {error.message}") from error
    return run_path(kind, namespace, made["metadata"]["name"])


async def _run(cluster: Cluster, pipelines: Pipelines, offer: Offer, obj: Object) -> str:
    assert offer.pipelines is not None, "samples of pipelines are offered only where something runs them"  # noqa: S101
    namespace = obj["metadata"]["namespace"]
    try:
        run = await pipelines.submit(offer.pipelines, obj)
    except PipelinesError as error:
        if not error.refused:
            raise
        raise Refused(f"Kubeflow Pipelines refused the run: {error.message}") from error
    flows = await cluster.objects(WORKFLOW, namespace, selector=f"{LABEL_RUN}={run}", metadata_only=True)
    return run_path(WORKFLOW, namespace, flows[0]["metadata"]["name"]) if flows else "/runs"
