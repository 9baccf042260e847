"""The registry backend: images by digest from registries and their mirrors, every byte verified before it is in the store."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlstack.artifacts.blobs import mismatch
from mlstack.artifacts.reference import Reference, parse_reference
from mlstack.artifacts.store import Entry, Store
from mlstack.core.disk import human
from mlstack.core.errors import MlstackError, interrupted
from mlstack.core.ports import Cancelled

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
MAX_MANIFEST = 4 << 20
MAX_BLOB = 20 << 30
Progress = Callable[[str, float, float, str], None]
"""Gets message, done, total and unit."""


class RegistryClient(Protocol):
    """Talks the distribution protocol to one host, authentication included.

    Errors: registry.unreachable, registry.unauthorized (401), registry.forbidden (403), registry.not-found,
    registry.throttled (429), registry.failed.
    """

    def probe(self, host: str, timeout: float) -> None: ...
    def manifest(self, host: str, repository: str, reference: str, limit: int) -> bytes: ...
    def blob(self, host: str, repository: str, digest: str) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A host to ask and the repository's name there."""

    host: str
    repository: str


class Registry:
    """Pulls images. mirrors: registry host -> hosts (``host[:port][/prefix]``) asked before it, in order."""

    def __init__(
        self,
        client: RegistryClient,
        store: Store,
        architecture: str,
        mirrors: Mapping[str, Sequence[str]] | None = None,
        probe_timeout: float = 4.0,
    ) -> None:
        self._client = client
        self._store = store
        self._architecture = architecture
        self._mirrors = dict(mirrors or {})
        self._timeout = probe_timeout
        self._probed: dict[str, MlstackError | None] = {}
        self._lock = threading.Lock()

    def places(self, reference: Reference) -> list[Place]:
        """Where a reference is looked for: its mirrors, then its own registry."""
        found = []
        for mirror in self._mirrors.get(reference.registry, ()):
            host, _, prefix = mirror.removeprefix("https://").rstrip("/").partition("/")
            if mirror.startswith("http://"):
                host, _, prefix = mirror.removeprefix("http://").rstrip("/").partition("/")
                host = f"http://{host}"
            found.append(Place(host, f"{prefix}/{reference.repository}".lstrip("/")))
        return [*found, Place(reference.registry, reference.repository)]

    def answers(self, host: str) -> MlstackError | None:
        """Asks a host once a run whether it is there; the error that says why it is of no use, or None."""
        with self._lock:
            if host not in self._probed:
                try:
                    self._client.probe(host, self._timeout)
                    self._probed[host] = None
                except MlstackError as error:
                    self._probed[host] = error
            return self._probed[host]

    def reachable(self, ref: str) -> tuple[list[Place], str]:
        """Places of ``ref`` that answer, and a line about those that do not."""
        places = self.places(parse_reference(ref))
        reasons = []
        found = []
        for place in places:
            error = self.answers(place.host)
            if error is None:
                found.append(place)
            else:
                reasons.append(f"{place.host}: {error.why or error.what}")
        return found, "; ".join(reasons)

    def pull(
        self,
        ref: str,
        digest: str,
        key: str,
        progress: Progress,
        cancelled: Cancelled,
    ) -> Entry:
        """Stores the image with the manifest ``digest``, from the first place that has it. Raises registry.*, disk.*."""
        places, silent = self.reachable(ref)
        reasons = [silent] if silent else []
        for place in places:
            try:
                return self._pull_from(place, ref, digest, key, progress, cancelled)
            except MlstackError as error:
                if not error.code.startswith("registry."):
                    raise
                reasons.append(f"{place.host}: {error.why or error.what}")
        raise MlstackError(
            "registry.unavailable",
            f"{ref} could not be pulled",
            why="; ".join(reasons),
            remedy="check the network, mirrors and credentials (artifacts.mirrors, docker login), or use source build or bundle",
        )

    def resolve(self, ref: str) -> dict[str, str]:
        """The manifest digest of each architecture that a tag has now. Raises registry.*."""
        reference = parse_reference(ref)
        places, silent = self.reachable(ref)
        reasons = [silent] if silent else []
        for place in places:
            try:
                raw = self._client.manifest(
                    place.host, place.repository, reference.digest or reference.tag, MAX_MANIFEST
                )
                return self._architectures(place, raw)
            except MlstackError as error:
                if not error.code.startswith("registry."):
                    raise
                reasons.append(f"{place.host}: {error.why or error.what}")
        raise MlstackError(
            "registry.unavailable", f"{ref} could not be resolved", why="; ".join(reasons), remedy="check the network"
        )

    def tagged(self, ref: str) -> str:
        """The manifest digest that a tag has now for this architecture. Raises registry.*."""
        found = self.resolve(ref)
        if self._architecture not in found:
            raise MlstackError(
                "registry.no-architecture",
                f"{ref} is not published for {self._architecture}",
                why=f"the registry has it for {', '.join(sorted(found)) or 'none'}",
                remedy="use a machine of that architecture, or another version of the stack",
            )
        return found[self._architecture]

    def _architectures(self, place: Place, raw: bytes) -> dict[str, str]:
        document = parse_document(raw)
        if document.get("mediaType") in INDEXES or "manifests" in document:
            return {
                str(entry["platform"]["architecture"]): str(entry["digest"])
                for entry in document.get("manifests", [])
                if entry.get("platform", {}).get("os") == "linux"
            }
        config = json.loads(b"".join(self._client.blob(place.host, place.repository, document["config"]["digest"])))
        return {str(config["architecture"]): f"sha256:{hashlib.sha256(raw).hexdigest()}"}

    def _pull_from(
        self,
        place: Place,
        ref: str,
        digest: str,
        key: str,
        progress: Progress,
        cancelled: Cancelled,
    ) -> Entry:
        raw = self._client.manifest(place.host, place.repository, digest, MAX_MANIFEST)
        found = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        if found != digest:
            raise mismatch(f"the manifest of {ref}", digest, found)
        blobs = manifest_blobs(parse_document(raw), ref)
        total = sum(blobs.values())
        done = 0
        for blob, size in blobs.items():
            self._fetch(place, blob, size, _counter(progress, place.host, done, total), cancelled)
            done += size
            progress(f"from {place.host}", done, total, "B")
        self._store.add_bytes(raw)
        data = {"ref": ref, "source": "registry", "from": place.host}
        entry = Entry(key, "image", digest, {**blobs, digest: len(raw)}, data)
        self._store.put(entry)
        return entry

    def _fetch(
        self, place: Place, digest: str, size: int, progress: Callable[[int], None], cancelled: Cancelled
    ) -> None:
        path = self._store.blob(digest)
        if path.is_file() and path.stat().st_size == size:
            return
        with self._store.new_blob(digest) as writer:
            for data in self._client.blob(place.host, place.repository, digest):
                if cancelled():
                    raise interrupted("a pull")
                writer.write(data)
                if writer.size > size:
                    raise mismatch(f"blob {digest}", f"{size} bytes", "more")
                progress(writer.size)


