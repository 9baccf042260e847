"""Whether the names under which users reach the gateway lead anywhere from here, and what to do when they do not."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mlstack.app.people import provides
from mlstack.app.target import endpoints
from mlstack.core.results import Check, CheckState
from mlstack.core.routes import GATEWAY

if TYPE_CHECKING:
    from mlstack.app.session import Session

Resolve = Callable[[str], Sequence[str]]


def external_names(session: Session) -> list[str]:
    """The external name and those below it that have a service; none where there is no gateway."""
    if not provides(session, GATEWAY):
        return []
    host = session.render_facts.external.host
    routes = (point.route for point, enabled in endpoints(session) if enabled)
    below = {route.subdomain for route in routes if route and route.subdomain}
    return [host, *(f"{name}.{host}" for name in sorted(below))]


def name_checks(session: Session, resolve: Resolve) -> list[Check]:
    """What the resolver of this host says of them. Browsers take ``*.localhost`` for this host by themselves."""
    names = external_names(session)
    if not names or _needs_no_resolver(names[0]):
        return []
    missing = [name for name in names if not resolve(name)]
    if not missing:
        return [Check(name="external name", group="platform", state=CheckState.OK, detail=f"{names[0]} resolves")]
    address = (*session.render_facts.external.addresses, "ADDRESS")[0]
    return [
        Check(
            name="external name",
            group="platform",
            state=CheckState.FAILED,
            detail=f"{', '.join(missing)} does not resolve on this host",
            remedy=f"add the line '{address} {' '.join(missing)}' to /etc/hosts here and on every machine that uses the platform, "
            "or make such entries in your DNS; or leave gateway.host out to use a name below localhost",
        )
    ]


def _needs_no_resolver(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def tell_unresolved(session: Session) -> None:
    """Says it at ``up``, which goes on: the name may be made once its address is known."""
    from mlstack.adapters.resolve import addresses

    for check in name_checks(session, addresses):
        if check.state is not CheckState.OK:
            session.warn(f"{check.detail}; {check.remedy}")
