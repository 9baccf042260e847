"""What the page says about a scene: plain data for the templates. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from mlstack.cli import words
from mlstack.cli.landing.board import Scene
from mlstack.cli.progress import Group, Phase, Run, Step
from mlstack.cli.render_json import masked
from mlstack.core.redact import redact
from mlstack.core.results import EndpointInfo, Status

PORTAL = "gateway"
"""Name of the endpoint that the page hands over to."""
RUNNING_SHOWN = 8
PENDING_SHOWN = 5
TOOLS = ("host", "images", "cluster")
"""Groups whose logs are files on this host; every other group is a stack, whose logs are those of its pods."""
STATES = {
    Phase.QUEUED: "waiting for its turn",
    Phase.RUNNING: "working",
    Phase.DONE: "done",
    Phase.FAILED: "failed",
    Phase.BLOCKED: "not started",
}
Command = Callable[[str], str]
Files = Mapping[str, Sequence[str]]


def make_view(scene: Scene, now: float, command: Command, files: Files) -> dict[str, Any]:
    """The whole page, not yet ``safe`` to show.

    now: seconds since the epoch; command: what to type for a command; files: group -> names of its logs.
    """
    run = scene.run
    stage = _stage(scene)
    endpoints = _endpoints(scene.status, command)
    return {
        "stage": stage,
        "title": _title(scene, stage),
        "summary": _summary(scene, stage, now),
        "fraction": round(1.0 if stage == "ok" else run.fraction(now), 3),
        "begun": bool(run.steps),
        "groups": [_group(run, group, now, files.get(group.name, ())) for group in run.groups.values()],
        "errors": _errors(scene),
        "question": [line for line in scene.question if line.strip()],
        "messages": [{"level": one.level, "text": one.text} for one in scene.messages],
        "endpoints": endpoints,
        "hints": _hints(scene.status, command),
        "portal": next((one["url"] for one in endpoints if one["name"] == PORTAL and one["link"]), ""),
        "resumable": scene.resumable,
        "again": command("up"),
        "ended": scene.ended,
        "announce": _announcement(scene, stage),
    }


def safe(view: Mapping[str, Any]) -> dict[str, Any]:
    """The page without what looks like a secret in any text of it. Not under the board's lock: it is the slow part."""
    clean: dict[str, Any] = masked(view, _mask)
    return clean


@lru_cache(maxsize=4096)
def _mask(text: str) -> str:
    """Most texts are the same from one state to the next."""
    return redact(text)


def _stage(scene: Scene) -> str:
    """``asking``, ``starting``, ``running``, or how it ended."""
    if scene.outcome:
        return scene.outcome
    if scene.question:
        return "asking"
    return "running" if scene.run.command else "starting"


def _title(scene: Scene, stage: str) -> str:
    name = f"'{scene.run.instance}'" if scene.run.instance else "The platform"
    return {
        "asking": "A question is open in the terminal",
        "starting": "Looking at this machine and at what is there",
        "running": f"Bringing '{scene.run.instance}' up",
        "ok": f"'{scene.status.instance}' is running" if scene.status else f"{name} is running",
        "failed": f"{name} is not up yet",
        "interrupted": "Stopped",
    }[stage]


def _summary(scene: Scene, stage: str, now: float) -> str:
    run = scene.run
    if stage == "interrupted":
        return "What is done is kept; the next run goes on from there."
    if not run.steps:
        return "Everything is as the configuration says." if stage == "ok" else ""
    steps = f"{run.count(Phase.DONE)} of {words.plural(len(run.steps), 'step')} done"
    if stage != "running":
        return f"{steps} in {words.duration(run.seconds)}"
    left = run.remaining(now)
    return f"{steps}, {words.clock(now - run.started)} so far{f', {words.about(left)} left' if left else ''}"


def _announcement(scene: Scene, stage: str) -> str:
    """What a screen reader says: changes with the stage and with every part that is done, not every second."""
    groups = scene.run.groups.values()
    done = sum(group.phase is Phase.DONE for group in groups)
    parts = f": {done} of {words.plural(len(groups), 'part')} done" if groups and stage == "running" else ""
    return f"{_title(scene, stage)}{parts}"


def _group(run: Run, group: Group, now: float, files: Sequence[str]) -> dict[str, Any]:
    running = group.running()
    seconds = group.seconds(now)
    blocked = [step for step in group.steps if step.phase is Phase.BLOCKED]
    return {
        "name": group.name,
        "phase": group.phase.value,
        "state": _state(run, group),
        "count": f"{group.finished} of {words.plural(len(group.steps), 'step')}",
        "clock": words.clock(seconds) if seconds else "",
        "steps": [_step(step, now) for step in running[:RUNNING_SHOWN]],
        "more": max(0, len(running) - RUNNING_SHOWN),
        "because": ", ".join(run.titles([blocked[0].because])) if blocked else "",
        "log": "" if group.name in TOOLS else group.name,
        "files": [{"name": name, "id": f"{group.name}/{name}"} for name in files],
    }


def _state(run: Run, group: Group) -> str:
    """What a part does, or what it waits for while none of its steps runs."""
    waits = group.phase in (Phase.QUEUED, Phase.RUNNING) and not group.running()
    names = run.holding_up(group) if waits else []
    return f"waits for {', '.join(names)}" if names else STATES[group.phase]


def _step(step: Step, now: float) -> dict[str, Any]:
    known = bool(step.total or step.info.estimate)
    return {
        "title": step.info.title,
        "clock": words.clock(now - step.started),
        "fraction": round(step.fraction(now), 3) if known else None,
        "amount": words.amount(step.done, step.total, step.unit) if step.done or step.total else "",
        "message": step.message,
        "pending": [{"resource": one.resource, "reason": one.reason} for one in step.pending[:PENDING_SHOWN]],
        "more": max(0, len(step.pending) - PENDING_SHOWN),
    }


def _errors(scene: Scene) -> list[dict[str, Any]]:
    """What failed: steps of the run, then what ended the attempt, a collection of problems one by one."""
    found = [
        {"where": f"{step.info.group}: {step.info.title}", **step.error}
        for step in scene.run.steps.values()
        if step.phase is Phase.FAILED
    ]
    if scene.error:
        found += [dict(one) for one in scene.error.get("problems", ())] or [dict(scene.error)]
    names = ("where", "place", "what", "code", "why", "remedy", "see")
    return [{name: error.get(name, "") for name in names} for error in found]


def _endpoints(status: Status | None, command: Command) -> list[dict[str, Any]]:
    return [_endpoint(one, command) for one in status.endpoints] if status else []


def _endpoint(one: EndpointInfo, command: Command) -> dict[str, Any]:
    login = command(f"credentials {one.credential}") if one.credential else ""
    link = one.url.startswith(("http://", "https://"))
    return {"name": one.name, "url": one.url, "link": link, "doc": one.doc, "login": login}


def _hints(status: Status | None, command: Command) -> list[dict[str, str]]:
    if status is None:
        return []
    first = next((name for name in ("hello", *status.samples) if name in status.samples), "")
    wanted = {f"run {first} --watch": "run a first sample"} if first else {}
    wanted |= {"credentials": "the generated logins", "status": "how it is", "stop": "stop it and keep everything"}
    return [{"command": command(text), "meaning": meaning} for text, meaning in wanted.items()]
