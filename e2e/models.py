"""Models of profiles: put into their buckets, served, asked through the gateway."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import kubernetes
from kubernetes.client.exceptions import ApiException

from e2e.browser import Browser
from e2e.platform import Platform, until
from e2e.tenants import ask_model, needs

API = ("serving.kserve.io", "v1beta1")
SCALE = b"""
class Scale:
    features = 2
    def predict(self, rows):
        return rows.sum(axis=1) * FACTOR
def load(directory):
    return Scale()
"""
"""A model whose answer is FACTOR times the sum of a row; the word is to be replaced."""


@contextmanager
def two_profiles_with_models(platform: Platform) -> Iterator[tuple[str, str]]:
    """Two profiles of different owners, on a platform that serves models; they go afterwards, with their models."""
    needs(platform, "profile serving has it", "model-serving", "profiles", "login")
    names = tuple(f"e2e-{word}-{secrets.token_hex(2)}" for word in ("ask", "bar"))
    for name in names:
        platform.cli("profiles", "add", name, "--owner", f"{name}@example.org")
    yield names[0], names[1]
    for name in names:
        removed = platform.cli("profiles", "remove", name, "--purge", "--yes", check=False)
        assert removed.code == 0, f"a profile with models cannot be removed: {removed.err}"


def put(platform: Platform, profile: str, path: str, content: bytes) -> str:
    """Puts a file into the profile's bucket with the profile's own key; gives the directory's URI."""
    values = platform.credential(f"profile-{profile}")
    store = platform.minio(access_key=values["accesskey"], secret_key=values["secretkey"])
    store.put_object(f"profile-{profile}", path, io.BytesIO(content), len(content))
    return f"s3://profile-{profile}/{path.rpartition('/')[0]}"


def predictor(uri: str, form: str = "python", **more: Any) -> dict[str, Any]:
    model = {"modelFormat": {"name": form}, "storageUri": uri}
    return {"serviceAccountName": "model-reader", "model": model, **more}


def serve(
    custom: kubernetes.client.CustomObjectsApi,
    space: str,
    name: str,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> None:
    """Makes an InferenceService, or replaces the specification of one that is there."""
    metadata = {"name": name, "annotations": annotations or {}}
    body = {"apiVersion": "/".join(API), "kind": "InferenceService", "metadata": metadata, "spec": spec}
    try:
        custom.create_namespaced_custom_object(*API, space, "inferenceservices", body)
    except ApiException as error:
        if error.status != 409:
            raise
        # its controller writes into it as well
        change = [{"op": "replace", "path": "/spec", "value": spec}]
        kind = "application/json-patch+json"
        custom.patch_namespaced_custom_object(*API, space, "inferenceservices", name, change, _content_type=kind)


def answers(browser: Browser, space: str, name: str, bearer: str, body: Any) -> httpx.Response:
    """The first good answer of a model that is on its way."""
    last: list[httpx.Response] = []

    def good() -> httpx.Response | None:
        last[:] = [ask_model(browser, f"/serving/{space}/{name}/v1/models/{name}:predict", bearer, body)]
        return last[0] if last[0].status_code == 200 else None

    try:
        return until(good, 180)
    except AssertionError as error:
        raise AssertionError(f"{error}: {last[0].status_code} {last[0].text}") from None