def _counter(progress: Progress, host: str, base: int, total: int) -> Callable[[int], None]:
    return lambda count: progress(f"from {host}", base + count, total, "B")


def parse_document(raw: bytes) -> dict[str, Any]:
    """A manifest or index. Raises artifact.bad-manifest."""
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise bad_manifest("it is not JSON") from error
    if not isinstance(document, dict):
        raise bad_manifest("it is not an object")
    return document


def manifest_blobs(manifest: Mapping[str, Any], ref: str) -> dict[str, int]:
    """Configuration and layers of an image manifest with their sizes. Raises artifact.bad-manifest."""
    try:
        parts = [manifest["config"], *manifest["layers"]]
        found = {str(part["digest"]): int(part["size"]) for part in parts}
    except (KeyError, TypeError, ValueError) as error:
        raise bad_manifest(f"that of {ref} names no configuration and layers") from error
    for digest, size in found.items():
        if not digest.startswith("sha256:") or len(digest) != 71 or not 0 <= size <= MAX_BLOB:
            raise bad_manifest(f"that of {ref} names a blob {digest[:80]} of {human(size)}")
    return found


def bad_manifest(why: str) -> MlstackError:
    """The error of a manifest that is none."""
    return MlstackError("artifact.bad-manifest", "An image manifest was refused", why=why, remedy="use another source")
