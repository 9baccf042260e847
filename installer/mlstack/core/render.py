"""From resolved stacks to Kubernetes objects: own templates rendered, upstream objects parsed and patched, all labelled. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol

from mlstack.core.catalogue import Entry
from mlstack.core.certmanager import certificate_objects, certificate_waits, inject_authority
from mlstack.core.context import RenderFacts, build_context
from mlstack.core.desired import RenderedStack
from mlstack.core.errors import ExitCode, MlstackError, Place
from mlstack.core.expand import buckets_of, certificates_of, secrets_of
from mlstack.core.exports import export_values
from mlstack.core.finish import finish, namespace_object
from mlstack.core.kinds import cluster_kinds
from mlstack.core.model import Object, ResourceId
from mlstack.core.patch import apply_patches, prepare
from mlstack.core.people import IDENTITY_PROVIDER
from mlstack.core.recipe import Image, fingerprint
from mlstack.core.resolve import Chosen, Selection
from mlstack.core.routes import with_platform
from mlstack.core.stackfile import Manifests, Source
from mlstack.core.template import Templates
from mlstack.core.upstream import read_part, select

SourceReader = Callable[[Source, Sequence[str]], Mapping[str, bytes]]
"""Gives the files of a verified source that match any of the globs, by path relative to the source's root."""

UPSTREAM_FORMAT = 1
"""Part of the cache key; raised when parsing or patching changes what comes out."""
OWN_FORMAT = 1
"""The same for the parsing of our own rendered templates."""


