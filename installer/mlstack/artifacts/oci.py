"""OCI images in the store: configuration and manifest documents, and archives that Docker and containerd both load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlstack.artifacts.disk import guard, make_directory, temporary_name
from mlstack.artifacts.layer import Layer, content_size, header, write_tar
from mlstack.artifacts.reference import parse_reference
from mlstack.artifacts.store import Store
from mlstack.artifacts.tree import Content, LayerEntry
from mlstack.core.ports import Cancelled
from mlstack.core.recipe import Build

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of the store under a name: what an archive of it needs."""

    name: str
    digest: str


def canonical(document: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and no spaces: the same document gives the same bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _run_config(build: Build) -> dict[str, Any]:
    path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    config: dict[str, Any] = {"Env": [f"{key}={value}" for key, value in sorted((path | build.env).items())]}
    optional: dict[str, Any] = {
        "User": build.user,
        "Entrypoint": build.entrypoint,
        "Cmd": build.command,
        "WorkingDir": build.workdir,
        "ExposedPorts": {f"{port}/tcp": {} for port in build.ports},
        "Volumes": {volume: {} for volume in build.volumes},
        "StopSignal": build.stop_signal,
        "Labels": build.labels,
    }
    return config | {key: value for key, value in optional.items() if value}


def write_image(store: Store, build: Build, layers: Sequence[Layer], architecture: str) -> tuple[str, dict[str, int]]:
    """Stores configuration and manifest of an image over stored layers; returns manifest digest and all blobs' sizes."""
    config = canonical(
        {
            "architecture": architecture,
            "os": "linux",
            "created": _EPOCH,
            "config": _run_config(build),
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": _EPOCH, "created_by": "mlstack"} for _ in layers],
        }
    )
    config_digest = store.add_bytes(config)
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config_digest, "size": len(config)},
            "layers": [{"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size} for layer in layers],
        }
    )
    digest = store.add_bytes(manifest)
    blobs = {layer.digest: layer.size for layer in layers}
    return digest, blobs | {config_digest: len(config), digest: len(manifest)}


def _descriptor(image: StoredImage, manifest: Mapping[str, Any], size: int) -> dict[str, Any]:
    reference = parse_reference(image.name)
    return {
        "mediaType": manifest.get("mediaType", MANIFEST),
        "digest": image.digest,
        "size": size,
        "annotations": {"io.containerd.image.name": reference.name, "org.opencontainers.image.ref.name": reference.tag},
    }


def archive_entries(store: Store, images: Sequence[StoredImage]) -> list[LayerEntry]:
    """Entries of one archive with all ``images``: OCI layout (containerd) and ``manifest.json`` (Docker) over the same blobs."""
    descriptors: list[dict[str, Any]] = []
    docker: list[dict[str, Any]] = []
    blobs: dict[str, LayerEntry] = {}

    def add(digest: str) -> str:
        name = f"blobs/sha256/{digest.partition(':')[2]}"
        blobs[name] = LayerEntry(name, content=(store.blob(digest),))
        return name

    for image in images:
        raw = store.read_bytes(image.digest)
        manifest = json.loads(raw)
        descriptors.append(_descriptor(image, manifest, len(raw)))
        add(image.digest)
        docker.append(
            {
                "Config": add(manifest["config"]["digest"]),
                "RepoTags": [parse_reference(image.name).name],
                "Layers": [add(layer["digest"]) for layer in manifest["layers"]],
            }
        )
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}
    documents = [
        LayerEntry("oci-layout", content=(b'{"imageLayoutVersion":"1.0.0"}',)),
        LayerEntry("index.json", content=(canonical(index),)),
        LayerEntry("manifest.json", content=(json.dumps(docker, sort_keys=True).encode(),)),
        LayerEntry("blobs", "dir", 0o755),
        LayerEntry("blobs/sha256", "dir", 0o755),
    ]
    return documents + [blobs[name] for name in sorted(blobs)]


@contextmanager
def exported(store: Store, images: Sequence[StoredImage], cancelled: Cancelled = lambda: False) -> Iterator[Path]:
    """A temporary archive file (0600) of the images, gone after the block. Raises disk.*, run.interrupted."""
    entries = archive_entries(store, images)
    path = temporary_name(make_directory(store.root / "tmp"), "export")
    try:
        with guard(path, sum(content_size(entry.content) for entry in entries)):
            path.touch(0o600)
            with path.open("wb") as file:
                write_tar(entries, file.write, cancelled)
        yield path
    finally:
        path.unlink(missing_ok=True)


def archive_as_entry(store: Store, images: Sequence[StoredImage], path: str) -> LayerEntry:
    """One layer entry whose content is the archive of the images, put together from the store without a copy on disk."""
    parts: list[Content] = []
    for entry in archive_entries(store, images):
        parts.append(header(entry))
        if entry.kind == "file":
            parts.extend(entry.content)
            parts.append(b"\0" * (-content_size(entry.content) % 512))
    parts.append(b"\0" * 1024)
    return LayerEntry(path, mode=0o644, content=tuple(parts))


def archive_digest(images: Sequence[StoredImage]) -> str:
    """Identifies the content of an archive without making it."""
    return hashlib.sha256(canonical({"images": [[image.name, image.digest] for image in images]})).hexdigest()
