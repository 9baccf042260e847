"""Reads an Ingress object strictly: what a gateway would refuse must not get there, since it would refuse all the rest with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlstack_ingress.model import Headers, Ingress, InvalidIngress, Path, Rule, Split, Tls

HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
TEXT = re.compile(r"[\x20-\x7e]{0,4096}")
PREFIX = re.compile(r"/[\x21\x22\x24-\x3e\x40-\x7e]{0,4095}")
"""Visible characters but ``?`` and ``#``, which end a path."""
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
OWN_HEADERS = ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer")
"""What frames a message; setting one would change what the next hop reads as the request's end."""


def parse_ingress(obj: Mapping[str, Any]) -> Ingress:
    """The object's request. Raises InvalidIngress with everything that is wrong, each with its place."""
    meta, spec = obj["metadata"], obj.get("spec") or {}
    problems: list[str] = []
    namespace = str(meta["namespace"])
    rules = tuple(_rule(rule, f"spec.rules[{index}]", problems) for index, rule in enumerate(spec.get("rules") or []))
    tls = tuple(_tls(one, f"spec.tls[{index}]", namespace, problems) for index, one in enumerate(spec.get("tls") or []))
    option = spec.get("httpOption") or "Enabled"
    if option not in ("Enabled", "Redirected"):
        problems.append(f"spec.httpOption: {option!r} is neither Enabled nor Redirected")
    if not rules:
        problems.append("spec.rules: there are none")
    if problems:
        raise InvalidIngress(problems)
    return Ingress(
        namespace=namespace,
        name=str(meta["name"]),
        uid=str(meta["uid"]),
        generation=int(meta.get("generation") or 1),
        created=str(meta.get("creationTimestamp") or ""),
        rules=rules,
        tls=tls,
        redirect=option == "Redirected",
    )


def _rule(rule: Mapping[str, Any], place: str, problems: list[str]) -> Rule:
    hosts = _hosts(rule.get("hosts"), f"{place}.hosts", problems)
    visibility = rule.get("visibility") or "ExternalIP"
    if visibility not in ("ExternalIP", "ClusterLocal"):
        problems.append(f"{place}.visibility: {visibility!r} is neither ExternalIP nor ClusterLocal")
    paths = (rule.get("http") or {}).get("paths") or []
    if not paths:
        problems.append(f"{place}.http.paths: there are none")
    parsed = tuple(_path(path, f"{place}.http.paths[{index}]", problems) for index, path in enumerate(paths))
    return Rule(hosts=hosts, paths=parsed, local=visibility == "ClusterLocal")


def _hosts(hosts: Any, place: str, problems: list[str]) -> tuple[str, ...]:
    if not hosts:
        problems.append(f"{place}: there are none")
    found = tuple(str(host) for host in hosts or [])
    problems.extend(f"{place}: {host!r} is no host name" for host in found if not HOST.fullmatch(host))
    return tuple(dict.fromkeys(found))


def _path(path: Mapping[str, Any], place: str, problems: list[str]) -> Path:
    prefix = str(path.get("path") or "/")
    if not PREFIX.fullmatch(prefix):
        problems.append(f"{place}.path: {prefix!r} is no path")
    matches = {name: (match or {}).get("exact") or "" for name, match in (path.get("headers") or {}).items()}
    rewrite = str(path.get("rewriteHost") or "")
    if rewrite and not HOST.fullmatch(rewrite):
        problems.append(f"{place}.rewriteHost: {rewrite!r} is no host name")
    return Path(
        prefix=prefix,
        splits=tuple(_splits(path.get("splits") or [], f"{place}.splits", problems)),
        matches=_headers(matches, f"{place}.headers", problems),
        headers=_set_headers(path, place, problems),
        rewrite_host=rewrite,
    )


def _splits(splits: list[Mapping[str, Any]], place: str, problems: list[str]) -> Iterator[Split]:
    if not splits:
        problems.append(f"{place}: there are none")
    total = 0
    for index, split in enumerate(splits):
        where = f"{place}[{index}]"
        service = (str(split.get("serviceNamespace") or ""), str(split.get("serviceName") or ""))
        if not (LABEL.fullmatch(service[0]) and NAME.fullmatch(service[1])):
            problems.append(f"{where}: '{'/'.join(service)}' names no Service")
        percent = split.get("percent") or (100 if len(splits) == 1 else 0)
        if not isinstance(percent, int) or not 0 <= percent <= 100:
            problems.append(f"{where}.percent: {percent!r} is no number from 0 to 100")
            percent = 0
        total += percent
        port = _port(split.get("servicePort"), where, problems)
        yield Split(service=service, port=port, percent=percent, headers=_set_headers(split, where, problems))
    if splits and total != 100:
        problems.append(f"{place}: the percentages make {total}, not 100")


def _port(port: Any, place: str, problems: list[str]) -> int | str:
    number = int(port) if isinstance(port, str) and port.isascii() and port.isdigit() and len(port) < 6 else port
    good = isinstance(number, int) and not isinstance(number, bool) and 0 < number < 65536
    if not good and not (isinstance(number, str) and LABEL.fullmatch(number)):
        problems.append(f"{place}.servicePort: {port!r} is neither a port's number nor its name")
        return 0
    return number


def _set_headers(part: Mapping[str, Any], place: str, problems: list[str]) -> Headers:
    headers = _headers(part.get("appendHeaders") or {}, f"{place}.appendHeaders", problems)
    problems.extend(
        f"{place}.appendHeaders: {name!r} cannot be set" for name, _ in headers if name.lower() in OWN_HEADERS
    )
    return headers


def _headers(headers: Mapping[str, Any], place: str, problems: list[str]) -> Headers:
    for name, value in headers.items():
        if not TOKEN.fullmatch(name):
            problems.append(f"{place}: {name!r} is no header's name")
        elif not TEXT.fullmatch(str(value)):
            problems.append(f"{place}: the value of {name!r} has characters that no header may have, or is too long")
    return tuple(sorted((name, str(value)) for name, value in headers.items()))


def _tls(tls: Mapping[str, Any], place: str, namespace: str, problems: list[str]) -> Tls:
    hosts = _hosts(tls.get("hosts"), f"{place}.hosts", problems)
    secret = (str(tls.get("secretNamespace") or namespace), str(tls.get("secretName") or ""))
    if not (LABEL.fullmatch(secret[0]) and NAME.fullmatch(secret[1])):
        problems.append(f"{place}: '{'/'.join(secret)}' names no Secret")
    return Tls(hosts=hosts, secret=secret)
