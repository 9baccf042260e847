"""What the platform offers, out of the document that the installer renders for the portal. Read again when it changes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlstack.core.samplefile import Sample


@dataclass(frozen=True, slots=True)
class Component:
    """A stack that is installed."""

    name: str
    version: str
    summary: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint behind the gateway. auth: ``required``, ``none`` or ``own`` as in ``mlstack.core.stackfile``.

    url: as the user reaches it; inside: the service's address in the cluster; credential: of ``mlstack credentials``;
    role: administrators and machines with that role get in and nobody else, empty: everybody who is logged in.
    """

    name: str
    stack: str
    scheme: str
    url: str
    inside: str
    auth: str
    credential: str
    doc: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class SampleOffer:
    """A sample, the names its expressions see beside its parameters, and the stacks that it stands on."""

    stack: str
    sample: Sample
    context: Mapping[str, Any]
    ground: frozenset[str]


@dataclass(frozen=True, slots=True)
class Offer:
    """The whole document.

    namespace: where samples run that run in no profile; logout: the link that ends a session; user_header, groups_header:
    what the gateway tells the identity by; pipelines: the exports of what runs pipelines, None where nothing does.
    """

    instance: str
    external: str
    admin_group: str
    logout: str
    namespace: str
    user_header: str
    groups_header: str
    components: tuple[Component, ...]
    addresses: tuple[Address, ...]
    samples: Mapping[str, SampleOffer]
    pipelines: Mapping[str, str] | None

    def open_to(self, groups: Collection[str]) -> tuple[Address, ...]:
        """The endpoints that a member of these groups gets to; those for a role are for administrators."""
        admin = self.admin_group in groups
        return tuple(one for one in self.addresses if admin or not one.role)


def parse(text: str) -> Offer:
    """The offer. Raises ValueError or KeyError when the document is not what the stack's template makes."""
    data = json.loads(text)
    platform = data["platform"]
    pipelines = data["pipelines"]
    samples = [
        SampleOffer(item["stack"], Sample.model_validate(item["document"]), item["context"], frozenset(item["ground"]))
        for item in platform["samples"]
    ]
    return Offer(
        instance=data["instance"],
        external=data["external"],
        admin_group=data["adminGroup"],
        logout=data["logout"],
        namespace=data["namespace"],
        user_header=data["userHeader"],
        groups_header=data["groupsHeader"],
        components=tuple(Component(**item) for item in platform["stacks"]),
        addresses=tuple(_address(item) for item in platform["routes"] if item["stack"] != data["stack"]),
        samples={one.sample.metadata.name: one for one in samples if pipelines or one.sample.spec.runner != "pipeline"},
        pipelines=pipelines,
    )


def _address(item: Mapping[str, Any]) -> Address:
    return Address(
        name=item["name"],
        stack=item["stack"],
        scheme=item["scheme"],
        url=item["url"],
        inside=f"{item['service']}.{item['namespace']}.svc.cluster.local:{item['port']}",
        auth=item["auth"],
        credential=item["credential"],
        doc=item["doc"],
        role=item["role"],
    )


class OfferFile:
    """The offer of a mounted file. The kubelet replaces the file when its ConfigMap changes; no restart is needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] = (0, 0)
        self._offer: Offer | None = None

    def __call__(self) -> Offer:
        """The offer as the file has it now. Raises OSError, ValueError, KeyError."""
        stat = self._path.stat()
        mark = (stat.st_mtime_ns, stat.st_ino)
        if self._offer is None or mark != self._seen:
            self._offer, self._seen = parse(self._path.read_text(encoding="utf-8")), mark
        return self._offer
