"""Profiles that have nothing in common, for the tests of what keeps them apart."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import kubernetes
import pytest

from e2e.application import AUDIENCE
from e2e.browser import Browser
from e2e.platform import PYTHON_IMAGE, Platform, restricted, run_pod, wait_for

ANN, BOB = "e2e-ann@example.org", "e2e-bob@example.org"
"""Two users who have nothing in common."""


def needs(platform: Platform, where: str, *capabilities: str) -> None:
    """Skips the tests of what the platform has not. where: what would have it, for people."""
    for capability in capabilities:
        if not platform.provides(capability):
            pytest.skip(f"the platform has nothing that provides {capability} ({where})")


def needs_addon(platform: Platform, name: str) -> None:
    """Skips the tests of an addon that is not on."""
    if name not in {stack["name"] for stack in platform.status()["stacks"]}:
        pytest.skip(f"addon {name} is off (`mlstack addon enable {name}`)")


@contextmanager
def ann_and_bob(platform: Platform, where: str, *capabilities: str) -> Iterator[tuple[str, str]]:
    """Their profiles, on a platform that has it all; else the tests are skipped, as ``needs`` does."""
    needs(platform, where, *capabilities, "profiles")
    with two_profiles(platform, {"ann": ANN, "bob": BOB}) as names:
        yield names


@contextmanager
def two_profiles(platform: Platform, owners: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Their names, which hold the words. owners: word -> the owner's address, two of them; gone with their data afterwards."""
    first, second = (f"e2e-{word}-{secrets.token_hex(2)}" for word in owners)
    for name, owner in zip((first, second), owners.values(), strict=True):
        platform.cli("profiles", "add", name, "--owner", owner)
    yield first, second
    for name in (first, second):
        platform.cli("profiles", "remove", name, "--purge", "--yes", check=False)


def program_token(platform: Platform, space: str, account: str = "default-editor") -> str:
    """A token by which a program of the profile goes through the gateway, good for an hour."""
    spec = {"audiences": [AUDIENCE], "expirationSeconds": 3600}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    made = platform.core().create_namespaced_service_account_token(account, space, body)
    return str(made.status.token)


def ask_model(browser: Browser, path: str, bearer: str, body: Any) -> httpx.Response:
    """What the gateway answers to a program that asks a model."""
    return browser.client.post(browser.url + path, json=body, headers={"Authorization": f"Bearer {bearer}"})


def may(platform: Platform, who: str, verb: str, resource: str, space: str, groups: tuple[str, ...] = ()) -> bool:
    """Whether the API server would allow it. resource: ``pods`` or ``workflows.argoproj.io``."""
    plural, _, group = resource.partition(".")
    plural, _, part = plural.partition("/")
    attributes = {"namespace": space, "verb": verb, "resource": plural, "subresource": part, "group": group}
    review = {"spec": {"user": who, "groups": list(groups), "resourceAttributes": attributes}}
    api = kubernetes.client.AuthorizationV1Api(platform.api())
    return bool(api.create_subject_access_review(review).status.allowed)


def as_user(platform: Platform, name: str = "") -> kubernetes.client.CustomObjectsApi:
    """The API of custom objects, with the rights of a user if one is named."""
    client = platform.api()
    if name:
        client.set_default_header("Impersonate-User", name)
    return kubernetes.client.CustomObjectsApi(client)


def knock(platform: Platform, space: str, host: str, port: int) -> str:
    """What a pod of the profile says of a connection: ``in``, or ``kept out`` and why.

    The address of a new pod reaches the walls of others a moment after its start: kept out is who is so for longer.
    """
    code = (
        "import socket, time\n"
        "end = time.monotonic() + 10\n"
        "while True:\n"
        f"    try: socket.create_connection(({host!r}, {port}), 5); print('in'); break\n"
        "    except OSError as error:\n"
        "        if time.monotonic() > end: print('kept out', error); break\n"
        "    time.sleep(0.5)\n"
    )
    core = platform.core()
    name = run_pod(core, space, restricted(PYTHON_IMAGE, ["python3", "-c", code]))
    assert wait_for(core, space, name, {"Succeeded", "Failed"}) == "Succeeded"
    return str(core.read_namespaced_pod_log(name, space))


def for_users_at_home(platform: Platform, resource: str, spaces: tuple[str, str]) -> None:
    """Fails unless ann and bob make such objects, which run programs with any account of their namespace, in their own
    profiles only, and the accounts of workflows and pipelines nowhere. spaces: as ``ann_and_bob`` gives them."""
    one, two = spaces
    assert may(platform, ANN, "create", resource, one) and may(platform, BOB, "create", resource, two)
    for verb in ("get", "list", "create", "delete"):
        assert not may(platform, BOB, verb, resource, one)
    for account in (f"system:serviceaccount:{one}:{name}" for name in ("workflow", "pipeline-runner", "default")):
        assert not may(platform, account, "create", resource, one)
