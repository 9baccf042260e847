"""What an API server says of a stack's objects before any is made: a dry run of server-side apply, admission included.

For stacks whose images are not to be had here: their objects are held against the server's schemas, defaults and admission. That
says nothing of whether their programs work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import kubernetes

from e2e.platform import namespace
from mlstack.adapters.catalog import DataCatalogue
from mlstack.adapters.kube import KubeClient
from mlstack.app.opening import open_session
from mlstack.core.errors import MlstackError
from mlstack.core.fitting import from_registry_only
from mlstack.core.golden import GOLDEN_FACTS
from mlstack.core.model import Object, ResourceId
from mlstack.core.resolve import Choice, home_choices, profile_of, resolve

ROOT = Path(__file__).resolve().parents[1]
SECURITY = "pod-security.kubernetes.io/"


def published() -> list[tuple[str, str]]:
    """Name and version of every stack with ``availability: registry``."""
    catalogue = DataCatalogue(ROOT)
    entries = [catalogue.entry(name, version) for name in catalogue.names() for version in catalogue.versions(name)]
    return [(entry.name, entry.version) for entry in entries if from_registry_only(entry)]


def rendering(name: str, version: str) -> tuple[Object, ...]:
    """The objects of one version of a stack, as its golden output is made: with users, and one profile. With an addon's, those
    of other stacks that are others beside it."""
    load = SimpleNamespace(file=None, name="dry-run", sets=(), flags={}, environ=dict(os.environ))
    session = open_session(load, lambda _: None, lambda: False)
    entry = session.catalogue.entry(name, version)
    profile = profile_of(session.release, name, entry.document.spec.requires)

    def rendered(choice: Choice) -> dict[str, list[Object]]:
        selection = resolve(session.catalogue, session.release, profile, home_choices(session.release, name, choice))
        return {one.name: list(one.objects) for one in session.renderer.render(selection, GOLDEN_FACTS)}

    found = rendered(Choice(version=version, enabled=True))
    own = found.pop(name)
    plain = rendered(Choice(enabled=False)) if entry.is_addon else found
    return (*own, *(obj for stack, objects in found.items() for obj in objects if obj not in plain[stack]))


def definitions(*stacks: str) -> tuple[Object, ...]:
    """The CustomResourceDefinitions of stacks, for a server that has none of them."""
    objects = [obj for name in stacks for obj in rendering(name, DataCatalogue(ROOT).versions(name)[0])]
    return tuple(obj for obj in objects if obj["kind"] == "CustomResourceDefinition")


@contextmanager
def places(core: kubernetes.client.CoreV1Api, objects: Sequence[Object]) -> Iterator[dict[str, str]]:
    """Where objects are tried: in their own namespaces, and in one lent for each that the server does not have, since nothing is
    admitted into a namespace that is not there. A lent one has the Pod Security level that the objects give it."""
    there = {one.metadata.name for one in core.list_namespace().items}
    labels = {obj["metadata"]["name"]: obj["metadata"]["labels"] for obj in objects if obj["kind"] == "Namespace"}
    found: dict[str, str] = {}
    with ExitStack() as lent:
        for name in sorted({obj["metadata"].get("namespace", "") for obj in objects} - {""}):
            levels = {key: value for key, value in labels.get(name, {}).items() if key.startswith(SECURITY)}
            found[name] = name if name in there else lent.enter_context(namespace(core, levels))
        yield found


def refused(kube: KubeClient, objects: Sequence[Object], where: Mapping[str, str]) -> list[str]:
    """A line for each object that the server would not take; empty when it would take all. Makes nothing."""
    lines = []
    for obj in objects:
        metadata = dict(obj["metadata"])
        if "namespace" in metadata:
            metadata["namespace"] = where[metadata["namespace"]]
        tried = {**obj, "metadata": metadata}
        try:
            answer = kube.apply(tried, dry_run=True)
        except MlstackError as error:
            lines.append(f"{ResourceId.of(obj)}: {error.what}: {error.why}")
            continue
        assert ResourceId.of(answer) == ResourceId.of(tried), "the server tells what the object would be"
    return lines


def broken(objects: Sequence[Object]) -> list[Object]:
    """The same objects with one mistake each, of those kinds in which a server finds one: what must be refused."""
    found = []
    for obj in objects:
        spec = obj.get("spec", {})
        if obj["kind"] == "Deployment":
            found.append({**obj, "spec": {**spec, "replikas": 1}})
        elif obj["kind"] == "NetworkPolicy":
            found.append({**obj, "spec": {**spec, "policyTypes": ["Sideways"]}})
        elif obj["kind"] == "AuthorizationPolicy":
            found.append({**obj, "spec": {**spec, "action": "PERHAPS"}})
        elif obj["kind"] == "VirtualService":
            found.append({**obj, "spec": {**spec, "http": [{"route": [{"destination": {"port": {"number": 80}}}]}]}})
        elif obj["kind"] == "ValidatingAdmissionPolicy":
            found.append({**obj, "spec": {**spec, "validations": [{"expression": "object.metadata."}]}})
        elif obj["kind"] == "CustomResourceDefinition":
            found.append({**obj, "spec": {**spec, "group": "other.example"}})
        elif obj["kind"] == "ConfigMap":
            found.append({**obj, "kind": "ConfigMop"})
    return found
