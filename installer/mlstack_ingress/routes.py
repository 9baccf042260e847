"""Rules as route configurations of Envoy: which host and path goes where, in which shares. Pure.

No timeouts here: how long a request may take is the revision's own setting, which its proxy keeps; an answer may take minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mlstack_ingress.access import Access, refusal
from mlstack_ingress.backends import backend_name
from mlstack_ingress.claims import EXTERNAL, INTERNAL, scopes
from mlstack_ingress.clusters import TYPE, Resource
from mlstack_ingress.model import Headers, Ingress, Path

ROUTES = TYPE + "envoy.config.route.v3.RouteConfiguration"
EXTERNAL_TLS, INTERNAL_TLS = "external-tls", "internal-tls"
TABLES = (EXTERNAL, INTERNAL, EXTERNAL_TLS, INTERNAL_TLS)
"""Route configurations by name: for callers from outside and from inside, in plain and after TLS."""
RETRIES = {"retry_on": "connect-failure,refused-stream", "num_retries": 3}
"""Only what surely reached no backend is tried again."""


def route_tables(ingresses: Iterable[Ingress], access: Access) -> dict[str, Resource]:
    """All tables, the empty ones too: a gateway waits for each before it takes requests. ingresses: without conflicts."""
    hosts: dict[str, dict[str, tuple[Ingress, list[Path]]]] = {table: {} for table in TABLES}
    for one in ingresses:
        for table, host, paths in _places(one):
            hosts[table].setdefault(host, (one, []))[1].extend(paths)
    refused = {table: access if table in (EXTERNAL, EXTERNAL_TLS) else Access() for table in TABLES}
    return {table: _table(table, found, refused[table]) for table, found in hosts.items()}


def _places(one: Ingress) -> Iterator[tuple[str, str, tuple[Path, ...]]]:
    certified = {host for tls in one.tls for host in tls.hosts}
    for rule in one.rules:
        for scope in scopes(rule.local):
            for host in rule.hosts:
                yield scope, host, rule.paths
                if host in certified:
                    yield f"{scope}-tls", host, rule.paths


def _table(name: str, hosts: dict[str, tuple[Ingress, list[Path]]], access: Access) -> Resource:
    return {
        "@type": ROUTES,
        "name": name,
        "virtual_hosts": [_virtual_host(name, host, *hosts[host], access) for host in sorted(hosts)],
        "ignore_port_in_host_matching": True,
    }


def _virtual_host(table: str, host: str, owner: Ingress, paths: list[Path], access: Access) -> Resource:
    refused = refusal(access, owner.namespace)
    routes = [*([refused] if refused else []), *(_route(owner, path) for path in ordered(paths))]
    made: Resource = {"name": host, "domains": [host], "routes": routes}
    if owner.redirect and table == EXTERNAL:
        made["require_tls"] = "ALL"
    return made


def ordered(paths: Iterable[Path]) -> list[Path]:
    """The most specific first: a longer prefix, then more headers to match. Otherwise as the object says."""
    return sorted(paths, key=lambda path: (-len(path.prefix), -len(path.matches)))


def _route(owner: Ingress, path: Path) -> Resource:
    shares = [split for split in path.splits if split.percent]
    action: dict[str, Any] = {
        "weighted_clusters": {
            "clusters": [
                {"name": backend_name(split), "weight": split.percent, **set_headers(split.headers)} for split in shares
            ]
        },
        "timeout": "0s",
        "idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "retry_policy": RETRIES,
    }
    if path.rewrite_host:
        action["host_rewrite_literal"] = path.rewrite_host
    matches = [{"name": name, "string_match": {"exact": value}} for name, value in path.matches]
    return {
        "name": str(owner),
        "match": {"prefix": path.prefix, **({"headers": matches} if matches else {})},
        "route": action,
        **set_headers(path.headers),
    }


def set_headers(headers: Headers) -> Resource:
    """Sets them on the request over what the caller sent. A ``%`` would begin one of Envoy's variables, so it is doubled."""
    if not headers:
        return {}
    return {
        "request_headers_to_add": [
            {
                "header": {"key": name, "value": value.replace("%", "%%")},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                "keep_empty_value": True,
            }
            for name, value in headers
        ]
    }
