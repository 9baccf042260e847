"""The sum of requests as the scheduler counts them, and the check against a budget."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mlstack.core.budget import Requests, check_budget, quantity, requests_of
from mlstack.core.stackfile import Budget


def box(cpu: str, memory: str, **more):
    return {"name": "x", "resources": {"requests": {"cpu": cpu, "memory": memory}}, **more}


def workload(kind: str, *containers, init=(), **spec):
    template = {"spec": {"containers": list(containers), "initContainers": list(init)}}
    return {"kind": kind, "metadata": {"name": "w"}, "spec": {**spec, "template": template}}


@pytest.mark.parametrize(
    ("objects", "millis", "mebi"),
    [
        ([workload("Deployment", box("10m", "16Mi"), box("20m", "32Mi"))], 30, 48),
        ([workload("Deployment", box("10m", "16Mi"), replicas=3)], 30, 48),
        ([workload("Deployment", box("10m", "16Mi"), replicas=0)], 0, 0),
        ([workload("Deployment", box("10m", "16Mi"), init=[box("500m", "8Mi")])], 500, 16),
        ([workload("Deployment", box("10m", "16Mi"), init=[box("5m", "8Mi", restartPolicy="Always")])], 15, 24),
        ([workload("DaemonSet", box("10m", "16Mi"))], 20, 32),
        ([workload("Job", box("10m", "16Mi"), parallelism=3)], 10, 16),
        ([workload("Deployment", {"name": "x", "resources": {"limits": {"memory": "64Mi"}}})], 0, 64),
        ([workload("Deployment", {"name": "x"})], 0, 0),
        ([{"kind": "Service", "metadata": {"name": "s"}}], 0, 0),
    ],
)
def test_sums_requests(objects, millis: int, mebi: int) -> None:
    assert requests_of(objects, nodes=2) == Requests(Decimal(millis) / 1000, Decimal(mebi * 2**20))


def test_over_budget_names_both_sums() -> None:
    objects = [workload("Deployment", box("200m", "16Mi"))]
    error = check_budget("minio", objects, Budget(cpu="100m", memory="16Mi"))
    assert error is not None
    assert "cpu 200m, memory 16Mi" in error.what
    assert "cpu 100m" in error.what
    assert check_budget("minio", objects, Budget(cpu="0.2", memory="16Mi")) is None


@pytest.mark.parametrize("text", ["", "m", "1.2.3", "-1", "1e3", "1 Gi", "0x10", "Ki1", "1Kim"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantity(text)
