"""The registry backend against a real registry: digests, credentials, mirrors, damage, and hosts that refuse."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from registries import (
    PASSWORD,
    USER,
    LocalRegistry,
    answering,
    free_port,
    make_image,
    push,
    push_index,
    registry_program,
    running,
)

from mlstack.adapters.registry import OrasRegistry
from mlstack.adapters.registry_login import Credential
from mlstack.artifacts.registry import Registry
from mlstack.artifacts.store import Entry, Store
from mlstack.core.errors import MlstackError


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return registry_program(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str, dict[str, int]]:
    return make_image(tmp_path_factory.mktemp("image"), b"hello" * 1000)


@pytest.fixture(scope="module")
def local(
    program: Path, tmp_path_factory: pytest.TempPathFactory, image: tuple[Store, str, dict[str, int]]
) -> Iterator[LocalRegistry]:
    with running(program, tmp_path_factory.mktemp("registry")) as registry:
        push(registry, "team/app", "1", *image)
        yield registry


@pytest.fixture(scope="module")
def guarded(
    program: Path, tmp_path_factory: pytest.TempPathFactory, image: tuple[Store, str, dict[str, int]]
) -> Iterator[LocalRegistry]:
    with running(program, tmp_path_factory.mktemp("guarded"), auth=True) as registry:
        push(registry, "team/app", "1", *image)
        yield registry


@pytest.fixture
def no_config(tmp_path: Path) -> Path:
    return tmp_path / "none.json"


def pull(registry: Registry, ref: str, digest: str) -> Entry:
    return registry.pull(ref, digest, "key", lambda *_: None, lambda: False)


def test_an_image_is_pulled_by_digest_and_verified(
    store: Store, local: LocalRegistry, image: tuple[Store, str, dict[str, int]]
) -> None:
    _, digest, blobs = image
    seen: list[float] = []
    registry = Registry(OrasRegistry(), store, "amd64")
    entry = registry.pull(f"{local.host}/team/app:1", digest, "key", lambda *a: seen.append(a[1]), lambda: False)
    assert entry.digest == digest
    assert set(entry.blobs) == set(blobs)
    assert store.get("key") == entry
    assert seen == sorted(seen) and seen[-1] == sum(blobs.values()) - blobs[digest]


def test_credentials_come_from_the_configuration_or_dockers(
    store: Store,
    guarded: LocalRegistry,
    image: tuple[Store, str, dict[str, int]],
    tmp_path: Path,
    no_config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ref, digest = f"{guarded.host}/team/app:1", image[1]
    for number, client in enumerate(
        [OrasRegistry(docker_config=no_config), OrasRegistry({guarded.host: Credential(USER, "wrong-canary")})]
    ):
        with pytest.raises(MlstackError) as caught:
            pull(Registry(client, store, "amd64"), ref, digest)
        assert "401" in caught.value.why, number
        assert "canary" not in str(caught.value)
    config = tmp_path / "config.json"
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config.write_text(json.dumps({"auths": {guarded.host: {"auth": token}}}))
    for client in [OrasRegistry(docker_config=config), OrasRegistry({guarded.host: Credential(USER, PASSWORD)})]:
        assert pull(Registry(client, store, "amd64"), ref, digest).digest == digest
    config.write_text(json.dumps({"credHelpers": {guarded.host: "test"}}))
    helper = tmp_path / "bin" / "docker-credential-test"
    helper.parent.mkdir()
    helper.write_text(f"#!/bin/sh\nread host; echo '{json.dumps({'Username': USER, 'Secret': PASSWORD})}'\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}:{os.environ['PATH']}")
    assert pull(Registry(OrasRegistry(docker_config=config), Store(tmp_path / "third"), "amd64"), ref, digest)
    assert PASSWORD not in repr(Credential(USER, PASSWORD))


def test_a_mirror_is_asked_first_and_the_registry_itself_is_not_needed(
    store: Store, local: LocalRegistry, image: tuple[Store, str, dict[str, int]]
) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    mirrors = {"quay.io": [dead, f"http://{local.host}/team"]}
    entry = pull(Registry(OrasRegistry(), store, "amd64", mirrors, probe_timeout=0.5), "quay.io/app:1", image[1])
    assert entry.digest == image[1]
    assert local.host in entry.data["from"]


def test_a_damaged_blob_is_refused_and_does_not_enter_the_store(program: Path, store: Store, tmp_path: Path) -> None:
    source, digest, blobs = make_image(tmp_path / "own", b"other")
    with running(program, tmp_path / "registry") as registry:
        push(registry, "a/b", "1", source, digest, blobs)
        layer = json.loads(source.read_bytes(digest))["layers"][0]["digest"]
        kept = next(registry.storage.rglob(f"{layer[7:]}/data"))
        kept.write_bytes(bytes(len(kept.read_bytes())))
        with pytest.raises(MlstackError) as caught:
            pull(Registry(OrasRegistry(), store, "amd64"), f"{registry.host}/a/b:1", digest)
    assert caught.value.code == "download.hash-mismatch"
    assert layer in caught.value.why and "got sha256:" in caught.value.why
    assert not store.blob(layer).exists()
    assert store.peek("key") is None
    assert list((store.root / "tmp").iterdir()) == []


def test_digests_of_every_architecture_are_resolved(
    local: LocalRegistry, image: tuple[Store, str, dict[str, int]], store: Store
) -> None:
    source, digest, _ = image
    registry = Registry(OrasRegistry(), store, "amd64")
    assert registry.resolve(f"{local.host}/team/app:1") == {"amd64": digest}
    size = len(source.read_bytes(digest))
    push_index(local, "team/app", "multi", {"amd64": (digest, size), "arm64": (digest, size)})
    assert registry.resolve(f"{local.host}/team/app:multi") == {"amd64": digest, "arm64": digest}


def test_what_is_not_there_is_named(local: LocalRegistry, store: Store) -> None:
    with pytest.raises(MlstackError) as caught:
        pull(Registry(OrasRegistry(), store, "amd64"), f"{local.host}/team/app:1", "sha256:" + "0" * 64)
    assert "404" in caught.value.why and local.host in caught.value.why


@pytest.mark.parametrize("status", [403, 429, 500, 404])
def test_a_host_that_refuses_is_named_with_its_status(store: Store, status: int) -> None:
    with answering(status) as host:
        registry = Registry(OrasRegistry(), store, "amd64")
        places, why = registry.reachable(f"{host}/a/b:1")
    assert places == []
    assert str(status) in why and host in why


def test_a_silent_host_costs_one_short_probe_a_run(store: Store) -> None:
    registry = Registry(OrasRegistry(), store, "amd64", probe_timeout=0.4)
    # an address of the documentation range: packets go nowhere, or the network says no at once
    start = time.monotonic()
    for _ in range(20):
        places, why = registry.reachable("192.0.2.1:5000/a/b:1")
    assert places == [] and "192.0.2.1:5000" in why
    assert time.monotonic() - start < 5
