"""Why a model is not served: which object waits for what, and what to do. Pure: over the service, its pods and events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlstack_inference.model import Object, condition, name_of

FETCH = "storage-initializer"
"""The container that fetches a model before its server starts."""
_NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_NO_RUNTIME = {"NoSupportingRuntime", "RuntimeNotRecognized", "RuntimeDisabled"}


@dataclass(frozen=True, slots=True)
class Reason:
    """waits: the object that does; on: what it waits for; lasting: it stays so until somebody does something."""

    waits: str
    on: str
    why: str
    remedy: str
    lasting: bool = True

    def __str__(self) -> str:
        return f"{self.waits} waits for {self.on}: {self.why}. {self.remedy}"

    def answer(self) -> dict[str, Any]:
        """As a client gets it."""
        return {"error": f"{self.waits} waits for {self.on}", **asdict(self)}


def explain(service: Object, pods: Sequence[Object], events: Sequence[Object]) -> Reason:
    """The first reason that is found, from what the user wrote to what the cluster does."""
    finders = (
        _by_runtime(service),
        _by_pods(service, pods),
        _by_events(service, events),
        _by_conditions(service),
    )
    for finder in finders:
        for reason in finder:
            return reason
    return Reason(
        name_of(service), "the controller", "nothing has been said about it yet", "Wait a moment, and ask again.", False
    )


def _by_runtime(service: Object) -> Iterator[Reason]:
    status = (service.get("status") or {}).get("modelStatus") or {}
    failure = status.get("lastFailureInfo") or {}
    if status.get("transitionStatus") != "InvalidSpec":
        return
    model = service["spec"]["predictor"].get("model") or {}
    form, wanted = (model.get("modelFormat") or {}).get("name", ""), model.get("runtime", "")
    if failure.get("reason") in _NO_RUNTIME:
        on = f"ClusterServingRuntime {wanted}" if wanted else f"a ClusterServingRuntime for format '{form}'"
        remedy = (
            "Correct spec.predictor.model (modelFormat, protocolVersion, runtime);"
            " 'kubectl get clusterservingruntimes' lists what there is."
        )
    else:
        on, remedy = "a specification that can be served", "Correct the InferenceService."
    yield Reason(name_of(service), on, failure.get("message") or str(failure.get("reason") or "it is invalid"), remedy)


def _by_pods(service: Object, pods: Sequence[Object]) -> Iterator[Reason]:
    living = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    for pod in sorted(living, key=lambda one: str(one["metadata"].get("creationTimestamp", "")), reverse=True):
        if not _is_ready(pod):
            yield from _by_pod(service, pod)


def _is_ready(pod: Object) -> bool:
    return holds_of(pod, "Ready").get("status") == "True"


def holds_of(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A condition of a pod."""
    found = (pod.get("status") or {}).get("conditions") or ()
    return next((one for one in found if one.get("type") == kind), {})


def _by_pod(service: Object, pod: Object) -> Iterator[Reason]:
    waits = f"Pod/{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    status = pod.get("status") or {}
    placed = holds_of(pod, "PodScheduled")
    if placed.get("status") == "False":
        remedy = "Lower its requests (spec.predictor.model.resources), or free the node."
        yield Reason(waits, "a node with room", placed.get("message", ""), remedy)
    for one in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        yield from _by_container(service, waits, one)
    name = pod["metadata"]["name"]
    yield Reason(name_of(service), waits, f"pod {name} is starting", "Wait a moment, and ask again.", False)


def _by_container(service: Object, waits: str, status: Mapping[str, Any]) -> Iterator[Reason]:
    state, waiting = status.get("state") or {}, (status.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") in _NO_IMAGE:
        why = waiting.get("message") or str(waiting["reason"])
        yield Reason(waits, f"image {status.get('image', '')}", why, "Correct the image's name, or make it available.")
    if waiting.get("reason") == "CreateContainerConfigError":
        why = waiting.get("message") or "its configuration cannot be read"
        yield Reason(waits, "a Secret or ConfigMap", why, "Make it, or correct the name.")
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    if ended and ended.get("exitCode"):
        yield _ended(service, waits, status["name"], ended)


def _ended(service: Object, waits: str, container: str, ended: Mapping[str, Any]) -> Reason:
    last = (str(ended.get("message") or "").strip().splitlines() or [""])[-1]
    why = last or f"container {container} ended with {ended.get('exitCode')} ({ended.get('reason', '')})"
    _, namespace, pod = waits.split("/")
    logs = f"kubectl -n {namespace} logs {pod} -c {container} --previous"
    if container == FETCH:
        source = _source(service)
        key = "the key to the store is that of its service account (model-reader)"
        remedy = f"Correct storageUri ({source}), or put the model there; {key}. {logs}"
        return Reason(waits, "its model", why, remedy)
    if ended.get("reason") == "OOMKilled":
        remedy = "Raise spec.predictor.model.resources.limits.memory."
        return Reason(waits, "memory", f"container {container} used more than its limit", remedy)
    return Reason(waits, f"container {container}", why, f"Its log says more: {logs}")


def _source(service: Object) -> str:
    model = service["spec"]["predictor"].get("model") or {}
    return str(model.get("storageUri") or "of the model")


def _by_events(service: Object, events: Sequence[Object]) -> Iterator[Reason]:
    """What kept pods from being made, or the controller from trying: newest first."""
    name = service["metadata"]["name"]
    for event in sorted(events, key=_when, reverse=True):
        about, message = event.get("involvedObject") or {}, str(event.get("message") or "")
        if event.get("reason") == "FailedCreate" and str(about.get("name", "")).startswith(f"{name}-"):
            waits = f"{about.get('kind')}/{about.get('namespace')}/{about.get('name')}"
            if "exceeded quota" in message:
                remedy = "Lower what it requests, delete what is not needed, or raise the profile's quota."
                yield Reason(waits, "room in the quota", message, remedy)
            yield Reason(waits, "a pod that may be made", message, "Correct what the message names.")
        if event.get("type") == "Warning" and (about.get("kind"), about.get("name")) == ("InferenceService", name):
            remedy = "Correct the InferenceService; the message says what the controller could not do."
            # said once it may be what passes, or what the status, which is written after it, says better
            yield Reason(name_of(service), "the controller", message, remedy, _times(event) > 1)


def _times(event: Object) -> int:
    """How often an event was said."""
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _by_conditions(service: Object) -> Iterator[Reason]:
    for kind in ("PredictorReady", "TransformerReady", "Ready"):
        found = condition(service, kind)
        if found.get("status") == "False" and (found.get("message") or found.get("reason")):
            why = str(found.get("message") or found["reason"])
            yield Reason(name_of(service), kind, why, "Correct what the message names.", False)


def unknown(namespace: str, name: str, known: Sequence[str]) -> Reason:
    """For a name that no model has."""
    there = f"There is {', '.join(sorted(known))}." if known else "The namespace has no models yet."
    return Reason(f"/serving/{namespace}/{name}/", f"InferenceService/{namespace}/{name}", "there is none", there)