class ObjectCache(Protocol):
    """Parsed objects as JSON text, by key. Losing entries is harmless; a damaged one reads as None."""

    def get(self, key: str) -> str | None: ...
    def put(self, key: str, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Renderer:
    """What rendering needs from outside. cache None: all text is parsed every time."""

    read_source: SourceReader
    cache: ObjectCache | None = None

    def render(self, selection: Selection, facts: RenderFacts) -> tuple[RenderedStack, ...]:
        """Every stack in dependency order. Raises MlstackError with file and line (``template.*``, ``stack.*``)."""
        exports: dict[str, dict[str, dict[str, str]]] = {}
        rendered: list[RenderedStack] = []
        seen: dict[ResourceId, str] = {}
        facts = with_platform(selection, facts)
        without: frozenset[str] = frozenset()
        for chosen in selection.stacks:
            one = self.stack(chosen, facts, exports, without)
            without |= cluster_kinds(one.objects)
            exports[one.name] = {name: dict(values) for name, values in one.exports.items()}
            _check_unique(one, seen)
            rendered.append(one)
        return tuple(rendered)

    def stack(
        self,
        chosen: Chosen,
        facts: RenderFacts,
        exports: Mapping[str, Mapping[str, Mapping[str, str]]],
        without: Set[str] = frozenset(),
    ) -> RenderedStack:
        """One stack; of the stacks before it, exports: by stack and capability; without: kinds that have no namespace."""
        entry, spec = chosen.entry, chosen.entry.document.spec
        capabilities = {need: exports[name].get(need, {}) for need, name in chosen.providers.items()}
        context = build_context(entry, chosen.values, facts, capabilities)
        templates = Templates()
        where = entry.place("stack.yaml")
        own, upstream = self._own(entry, templates, context), self._upstream(entry, templates, context)
        exported = export_values(entry, context)
        keeps_users = bool(exported.get(IDENTITY_PROVIDER, {}).get("users"))
        certificates = certificates_of(spec.certificates, templates, where, context)
        issued = [] if facts.tls.own else certificate_objects(certificates, facts.tls)
        objects = finish([*upstream, *own, *issued], entry, facts.instance, without)
        if not facts.tls.own:
            inject_authority(objects, certificates, spec.namespace)
        return RenderedStack(
            name=entry.name,
            version=entry.version,
            namespace=spec.namespace,
            objects=tuple(objects),
            images=_used_images(entry, objects),
            requires=chosen.requires,
            secrets=secrets_of(spec.secrets, templates, where, context),
            buckets=buckets_of(spec.buckets, templates, where, context),
            databases=tuple(spec.databases),
            certificates=certificates if facts.tls.own else (),
            waits=(*spec.wait, *(() if facts.tls.own else certificate_waits(certificates))),
            endpoints=tuple(point for point in spec.endpoints if templates.holds(point.when, where, context)),
            providers=capabilities,
            exports=exported,
            users=facts.people.users if keeps_users else (),
        )

    def split(
        self,
        chosen: Chosen,
        facts: RenderFacts,
        exports: Mapping[str, Mapping[str, Mapping[str, str]]],
        without: Set[str] = frozenset(),
    ) -> tuple[list[Object], list[Object]]:
        """The finished objects of one stack apart: (own, upstream). exports, without: as in ``stack``."""
        capabilities = {need: exports[name].get(need, {}) for need, name in chosen.providers.items()}
        context, templates = build_context(chosen.entry, chosen.values, facts, capabilities), Templates()
        own = self._own(chosen.entry, templates, context)
        upstream = self._upstream(chosen.entry, templates, context)
        finish([*upstream, *own], chosen.entry, facts.instance, without)
        return own, upstream

    def _own(self, entry: Entry, templates: Templates, context: Mapping[str, Any]) -> list[Object]:
        namespace = namespace_object(entry)
        objects: list[Object] = [namespace] if namespace else []
        where = entry.place("stack.yaml")
        for part in entry.document.spec.manifests:
            if not part.templates or not templates.holds(part.when, where, context):
                continue
            for path, text in entry.templates.items():
                if path.startswith(part.templates.rstrip("/") + "/"):
                    file = entry.place(path)
                    found = [checked(obj, file) for obj in _parsed(templates, text, file, context, self.cache)]
                    objects += select(found, part)
        return objects

    def _upstream(self, entry: Entry, templates: Templates, context: Mapping[str, Any]) -> list[Object]:
        where, spec = entry.place("stack.yaml"), entry.document.spec
        parts = [part for part in spec.manifests if part.source and templates.holds(part.when, where, context)]
        if not parts:
            return []
        file = entry.place(spec.patches)
        patches = prepare(
            entry.patches,
            lambda value, place: templates.value(value, place, context),
            lambda expression, place: templates.holds(expression, place, context),
            file,
        )
        sources = [spec.sources[part.source] for part in parts]
        key = fingerprint(UPSTREAM_FORMAT, sources, parts, patches)
        return _cached(self.cache, key, lambda: apply_patches(self._parse(entry, parts), patches, file))

    def _parse(self, entry: Entry, parts: Sequence[Manifests]) -> list[Object]:
        objects: list[Object] = []
        for part in parts:
            files = self.read_source(entry.document.spec.sources[part.source], part.files)
            objects += read_part(part, files, entry.place("stack.yaml"))
        return objects


def _parsed(
    templates: Templates, source: str, file: str, context: Mapping[str, Any], cache: ObjectCache | None
) -> list[Any]:
    """A rendered template's objects. Parsing YAML costs far more than rendering, so what came out is kept by its text.

    Templates never see the value of a secret, so none is kept.
    """
    if cache is None:
        return templates.objects(source, file, context)
    key = fingerprint("own", OWN_FORMAT, templates.text(source, file, context))
    return _cached(cache, key, lambda: templates.objects(source, file, context))


def _cached(cache: ObjectCache | None, key: str, make: Callable[[], list[Any]]) -> list[Any]:
    stored = cache.get(key) if cache else None
    if stored is not None:
        found: list[Any] = json.loads(stored)
        return found
    objects = make()
    if cache:
        text = json.dumps(objects, separators=(",", ":"), default=str)
        if json.loads(text) == objects:  # what JSON cannot hold, such as keys that are numbers, is parsed each time
            cache.put(key, text)
    return objects


def checked(obj: Any, file: str) -> Object:
    """The object, when it has apiVersion, kind and metadata.name; otherwise ``stack.not-an-object``."""
    try:
        ResourceId.of(obj)
    except (KeyError, TypeError, AttributeError):
        raise MlstackError(
            "stack.not-an-object",
            "a document without apiVersion, kind or metadata.name",
            remedy="every document must be a Kubernetes object",
            place=Place(file),
            exit_code=ExitCode.USAGE,
        ) from None
    found: Object = obj
    return found


def _used_images(entry: Entry, objects: Sequence[Object]) -> tuple[Image, ...]:
    """The images whose references occur in the objects or in a sample: another engine's or an unused one is not built."""
    text = json.dumps(objects)
    samples = {ref for sample in entry.samples for ref in sample.spec.image_refs}
    return tuple(
        image for image in entry.document.spec.images if image.ref in samples or json.dumps(image.ref)[1:-1] in text
    )


def _check_unique(stack: RenderedStack, seen: dict[ResourceId, str]) -> None:
    for obj in stack.objects:
        rid = ResourceId.of(obj)
        if rid in seen:
            other = "twice" if seen[rid] == stack.name else f"in {seen[rid]} too"
            raise MlstackError(
                "stack.duplicate-object",
                f"{rid} of stack {stack.name} is defined {other}",
                remedy="rename or drop one of them",
                exit_code=ExitCode.USAGE,
            )
        seen[rid] = stack.name
