"""Clocks that are compared because tokens and certificates are only valid for a time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mlstack.core.authztoken import SKEW
from mlstack.core.results import Check, CheckState

NOTICE = 10.0
"""Seconds from which on a difference is worth a word; renewals of a node's Lease are this far apart."""
LATE = 40.0
"""Seconds that a Lease of a node that is ready may be old; an older one was written by a clock that is behind."""
REMEDY = "set the clock of {} by a time service (chrony, systemd-timesyncd, ntpd)"


def clock_checks(host: float, server: float, leases: Mapping[str, str]) -> list[Check]:
    """host, server: seconds since the epoch at the same moment; leases: ready node -> when its kubelet renewed its Lease, by
    the node's own clock (RFC 3339)."""
    found = [_check("this host", host - server, "the cluster's")]
    for node, renewed in sorted(leases.items()):
        ahead = datetime.fromisoformat(renewed).timestamp() - server
        if ahead > NOTICE or ahead < -LATE:
            found.append(_check(f"node {node}", ahead, "the API server's"))
    return found


def _check(whose: str, ahead: float, than: str) -> Check:
    if abs(ahead) <= NOTICE:
        return Check(name="clock", group="platform", state=CheckState.OK, detail=f"{whose} and the cluster agree")
    state = CheckState.FAILED if abs(ahead) > SKEW else CheckState.WARNING
    detail = f"the clock of {whose} is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} {than}"
    if state is CheckState.FAILED:
        detail += "; fresh tokens are refused as expired or not yet valid"
    return Check(name="clock", group="platform", state=state, detail=detail, remedy=REMEDY.format(whose))
