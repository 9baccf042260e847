"""Certificates, connections and explanations as text for people. Returns lines, prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlstack.cli.show import table
from mlstack.core.accessresults import CertificateInfo, Connection, Trust
from mlstack.core.authzresult import SILENT, Explanation


def certificate_lines(found: Sequence[CertificateInfo], rotate: str) -> list[str]:
    """``mlstack certs show``."""
    if not found:
        return ["The platform has no certificate."]
    lines: list[str] = []
    for one in found:
        rows = [
            ("  names", ", ".join(one.names) or "(it signs the others)"),
            ("  until", one.ends.replace("+00:00", "Z")),
            ("  issuer", one.issuer),
            ("  SHA-256", one.fingerprint),
        ]
        lines += ["", one.name] if lines else [one.name]
        lines += table(rows)
        lines += [f"  clients refuse it: {one.fault}; '{rotate}' issues a new one"] if one.fault else []
        lines += [f"  due: {one.due}; '{rotate}' issues a new one"] if one.due and not one.fault else []
    return lines


def trust_lines(trust: Trust) -> list[str]:
    """``mlstack certs trust``."""
    rows = [
        ("certificate", str(trust.authority)),
        ("until", trust.ends.replace("+00:00", "Z")),
        ("SHA-256", trust.fingerprint),
    ]
    lines = ["The platform's authority; compare the fingerprint before you trust a copy:", ""]
    lines += [f"  {line}" for line in table(rows)]
    for step in trust.steps:
        lines += ["", f"{step.system}{f' ({step.note})' if step.note else ''}:"]
        lines += [f"  {command}" for command in step.commands]
        lines += [f"  undo: {step.undo}"] if step.undo else []
    return lines


def connection_rows(found: Sequence[Connection], command: Callable[[str], str]) -> list[str]:
    """``mlstack connect`` without a name."""
    if not found:
        return ["Nothing of the platform can be connected to."]
    rows = [(one.name, one.url, one.login or "open", one.doc) for one in found]
    return [
        *table(rows, ("NAME", "URL", "LOGIN", "WHAT")),
        "",
        f"'{command('connect NAME')}' says how to connect to one.",
    ]


def connection_lines(one: Connection, command: Callable[[str], str]) -> list[str]:
    """``mlstack connect NAME``: what there is, and how to get it ready for use. No secret."""
    ways = {"gateway": "through the gateway", "host": "on this host"}
    logins = {
        "token": f"a token of the service account {one.account}, made by each of the commands below",
        "credential": command(f"credentials {one.credential}"),
    }
    rows = [
        ("url", f"{one.url} ({ways[one.via]})"),
        ("login", logins.get(one.login, "none")),
        *([("authority", one.authority)] if one.authority else []),
        *([("what", one.doc)] if one.doc else []),
    ]
    hints = [
        (f'eval "$({command(f"connect {one.name} --print env")})"', "variables for programs of this shell"),
        (command(f"connect {one.name} --print python"), "a Python program"),
        (command(f"connect {one.name} --print curl"), "a curl command"),
    ]
    return [one.name, *(f"  {line}" for line in table(rows)), "", *(f"  {line}" for line in table(hints))]


def explanation_lines(found: Explanation) -> list[str]:
    """``mlstack auth explain``."""
    lines = [f"{number}. {step.by}: {step.text}" for number, step in enumerate(found.steps, 1)]
    status = f"{found.status}" if found.status else "as the service says"
    lines += ["", f"answer: {status} ({found.decision.value})"]
    lines += [f"identity: {found.user}"] if found.user else []
    lines += [f"not looked at: {', '.join(found.open_points)}"] if found.open_points else []
    if found.answer:
        who = "the service" if found.answer.by_service else "the gateway"
        who += (
            ", since the service does not answer"
            if found.answer.status in SILENT and not found.answer.by_service
            else ""
        )
        reason = f", '{found.answer.reason}'" if found.answer.reason else ""
        target = f" -> {found.answer.location}" if found.answer.location else ""
        lines += [f"really:  {found.answer.status} from {who}{target}{reason}"]
        lines += ["the prediction holds" if found.agrees else "the prediction does NOT hold"]
    return lines
