"""Results as text for people: tables, the summary after ``up``, a plan. Returns lines, prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlstack.cli import words
from mlstack.core.actions import Action, Apply, Plan, Wait
from mlstack.core.model import ClusterState
from mlstack.core.results import Check, CheckState, Credential, EndpointInfo, ParamInfo, StackInfo, StackStatus, Status

GAP = "  "
CHECK_MARKS = {
    CheckState.OK: "ok",
    CheckState.WARNING: "warning",
    CheckState.FAILED: "FAILED",
    CheckState.FIXED: "mended",
    CheckState.SKIPPED: "-",
}
CLUSTER_WORDS = {
    ClusterState.ABSENT: "not there",
    ClusterState.STOPPED: "stopped",
    ClusterState.RUNNING: "running",
    ClusterState.BROKEN: "broken",
    ClusterState.FOREIGN: "not made by mlstack",
}
PLAN_SHOWN = 8


def table(rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> list[str]:
    """Columns as wide as their widest cell; the last one is not padded."""
    every = [header, *rows] if header else list(rows)
    if not every:
        return []
    widths = [max(len(row[column]) for row in every) for column in range(len(every[0]))]
    lines = []
    for row in every:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append(GAP.join([*cells, row[-1]]).rstrip())
    return lines


def endpoints(found: Sequence[EndpointInfo], command: Callable[[str], str]) -> list[str]:
    """What can be opened, and the command that shows its login."""
    rows = []
    for endpoint in found:
        login = f"login: {command(f'credentials {endpoint.credential}')}" if endpoint.credential else ""
        # what people open is behind the gateway; programs need a name that every resolver knows
        url = endpoint.routed if endpoint.routed and endpoint.scheme.startswith("http") else endpoint.url
        rows.append((endpoint.name, url, login or endpoint.doc))
    return [f"  {line}" for line in table(rows)]


def summary(status: Status, command: Callable[[str], str]) -> list[str]:
    """The end of a successful ``up`` or ``start``: what is running, where, and what to try. It holds no credential."""
    names = ", ".join(f"{stack.name} {stack.version}" for stack in status.stacks)
    lines = ["", f"'{status.instance}' is running: {names}." if names else f"'{status.instance}' is running."]
    if status.endpoints:
        lines += ["", "Open or connect to:", *endpoints(status.endpoints, command)]
    first = next((name for name in ("hello", *status.samples) if name in status.samples), "")
    hints = [
        *([(command(f"run {first} --watch"), "run a first sample")] if first else []),
        *([(command("run --list"), "all samples")] if len(status.samples) > 1 else []),
        (command("credentials"), "the generated logins"),
        (command("status"), "how it is"),
        (command("stop"), "stop it and keep everything"),
        (command("down"), "remove it"),
    ]
    return [*lines, "", "Next:", *(f"  {line}" for line in table(hints))]


def status_lines(status: Status, command: Callable[[str], str]) -> list[str]:
    """``mlstack status``."""
    kubernetes = f", Kubernetes {status.kubernetes}" if status.kubernetes else ""
    nodes = f", {words.plural(len(status.nodes), 'node')}" if status.nodes else ""
    lines = [f"{status.instance}: {CLUSTER_WORDS[status.cluster]} ({status.provider}{kubernetes}{nodes})"]
    if status.unfinished:
        lines.append(f"The last '{status.unfinished}' was interrupted: '{command(status.unfinished)}' goes on with it.")
    if status.cluster is ClusterState.ABSENT:
        return [*lines, f"'{command('up')}' makes it."]
    if status.cluster is ClusterState.STOPPED:
        return [*lines, f"'{command('start')}' starts it."]
    rows = [(stack.name, stack.version, f"{stack.ready}/{stack.total}", _stack_state(stack)) for stack in status.stacks]
    rows += [(name, "", "", f"not installed: '{command('up')}' installs it") for name in status.missing]
    lines += ["", *table(rows, ("STACK", "VERSION", "READY", "STATE"))] if rows else []
    for stack in status.stacks:
        lines += [f"  {stack.name}: {pending.resource}: {pending.reason}" for pending in stack.pending]
    lines += ["", *endpoints(status.endpoints, command)] if status.endpoints else []
    return [*lines, "", f"kubeconfig: {status.kubeconfig}"] if status.kubeconfig else lines


def _stack_state(stack: StackStatus) -> str:
    return (
        "ready"
        if stack.healthy
        else f"waiting for {words.plural(len(stack.pending) or stack.total - stack.ready, 'object')}"
    )


def plan_lines(plan: Plan, *, verbose: bool) -> list[str]:
    """``mlstack plan``: the actions group by group with their reasons; verbose: each one."""
    if not plan.actions:
        return [
            f"'{plan.instance}' is as the configuration says; {words.plural(len(plan.unchanged), 'object')} unchanged."
        ]
    lines = [f"'{plan.command}' of '{plan.instance}' would take {words.plural(len(plan.actions), 'step')}:"]
    groups: dict[str, list[Action]] = {}
    for action in plan.actions:
        groups.setdefault(action.group, []).append(action)
    for name, actions in groups.items():
        shown = [action for action in actions if verbose or not isinstance(action, Wait)]
        lines += ["", f"{name}:"]
        rows = [(f"  {action.title}", action.why) for action in shown[: None if verbose else PLAN_SHOWN]]
        lines += table(rows)
        rest = len(shown) - len(rows)
        lines += [f"  and {rest} more (--verbose shows all)"] if rest > 0 else []
    applied = sum(isinstance(action, Apply) for action in plan.actions)
    lines += ["", f"{words.plural(applied, 'object')} to apply, {len(plan.unchanged)} unchanged."]
    return [*lines, *(f"note: {note}" for note in plan.notes)]


def check_lines(checks: Sequence[Check]) -> list[str]:
    """``mlstack doctor``: findings by group, the remedy below each that needs one."""
    lines: list[str] = []
    for group in dict.fromkeys(check.group for check in checks):
        lines += ["", f"{group}:"] if lines else [f"{group}:"]
        for check in checks:
            if check.group == group:
                lines.append(
                    f"  {CHECK_MARKS[check.state]:<8} {check.name}{f': {check.detail}' if check.detail else ''}"
                )
                if check.remedy and check.state in (CheckState.WARNING, CheckState.FAILED):
                    lines.append(f"           do: {check.remedy}{' (doctor --fix does it)' if check.fixable else ''}")
    return lines


def credential_lines(found: Sequence[Credential]) -> list[str]:
    """``mlstack credentials``: the only place that shows values."""
    lines: list[str] = []
    for credential in found:
        lines += ["", credential.name] if lines else [credential.name]
        rows = [("  url", credential.url)] if credential.url else []
        lines += table([*rows, *((f"  {key}", value) for key, value in credential.values.items())])
        lines += [f"  ({credential.doc})"] if credential.doc else []
    return lines


def stack_rows(found: Sequence[StackInfo]) -> list[str]:
    """``stack list`` and ``addon list``."""
    rows = [
        (
            info.name,
            _version(info, info.version, "registry"),
            "on" if info.enabled else "off",
            info.installed or "-",
            info.summary,
        )
        for info in found
    ]
    return table(rows, ("NAME", "VERSION", "WANTED", "INSTALLED", "SUMMARY"))


def _version(info: StackInfo, version: str, note: str = "images from a registry only") -> str:
    return f"{version} ({note})" if version in info.registry_only else version


def stack_lines(info: StackInfo) -> list[str]:
    """``stack show``."""
    rows = [
        ("version", _version(info, info.version)),
        ("other versions", ", ".join(_version(info, one) for one in info.versions if one != info.version) or "none"),
        ("wanted", "yes" if info.enabled else "no"),
        ("installed", info.installed or "no"),
        ("license", info.license),
        ("homepage", info.homepage or "none"),
        ("requires", ", ".join(info.requires) or "nothing"),
        ("provides", ", ".join(info.provides) or "nothing"),
        ("endpoints", ", ".join(info.endpoints) or "none"),
        ("samples", ", ".join(info.samples) or "none"),
        ("images", ", ".join(info.images) or "none"),
    ]
    return [
        f"{info.name}: {info.summary}",
        "",
        *table(rows),
        *(["", "Parameters:", *param_lines(info.params)] if info.params else []),
    ]


def param_lines(params: Sequence[ParamInfo]) -> list[str]:
    """Parameters with type, value, what is allowed and what they mean."""
    rows = []
    for param in params:
        value = (
            f"{param.value} (default {param.default})"
            if param.value not in (None, param.default)
            else str(param.default)
        )
        rows.append((param.name, param.type, value, param.allowed or "any", param.doc))
    return table(rows, ("PARAM", "TYPE", "VALUE", "ALLOWED", "MEANING"))
