"""Server certificates as facts: which names one must be for, and when a new one is due. Pure; times are seconds since the epoch."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

DAY = 86400.0
RENEW_BEFORE = 30 * DAY
"""A certificate is replaced this long before it ends, so that a weekly ``up`` never meets one that has ended."""
LONGEST = 397 * DAY
"""What browsers take from public authorities is 398 days, and 397 are recommended (support.apple.com/102028); authorities that
users add are exempt from that, but strict clients hold them to the same."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a server certificate says. names: DNS names and IP addresses; fingerprint: SHA-256 in hex with colons.

    ours: the instance's authority has signed it.
    """

    names: tuple[str, ...]
    begins: float
    ends: float
    fingerprint: str = ""
    issuer: str = ""
    ours: bool = True


def is_address(name: str) -> bool:
    """Whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def server_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names a certificate can be for, each once: an address has no subdomains, so its wildcard is left out."""
    lowered = (name.lower().rstrip(".") for name in names)
    return tuple(dict.fromkeys(name for name in lowered if not is_address(name.removeprefix("*.")) or "*" not in name))


def why_due(facts: CertificateFacts, wanted: Iterable[str], now: float) -> str:
    """Why a new certificate is needed, for people; empty when this one will do."""
    if problem := fault(facts, wanted, now):
        return problem
    if facts.ends - now < RENEW_BEFORE:
        return f"it ends {_when(facts.ends, now)}"
    if facts.ends - facts.begins > LONGEST:
        return f"it is valid for {(facts.ends - facts.begins) / DAY:.0f} days, longer than browsers like"
    return ""


def fault(facts: CertificateFacts, wanted: Iterable[str], now: float) -> str:
    """Why clients refuse it now; empty when they take it."""
    if facts.ends <= now:
        return f"it ended {_when(facts.ends, now)}"
    if facts.begins > now:
        return f"it begins only {_when(facts.begins, now)}: check the clock of this host"
    missing = [name for name in server_names(wanted) if name not in facts.names]
    if missing:
        return f"it is not for {', '.join(missing)}"
    if not facts.ours:
        return "another authority has signed it"
    return ""


def covers(names: Iterable[str], host: str) -> bool:
    """Whether a certificate for the names is one for the host; a wildcard stands for one label (RFC 6125, section 6.4.3)."""
    host = host.lower().strip("[]")
    parent = host.partition(".")[2]
    return any(name == host or (bool(parent) and name == f"*.{parent}" and not is_address(host)) for name in names)


def _when(time: float, now: float) -> str:
    days = abs(time - now) / DAY
    text = f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
    return f"{text} ago" if time <= now else f"in {text}"
