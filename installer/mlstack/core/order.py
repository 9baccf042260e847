"""Which object must be there, or be ready, before which: a phase table by kind and edges found in the objects themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import Object, ResourceId
from mlstack.core.podspec import WORKLOAD_KINDS, images_of, pod_labels, pod_template, references

PHASES: tuple[frozenset[str], ...] = (
    frozenset({"Namespace"}),
    frozenset({"CustomResourceDefinition", "PriorityClass", "RuntimeClass", "StorageClass", "IngressClass"}),
    frozenset({"ServiceAccount", "ResourceQuota", "LimitRange"}),
    frozenset({"ClusterRole", "Role", "PersistentVolume"}),
    frozenset({"ClusterRoleBinding", "RoleBinding"}),
    frozenset({"ConfigMap", "Secret", "PersistentVolumeClaim", "NetworkPolicy"}),
    frozenset({"Service", "Endpoints", "EndpointSlice"}),
    WORKLOAD_KINDS,
    frozenset({"PodDisruptionBudget", "HorizontalPodAutoscaler", "APIService", "Ingress"}),
    frozenset(
        {
            "MutatingAdmissionPolicy",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingWebhookConfiguration",
        }
    ),
)
CUSTOM_PHASE = len(PHASES)
"""Custom resources come last: their definition and its webhooks are edges."""


def phase(kind: str) -> int:
    """The phase of a kind; unknown kinds are custom resources, which come last. Deleting goes in reverse."""
    return next((number for number, kinds in enumerate(PHASES) if kind in kinds), CUSTOM_PHASE)


@dataclass(frozen=True, slots=True)
class Edge:
    """``of`` must be applied (ready false) or ready (ready true) first."""

    of: ResourceId
    ready: bool = False


@dataclass(slots=True)
class _Index:
    """What is looked up while edges are found."""

    by_name: dict[tuple[str, str, str], ResourceId] = field(default_factory=dict)
    crds: dict[tuple[str, str], ResourceId] = field(default_factory=dict)
    plurals: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    bindings: dict[tuple[str, str], list[ResourceId]] = field(default_factory=dict)
    services: dict[str, list[ResourceId]] = field(default_factory=dict)
    workloads: dict[str, list[tuple[ResourceId, Mapping[str, str]]]] = field(default_factory=dict)
    backends: dict[ResourceId, set[ResourceId]] = field(default_factory=dict)
    guards: dict[tuple[str, str], set[ResourceId]] = field(default_factory=dict)


def find_edges(objects: Sequence[Object]) -> dict[ResourceId, frozenset[Edge]]:
    """The edges among the objects of all stacks. An object refers only to objects in the list; others are taken as given."""
    ids = [ResourceId.of(obj) for obj in objects]
    index = _index(objects, ids)
    return {
        rid: frozenset(edge for edge in _edges(obj, rid, index) if edge.of != rid)
        for obj, rid in zip(objects, ids, strict=True)
    }


def _index(objects: Sequence[Object], ids: Sequence[ResourceId]) -> _Index:
    index = _Index()
    for obj, rid in zip(objects, ids, strict=True):
        index.by_name[(rid.kind, rid.namespace, rid.name)] = rid
        _index_one(obj, rid, index)
    for obj, rid in zip(objects, ids, strict=True):
        if rid.kind == "Service":
            index.backends[rid] = set(_behind(obj, rid, index))
        for key in _guarded(obj, index):
            index.guards.setdefault(key, set()).add(rid)
    return index


def _index_one(obj: Object, rid: ResourceId, index: _Index) -> None:
    if rid.kind == "CustomResourceDefinition":
        names, group = obj["spec"]["names"], obj["spec"]["group"]
        index.crds[(group, names["kind"])] = rid
        index.plurals[(group, names["plural"])] = (group, names["kind"])
    elif rid.kind in ("ClusterRoleBinding", "RoleBinding"):
        for subject in obj.get("subjects") or ():
            if subject.get("kind") == "ServiceAccount":
                key = (subject.get("namespace", rid.namespace), subject["name"])
                index.bindings.setdefault(key, []).append(rid)
    elif rid.kind == "Service":
        index.services.setdefault(rid.namespace, []).append(rid)
    elif rid.kind in WORKLOAD_KINDS:
        index.workloads.setdefault(rid.namespace, []).append((rid, pod_labels(obj)))


def _behind(service: Object, rid: ResourceId, index: _Index) -> Iterator[ResourceId]:
    selector = (service.get("spec") or {}).get("selector") or {}
    if selector:
        for workload, labels in index.workloads.get(rid.namespace, ()):
            if selector.items() <= labels.items():
                yield workload


def _guarded(obj: Object, index: _Index) -> Iterator[tuple[str, str]]:
    """Custom kinds whose requests a webhook configuration intercepts. Built-in kinds are left to the order of stacks."""
    for hook in _webhooks(obj):
        for rule in hook.get("rules") or ():
            groups, plurals = rule.get("apiGroups") or (), {name.split("/")[0] for name in rule.get("resources") or ()}
            for (group, plural), key in index.plurals.items():
                if (group in groups or "*" in groups) and (plural in plurals or "*" in plurals):
                    yield key


def _webhooks(obj: Object) -> Sequence[Mapping[str, Any]]:
    if obj["kind"] in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        return obj.get("webhooks") or ()
    return ()


def _edges(obj: Object, rid: ResourceId, index: _Index) -> Iterator[Edge]:
    if rid.namespace:
        yield from _named(index, ("Namespace", "", rid.namespace))
    crd = index.crds.get((rid.group, rid.kind))
    if crd is not None:
        yield Edge(crd, ready=True)
        yield from _custom(rid, index)
    if rid.kind in ("ClusterRoleBinding", "RoleBinding"):
        yield from _binding(obj, rid, index)
    elif rid.kind in ("APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        yield from _services_used(obj, index)
    elif rid.kind == "PersistentVolumeClaim":
        yield from _named(index, ("StorageClass", "", str(obj.get("spec", {}).get("storageClassName") or "")))
    elif rid.kind in WORKLOAD_KINDS:
        yield from _workload(obj, rid, index)


def _named(index: _Index, key: tuple[str, str, str]) -> Iterator[Edge]:
    found = index.by_name.get(key)
    if found is not None:
        yield Edge(found)


def _custom(rid: ResourceId, index: _Index) -> Iterator[Edge]:
    """A custom resource comes after the webhooks that guard its kind, and those are useless before their servers run."""
    for guard in index.guards.get((rid.group, rid.kind), ()):
        yield Edge(guard)


def _binding(obj: Object, rid: ResourceId, index: _Index) -> Iterator[Edge]:
    role = obj.get("roleRef") or {}
    yield from _named(
        index, (role.get("kind", ""), "" if role.get("kind") == "ClusterRole" else rid.namespace, role.get("name", ""))
    )


def _services_used(obj: Object, index: _Index) -> Iterator[Edge]:
    """A webhook configuration or an APIService waits for the workloads behind its Service: before, it would fail requests."""
    clients = (
        [hook.get("clientConfig") or {} for hook in _webhooks(obj)] if "webhooks" in obj else [obj.get("spec") or {}]
    )
    for client in clients:
        service = client.get("service") or {}
        found = index.by_name.get(("Service", service.get("namespace", ""), service.get("name", "")))
        if found is not None:
            yield Edge(found)
            for workload in index.backends.get(found, ()):
                yield Edge(workload, ready=True)


def _workload(obj: Object, rid: ResourceId, index: _Index) -> Iterator[Edge]:
    spec = (pod_template(obj) or {}).get("spec") or {}
    for kind, name in references(obj):
        yield from _named(
            index, (kind, "" if kind in ("PriorityClass", "RuntimeClass", "StorageClass") else rid.namespace, name)
        )
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    for binding in index.bindings.get((rid.namespace, account), ()):
        yield Edge(binding)
    if spec.get("enableServiceLinks", True):
        # A container sees a Service in its environment only when the Service is older than the pod.
        for service in index.services.get(rid.namespace, ()):
            yield Edge(service)


def images_used(objects: Iterable[Object]) -> dict[str, list[ResourceId]]:
    """Image reference -> the workloads that run it."""
    used: dict[str, list[ResourceId]] = {}
    for obj in objects:
        for image in images_of(obj):
            used.setdefault(image, []).append(ResourceId.of(obj))
    return used


def sorted_ids(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The ids in a dependency order; raises MlstackError plan.cycle with the whole path when there is none."""
    try:
        return list(TopologicalSorter({key: sorted(value) for key, value in needs.items()}).static_order())
    except CycleError as error:
        path = " -> ".join(reversed(error.args[1]))
        raise MlstackError(
            "plan.cycle",
            "These steps wait for each other, so none can begin",
            why=path,
            remedy="Take one of the references out of the stack's objects, or the 'requires' that closes the circle.",
            exit_code=ExitCode.USAGE,
        ) from None


def critical_path(needs: Mapping[str, Iterable[str]], seconds: Mapping[str, float]) -> dict[str, float]:
    """For each id the seconds from its start to the end of the run along the longest chain of those that depend on it."""
    users: dict[str, list[str]] = {key: [] for key in needs}
    for key, before in needs.items():
        for need in before:
            users[need].append(key)
    left: dict[str, float] = {}
    for key in reversed(sorted_ids(needs)):
        left[key] = seconds.get(key, 0.0) + max((left[user] for user in users[key]), default=0.0)
    return left
