"""An InferenceService as the rest reads it: its predictors, their Services and shares of the traffic. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

PODS = "serving.kserve.io/inferenceservice"
"""Label of a model's pods: the name of its InferenceService."""
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
"""Annotation of a model's pods: where the model came from."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """One version that is served. service: of Kubernetes; source: the model's URI, empty where the image holds it;

    share: percent of the requests, once it is ready.
    """

    service: str
    source: str
    share: int
    ready: bool


def name_of(service: Mapping[str, Any]) -> str:
    """``InferenceService/namespace/name``."""
    metadata = service["metadata"]
    return f"InferenceService/{metadata['namespace']}/{metadata['name']}"


def condition(service: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A condition of the status; empty where there is none."""
    found = (service.get("status") or {}).get("conditions") or ()
    return next((one for one in found if one.get("type") == kind), {})


def holds(service: Mapping[str, Any], kind: str) -> bool:
    """Whether a condition is true."""
    return condition(service, kind).get("status") == "True"


def is_serverless(service: Mapping[str, Any]) -> bool:
    """Whether it runs as a Knative Service."""
    chosen = (service["metadata"].get("annotations") or {}).get("serving.kserve.io/deploymentMode", "")
    mode = (service.get("status") or {}).get("deploymentMode") or chosen
    return mode in ("Knative", "Serverless")


def predictors(service: Mapping[str, Any]) -> tuple[Predictor, ...]:
    """The stable version first, then its canaries. What canaries that are not ready would get is the stable one's."""
    spec = service["spec"]
    canaries = tuple(_canaries(service))
    rest = 100 - sum(one.share for one in canaries if one.ready)
    own = spec["predictor"]
    stable = Predictor(_service_name(service, own), _source(own), rest, _is_served(service))
    return stable, *canaries


def _canaries(service: Mapping[str, Any]) -> Iterator[Predictor]:
    states = {one["name"]: one for one in (service.get("status") or {}).get("canaryStatuses") or ()}
    stable = service["spec"]["predictor"]
    for canary in service["spec"].get("canary") or ():
        own = canary["predictor"]
        ready = bool(states.get(own["name"], {}).get("ready"))
        # fields that a canary leaves out are the stable version's
        yield Predictor(
            _service_name(service, own), _source(own) or _source(stable), int(canary.get("trafficPercent") or 0), ready
        )


def entry(service: Mapping[str, Any]) -> str:
    """The Service that is asked first where there is more than a predictor: the transformer's; else empty."""
    return f"{service['metadata']['name']}-transformer" if service["spec"].get("transformer") else ""


def _service_name(service: Mapping[str, Any], predictor: Mapping[str, Any]) -> str:
    parts = [service["metadata"]["name"], predictor.get("name") or "", "predictor"]
    return "-".join(part for part in parts if part)


def _source(predictor: Mapping[str, Any]) -> str:
    """The model's URI, of ``model`` or of one of the older fields that are named by the format."""
    for value in [predictor.get("model"), *predictor.values()]:
        if isinstance(value, Mapping) and value.get("storageUri"):
            return str(value["storageUri"])
    return ""


def _is_served(service: Mapping[str, Any]) -> bool:
    """Whether some pod answers. A new version that cannot be loaded takes the condition away while the old one still serves."""
    if entry(service) and not holds(service, "TransformerReady"):
        return False
    states = ((service.get("status") or {}).get("modelStatus") or {}).get("states") or {}
    return holds(service, "PredictorReady") or states.get("activeModelState") == "Loaded"
