"""What the stack says about its notebooks (``settings.json``), who may open which, and the gateway's routes to them. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

JUPYTERLAB = "jupyterlab"
PREFIX = "/notebooks/"
HOME = "/my-notebooks/"
"""Where the page with the links is."""
NAME = "notebooks"
"""Of the VirtualService, and of the Service of this program."""
API = "networking.istio.io/v1"


@dataclass(frozen=True, slots=True)
class Notebook:
    """One profile's. users, groups: who may open it, administrators apart; editor: the one it starts with."""

    namespace: str
    users: tuple[str, ...]
    groups: tuple[str, ...]
    editor: str = JUPYTERLAB

    @property
    def page(self) -> str:
        """The path of its page."""
        return f"{PREFIX}{self.namespace}/{'lab' if self.editor == JUPYTERLAB else ''}"


@dataclass(frozen=True, slots=True)
class Site:
    """All notebooks, by namespace. namespace: this program's own; gateway: ``namespace/name``; told: words for the page."""

    namespace: str
    gateway: str
    user_header: str
    groups_header: str
    told: str
    notebooks: dict[str, Notebook]

    def of(self, user: str, groups: Collection[str]) -> list[Notebook]:
        """Those that somebody may open."""
        known = {*groups}
        return [one for one in self.notebooks.values() if user in one.users or known & {"admins", *one.groups}]


def read_site(text: str) -> Site:
    """The settings. Raises ValueError or KeyError where they are not such."""
    data = json.loads(text)
    return Site(
        data["namespace"],
        data["gateway"],
        data["userHeader"],
        data["groupsHeader"],
        f"{data['memoryLimit']} of memory, {data['size']} of disk"
        + (f"; it sleeps after {data['idleMinutes']} idle minutes" if data["idleMinutes"] else ""),
        {name: _notebook(name, data["notebooks"][name]) for name in sorted(data["notebooks"])},
    )


def _notebook(name: str, data: Mapping[str, Any]) -> Notebook:
    return Notebook(name, tuple(data["users"]), tuple(data["groups"]), data.get("editor") or JUPYTERLAB)


def groups_of(header: str) -> list[str]:
    """The groups that the gateway tells: JSON in base64. What is none of it names no group."""
    try:
        found = json.loads(base64.b64decode(header + "=" * (-len(header) % 4), altchars=b"-_"))
    except (ValueError, binascii.Error):
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def namespace_of(path: str) -> str:
    """The namespace whose notebook a path is for; empty where it says none."""
    return path.partition("?")[0].removeprefix(PREFIX).split("/")[0] if path.startswith(PREFIX) else ""


def virtual_service(site: Site, awake: Mapping[str, str]) -> dict[str, Any]:
    """The VirtualService: notebooks that answer have a route; what is left over comes to this program.

    awake: namespace -> editor that runs there; JupyterLab knows its prefix, before another one it is dropped.
    """
    found = []
    for name in (one for one in site.notebooks if one in awake):
        rewrite = {} if awake[name] == JUPYTERLAB else {"rewrite": {"uri": "/"}}
        found.append(_route(name, f"{PREFIX}{name}/", f"notebook.{name}") | rewrite)
    rest = _route("asleep", PREFIX, f"{NAME}.{site.namespace}")
    return {
        "apiVersion": API,
        "kind": "VirtualService",
        "metadata": {"name": NAME, "namespace": site.namespace},
        "spec": {"gateways": [site.gateway], "hosts": ["*"], "http": [*found, rest]},
    }


def _route(name: str, prefix: str, service: str) -> dict[str, Any]:
    destination = {"host": f"{service}.svc.cluster.local", "port": {"number": 80}}
    return {"name": name, "match": [{"uri": {"prefix": prefix}}], "route": [{"destination": destination}]}
