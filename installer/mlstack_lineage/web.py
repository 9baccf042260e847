"""The view over HTTP: ``/lineage/{namespace}/runs/{run}`` for whoever may see the runs of that namespace, and ``/healthz``."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mlstack_lineage.store import StoreError
from mlstack_lineage.tenants import Tenants
from mlstack_lineage.view import lineage
from mlstack_pod.kube import KubeError

May = Callable[[str, Sequence[str], str], bool]
"""(user, groups, namespace) -> whether the user may see the namespace's runs."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """Who is believed. user_header, groups_header: what the gateway sets; without a user header nobody is asked who they are,
    which is for a platform without users, where only the API server's forwarded ports reach this."""

    may: May
    user_header: str = ""
    groups_header: str = ""


def application(tenants: Tenants, door: Door) -> Starlette:
    """The application."""

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n" if tenants.ready else "not ready\n", 200 if tenants.ready else 503)

    async def run(request: Request) -> Response:
        return await run_in_threadpool(_run, request, tenants, door)

    return Starlette(routes=[Route("/healthz", health), Route("/lineage/{namespace}/runs/{run}", run)])


def _run(request: Request, tenants: Tenants, door: Door) -> Response:
    namespace, name = request.path_params["namespace"], request.path_params["run"]
    if door.user_header:
        users = request.headers.getlist(door.user_header)
        if len(users) != 1 or not users[0]:
            return _refused(401, "the request does not say who asks")
        try:
            allowed = door.may(users[0], groups_of(request.headers.get(door.groups_header, "")), namespace)
        except KubeError as error:
            _log.warning("cannot ask who may see namespace %s: %s", namespace, error)
            return _refused(503, "the cluster cannot be asked who may see this; try again")
        if not allowed:
            # the same as for a namespace that is not there: that it is there is nobody else's business
            return _refused(404, f"there is no run {name} in {namespace} that you may see")
    store = tenants.store(namespace)
    try:
        found = lineage(store, name) if store else None
    except StoreError as error:
        _log.warning("run %s of %s cannot be read: %s", name, namespace, error)
        return _refused(500, "the records of the run cannot be read")
    return JSONResponse(found) if found else _refused(404, f"there is no run {name} in {namespace} that you may see")


def groups_of(text: str) -> list[str]:
    """Groups as the gateway writes them: a list claim as base64url of JSON, a text claim as names with commas. Names that the
    cluster keeps for itself are dropped: no identity provider may make somebody the cluster's administrator."""
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        found = text.split(",")
    names = [str(name).strip() for name in (found if isinstance(found, list) else text.split(","))]
    return [name for name in names if name and not name.startswith("system:")]


def _refused(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)
