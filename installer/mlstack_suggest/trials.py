"""Marks a trial in the cluster, with the account that Katib gives to the search of an experiment."""

from __future__ import annotations

import json
import os
import ssl
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECONDS = 60.0


def stopped_early(now: datetime) -> dict[str, str]:
    """The condition that Katib's controller looks for. now: with a time zone."""
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "EarlyStopped",
        "status": "True",
        "reason": "TrialEarlyStopped",
        "message": "Trial is early stopped",
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
    }


def _changes(metrics: list[dict[str, str]]) -> list[dict[str, Any]]:
    # the condition is added at the end, whatever the controller wrote meanwhile
    condition = {"op": "add", "path": "/status/conditions/-", "value": stopped_early(datetime.now(UTC))}
    seen = {"op": "add", "path": "/status/observation", "value": {"metrics": metrics}}
    return [seen, condition] if metrics else [condition]


def mark_stopped(trial: str, metrics: list[dict[str, str]], account: Path = ACCOUNT, server: str = "") -> None:
    """Adds the condition and what was observed to the trial's status. Raises OSError where the API server refuses or does
    not answer.

    metrics: each with name, latest, min and max, none where nothing is known; account: the directory of the pod's token;
    server: the API server's address, the pod's own where it is empty.
    """
    base = server or f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    space = (account / "namespace").read_text().strip()
    request = urllib.request.Request(  # noqa: S310  (the address is the cluster's)
        f"{base}/apis/kubeflow.org/v1beta1/namespaces/{space}/trials/{trial}/status",
        data=json.dumps(_changes(metrics)).encode(),
        headers={
            "Authorization": f"Bearer {(account / 'token').read_text().strip()}",
            "Content-Type": "application/json-patch+json",
        },
        method="PATCH",
    )
    trust = ssl.create_default_context(cafile=str(account / "ca.crt")) if base.startswith("https:") else None
    with urllib.request.urlopen(request, timeout=SECONDS, context=trust) as answer:  # noqa: S310
        answer.read()
