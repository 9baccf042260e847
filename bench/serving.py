"""Models and services: how long until a model answers, what one prediction takes at the gateway, a start from no pod.

Requests are sent when they are due, whether or not earlier ones have been answered, and a delay counts from when one was due.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kubernetes

from bench.measure import Results, Row
from bench.samples import watched
from e2e.browser import Browser
from e2e.platform import Platform

RATE = 50
SECONDS = 60
WORKERS = 32
STARTS = 3
USER = "admin"
"""Whose profile the model is served in, and who asks: that user's tokens are of the profile of the same name."""
BODY = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
ANSWER = {"predictions": [0]}
SPACES = {"model-serving": "kserve", "serving": "knative-serving"}
"""Capability -> the namespace of the stack's pods."""
UNIT = {"Ki": 1 / 1024, "Mi": 1.0, "Gi": 1024.0}


def measure(instance: str) -> Results:
    """What the platform serves. Raises SystemExit when it serves no models."""
    results = Results("serving", "python -m bench serving")
    platform = Platform(instance)
    if not platform.provides("model-serving"):
        raise SystemExit("the platform serves no models: mlstack up --profile serving")
    for capability, space in SPACES.items():
        if platform.provides(capability):
            memory = _memory(platform, space)
            note = ", ".join(f"{name} {size:.0f}" for name, size in sorted(memory.items()))
            results.add(Row("", f"idle memory of {space}'s pods", f"{sum(memory.values()):.0f} MiB", note=note))
    served = watched(platform, "serve-iris", "--profile", USER).results
    note = "from the InferenceService to the first prediction, model fetched from object storage"
    results.add(Row("", "`serve-iris`: ready", f"{float(served['seconds']):.1f} s", note=note))
    for row in _predictions(platform, served["path"]):
        results.add(row)
    if platform.provides("serving"):
        zero = watched(platform, "serve-zero", "--param", f"starts={STARTS}").results
        note = f"slowest of {STARTS}; the next answer {float(zero['warm']) * 1000:.0f} ms"
        results.add(Row("", "`serve-zero`: first answer from no pod", f"{float(zero['cold']):.2f} s", note=note))
    return results


def _memory(platform: Platform, space: str) -> dict[str, float]:
    """MiB that each pod's containers use."""
    api = kubernetes.client.CustomObjectsApi(platform.api())
    found: dict[str, Any] = api.list_namespaced_custom_object("metrics.k8s.io", "v1beta1", space, "pods")  # type: ignore[assignment]
    return {
        pod["metadata"]["name"].rsplit("-", 2)[0]: sum(_mebibytes(one["usage"]["memory"]) for one in pod["containers"])
        for pod in found["items"]
    }


def _mebibytes(quantity: str) -> float:
    return float(quantity[:-2]) * UNIT[quantity[-2:]] if quantity[-2:] in UNIT else float(quantity) / 2**20


def _predictions(platform: Platform, path: str) -> Iterator[Row]:
    token = platform.cli("users", "token", USER, "--json").json()["token"]
    browser = Browser(*platform.door())
    headers = {"Authorization": f"Bearer {token}"}

    def ask(due: float) -> tuple[float, str]:
        time.sleep(max(0.0, due - time.perf_counter()))
        answer = browser.client.post(browser.url + path, json=BODY, headers=headers)
        good = answer.status_code == 200 and answer.json() == ANSWER
        return time.perf_counter() - due, "" if good else f"{answer.status_code} {answer.text[:200]}"

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(ask, [time.perf_counter()] * WORKERS))  # connections are made before it is measured
        start = time.perf_counter() + 0.5
        found = list(pool.map(ask, [start + number / RATE for number in range(RATE * SECONDS)]))
        took = time.perf_counter() - start
    if failed := [(number / RATE, why) for number, (_, why) in enumerate(found) if why]:
        raise SystemExit(f"{len(failed)} of {len(found)} predictions failed, the first after {failed[0]} s")
    cuts = statistics.quantiles([seconds * 1000 for seconds, _ in found], n=100)
    note = f"{len(found)} requests in {took:.0f} s, {WORKERS} connections, none failed; p90 {cuts[89]:.1f} ms"
    what = f"a prediction through the gateway at {RATE} a second, p50 / p99"
    yield Row("", what, f"{cuts[49]:.1f} / {cuts[98]:.1f} ms", note=note)
