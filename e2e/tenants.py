"""Profiles that have nothing in common, for the tests of what keeps them apart."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import kubernetes
import pytest

from e2e.platform import Platform


def needs(platform: Platform, where: str, *capabilities: str) -> None:
    """Skips the tests of what the platform has not. where: what would have it, for people."""
    for capability in capabilities:
        if not platform.provides(capability):
            pytest.skip(f"the platform has nothing that provides {capability} ({where})")


@contextmanager
def two_profiles(platform: Platform, owners: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Their names, which hold the words. owners: word -> the owner's address, two of them; gone with their data afterwards."""
    first, second = (f"e2e-{word}-{secrets.token_hex(2)}" for word in owners)
    for name, owner in zip((first, second), owners.values(), strict=True):
        platform.cli("profiles", "add", name, "--owner", owner)
    yield first, second
    for name in (first, second):
        platform.cli("profiles", "remove", name, "--purge", "--yes", check=False)


def may(platform: Platform, who: str, verb: str, resource: str, space: str, groups: tuple[str, ...] = ()) -> bool:
    """Whether the API server would allow it. resource: ``pods`` or ``workflows.argoproj.io``."""
    plural, _, group = resource.partition(".")
    plural, _, part = plural.partition("/")
    attributes = {"namespace": space, "verb": verb, "resource": plural, "subresource": part, "group": group}
    review = {"spec": {"user": who, "groups": list(groups), "resourceAttributes": attributes}}
    api = kubernetes.client.AuthorizationV1Api(platform.api())
    return bool(api.create_subject_access_review(review).status.allowed)
