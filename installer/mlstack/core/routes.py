"""What the whole selection offers its users, as every template sees it (``platform``): stacks, routes and samples. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mlstack.core.context import SAMPLE_NAMES, ExternalFacts, RenderFacts, build_context
from mlstack.core.exports import contexts
from mlstack.core.ground import stands_on
from mlstack.core.resolve import Chosen, Selection
from mlstack.core.stackfile import Endpoint, Route
from mlstack.core.template import Templates

GATEWAY = "gateway"
"""The capability of publishing routes, and the name of the endpoint whose host port is the external one."""


def with_platform(selection: Selection, facts: RenderFacts) -> RenderFacts:
    """The facts with ``platform``: ``capabilities``, ``stacks``, ``routes`` and ``samples`` of the selection.

    What stacks export must not depend on ``platform.samples``, which is made with it.
    """
    capabilities = [one for chosen in selection.stacks for one in chosen.entry.document.spec.provides]
    stacks = [_stack(chosen) for chosen in selection.stacks]
    platform: dict[str, Any] = {"capabilities": capabilities, "stacks": stacks, "routes": [], "samples": []}
    facts = replace(facts, platform=platform)
    if GATEWAY in capabilities:
        routes = [_route(*one, facts.external) for one in _routed(selection, facts)]
        facts = replace(facts, platform={**platform, "routes": routes})
    samples = list(_samples(selection, facts))
    return replace(facts, platform={**facts.platform, "samples": samples})


def _samples(selection: Selection, facts: RenderFacts) -> Iterator[dict[str, Any]]:
    """Every sample: its document, of its stack's context what ``core.sample.fill_sample`` needs, and the stacks it stands on."""
    found = {chosen.entry.name: context for chosen, context in contexts(selection, facts)}
    for chosen, sample in selection.samples:
        context = found[chosen.entry.name]
        yield {
            "stack": chosen.entry.name,
            "document": sample.model_dump(mode="json", by_alias=True),
            "context": {name: context[name] for name in SAMPLE_NAMES},
            "ground": sorted(stands_on(selection, chosen, sample)),
        }


def _routed(selection: Selection, facts: RenderFacts) -> Iterator[tuple[Chosen, Endpoint, Route]]:
    """The endpoints that have a place behind the gateway and are on. Their ``when`` sees no capabilities."""
    templates = Templates()
    for chosen in selection.stacks:
        context, where = build_context(chosen.entry, chosen.values, facts, {}), chosen.entry.place("stack.yaml")
        for point in chosen.entry.document.spec.endpoints:
            if point.route and templates.holds(point.when, where, context):
                yield chosen, point, point.route


def route_url(route: Route, external: ExternalFacts) -> str:
    """Where a user reaches a routed endpoint."""
    host = f"{route.subdomain}.{external.host}" if route.subdomain else external.host
    return f"{replace(external, host=host).url}{route.prefix}"


def role_of(path: str, routes: Iterable[Mapping[str, Any]]) -> str:
    """The role that a path is for by ``platform.routes``, empty when everybody who is logged in may come."""
    fits = [one for one in routes if not one["subdomain"] and path.startswith(one["prefix"])]
    return str(max(fits, key=lambda one: len(one["prefix"]))["role"]) if fits else ""


def _stack(chosen: Chosen) -> dict[str, Any]:
    document = chosen.entry.document
    return {
        "name": chosen.entry.name,
        "version": chosen.entry.version,
        "summary": document.metadata.summary,
        "namespace": document.spec.namespace,
    }


def _route(chosen: Chosen, point: Endpoint, route: Route, external: ExternalFacts) -> dict[str, Any]:
    return {
        "name": point.name,
        "stack": chosen.entry.name,
        "namespace": chosen.entry.document.spec.namespace,
        "service": point.service,
        "port": point.port,
        "scheme": point.scheme,
        "prefix": route.prefix,
        "rewrite": route.rewrite,
        "subdomain": route.subdomain,
        "url": route_url(route, external),
        "auth": point.auth,
        "role": point.role,
        "forwardToken": route.forward_token,
        "tenantPath": route.tenant_path,
        "credential": point.credential,
        "doc": point.doc,
    }
