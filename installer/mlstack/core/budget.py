"""Resource quantities, the sum of what objects request, and the check against declared budgets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mlstack.core.errors import MlstackError
from mlstack.core.kinds import containers, pod_template
from mlstack.core.stackfile import Budget

_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}


@dataclass(frozen=True, slots=True)
class Requests:
    """Summed requests. cpu: cores; memory: bytes."""

    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)

    def __add__(self, other: Requests) -> Requests:
        return Requests(self.cpu + other.cpu, self.memory + other.memory)

    def most(self, other: Requests) -> Requests:
        """The larger of each resource."""
        return Requests(max(self.cpu, other.cpu), max(self.memory, other.memory))

    def times(self, count: int) -> Requests:
        """The requests of ``count`` equal pods."""
        return Requests(self.cpu * count, self.memory * count)

    def within(self, other: Requests) -> bool:
        """True when neither resource exceeds the other's."""
        return self.cpu <= other.cpu and self.memory <= other.memory

    def __str__(self) -> str:
        return f"cpu {int(self.cpu * 1000)}m, memory {int(self.memory / 2**20)}Mi"


def quantity(text: str | int | float) -> Decimal:
    """A Kubernetes quantity as a number (cores or bytes). Raises ValueError for anything else."""
    plain = str(text)
    number = plain.rstrip("mkMGTKi")
    unit = plain[len(number) :]
    if unit not in _UNITS or not number or number.strip("0123456789.") or number.count(".") > 1 or number == ".":
        raise ValueError(f"not a quantity: {text!r}")
    return Decimal(number) * _UNITS[unit]


def of_budget(budget: Budget) -> Requests:
    """A declared budget as numbers."""
    return Requests(quantity(budget.cpu), quantity(budget.memory))


def requests_of(objects: Iterable[Mapping[str, Any]], nodes: int = 1) -> Requests:
    """The sum over all workloads; a DaemonSet counts once a node, init containers as Kubernetes schedules them."""
    total = Requests()
    for obj in objects:
        template = pod_template(obj)
        if template is not None:
            total += _pod(template).times(_pods(obj, nodes))
    return total


def check_budget(stack: str, objects: Iterable[Mapping[str, Any]], budget: Budget) -> MlstackError | None:
    """An error when the objects of a stack request more than it declares."""
    asked, allowed = requests_of(objects), of_budget(budget)
    if asked.within(allowed):
        return None
    return MlstackError(
        "stack.over-budget",
        f"stack {stack} requests {asked}, more than its budget of {allowed}",
        remedy="lower the requests of its workloads or raise spec.budget (and the profile's budget)",
    )


def _pods(obj: Mapping[str, Any], nodes: int) -> int:
    if obj["kind"] == "DaemonSet":
        return nodes
    spec = obj.get("spec") or {}
    if obj["kind"] in ("Job", "CronJob", "Pod"):
        return 1
    return int(spec.get("replicas", 1))


def _pod(template: Mapping[str, Any]) -> Requests:
    main, init = Requests(), Requests()
    for group, container in containers(template):
        asked = _container(container)
        if group == "containers" or container.get("restartPolicy") == "Always":
            main += asked
        else:
            init = init.most(asked)
    return main.most(init)


def _container(container: Mapping[str, Any]) -> Requests:
    resources = container.get("resources") or {}
    # Kubernetes takes a limit as the request where only the limit is given
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return Requests(quantity(asked.get("cpu", 0)), quantity(asked.get("memory", 0)))
