"""``mlstack verify --tenants``: two profiles for the time of the check, and whether the one can get at what is the other's."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import mlstack.adapters
from mlstack.app import observing
from mlstack.app.connecting import service_token
from mlstack.app.lifecycle import changing, show_plan
from mlstack.app.profiles import applied, change_record, namespace_of, profile_stack, purge_profiles
from mlstack.app.verifying import authority
from mlstack.core.actions import Report
from mlstack.core.errors import ExitCode, MlstackError, interrupted
from mlstack.core.events import Message
from mlstack.core.isolation import (
    CANARY,
    EDITOR,
    Attempt,
    Finding,
    Outcome,
    Victim,
    attempts,
    findings,
    own,
    plurals_of,
    probe_pod,
    questions,
    server,
)
from mlstack.core.model import Object, ResourceId
from mlstack.core.people import Profile
from mlstack.core.plan_services import OBJECT_STORE, provider_of
from mlstack.core.ports import ApiResource
from mlstack.core.probes import Probe
from mlstack.core.results import CaseResult
from mlstack.core.routes import GATEWAY, with_platform

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.ports import Kube

NAMES = (f"{CANARY}-a", f"{CANARY}-b")
"""The attacker and the victim. What a killed check left is deleted by the next one."""
STACK = "tenants"
POD_SECONDS = 120.0


def prepare(session: Session) -> None:
    """Takes away what a check that was killed left, and sees to it that only profiles will be changed.

    Raises ``profiles.no-stack``, ``verify.pending``, ``verify.no-image``.
    """
    profile_stack(session)
    _image(session)
    _discard(session)
    _nothing_pending(replace(session, seen=None))


def verify_tenants(session: Session) -> list[CaseResult]:
    """Tries to get from one profile at another, on what is prepared. Raises ``verify.no-pod``, ``run.interrupted``."""
    stack = profile_stack(session)
    image = _image(session)
    program = Path(mlstack.adapters.__file__).with_name("tenantprobe.py").read_text(encoding="utf-8")
    with _profiles(session), observing.reader(session) as kube:
        store = provider_of(stack, OBJECT_STORE)["endpoint"]
        plurals = plurals_of(obj for one in session.stacks for obj in one.objects)
        attacker, victim = (
            Victim(name, Profile(name, "").bucket, "", "", secrets.token_hex(8), store, stack.namespace)
            for name in NAMES
        )
        pod = _serve(session, kube, victim, image, program)
        victim = replace(victim, pod=pod["metadata"]["name"], address=pod["status"]["podIP"], plurals=plurals)
        return list(_cases(session, kube, _Duel(attacker, victim, image, program)))


@dataclass(frozen=True, slots=True)
class _Duel:
    """Attacker and victim, and what their pods run."""

    attacker: Victim
    victim: Victim
    image: str
    program: str


def _cases(session: Session, kube: Kube, duel: _Duel) -> Iterator[CaseResult]:
    began = time.monotonic()
    tried, home = attempts(duel.victim), own(duel.attacker)
    # the owner first: it writes what the other one then tries to read
    controlled = _ask(session, kube, duel, duel.victim, [(tried, True)])[0]
    at_home, attacked = _ask(session, kube, duel, duel.attacker, [(home, True), (tried, False)])
    for number, need in enumerate(home):
        there = at_home.get(number, Outcome(False, "not tried"))
        error = "" if there.reached else f"it does not: {there.told}; nothing is proved by refusals elsewhere"
        yield CaseResult(name=f"the attacker reaches {need.name}", stack=STACK, seconds=0.0, error=error)
    found = [*findings(tried, attacked, controlled), *_by_gateway(session, kube)]
    seconds = (time.monotonic() - began) / max(1, len(found))
    for one in found:
        yield CaseResult(name=f"another profile may not {one.name}", stack=STACK, seconds=seconds, error=one.error)
    session.emit(Message(text=f"tenants: {len(found)} attempts, {sum(bool(one.error) for one in found)} with an error"))


def _ask(
    session: Session, kube: Kube, duel: _Duel, who: Victim, asked: Sequence[tuple[Sequence[Attempt], bool]]
) -> list[dict[int, Outcome]]:
    """Has a pod of a profile try lists of attempts, each with what is wanted of it; gives the outcomes by place in its list."""
    joined: list[dict[str, object]] = []
    for number, (tried, wanted) in enumerate(asked):
        joined += [{**one, "id": f"{number}.{one['id']}"} for one in questions(tried, wanted=wanted)]
    variables = {"QUESTIONS": json.dumps(joined)}
    kube.create(probe_pod("probe", who.namespace, duel.image, duel.program, variables, keys=who.bucket))
    pod = f"{CANARY}-probe"
    _phase(session, kube, who.namespace, pod, ("Succeeded", "Failed"))
    found: list[dict[int, Outcome]] = [{} for _ in asked]
    for line in kube.logs(who.namespace, pod):
        if line.startswith("{"):
            told = json.loads(line)
            group, _, number = told["id"].partition(".")
            found[int(group)][int(number)] = Outcome(told["reached"], told["told"])
    return found


def _by_gateway(session: Session, kube: Kube) -> Iterator[Finding]:
    """The same by services behind the gateway that act with the caller's token."""
    from mlstack.adapters.gateway import GatewayClient

    routes = with_platform(session.selection, session.render_facts).platform["routes"]
    routes = [one for one in routes if one["forwardToken"] and not one["subdomain"]]
    if not routes or not session.exports(GATEWAY):
        return
    client = GatewayClient(session.render_facts.external.url, authority(session, kube))
    tokens = [service_token(session, kube, f"{name}/{EDITOR}", 600, forwarded=True)[0] for name in NAMES]
    for route in routes:
        path = route["prefix"] + route["tenantPath"].format(namespace=NAMES[1])
        stranger, owner = (
            client.send(Probe("tenant", path, "GET", path, (("Authorization", f"Bearer {token}"),))) for token in tokens
        )
        error = "" if stranger.status in (401, 403) else f"another profile may: {stranger.status}"
        if not error and owner.status != 200:
            error = f"its owner may not either ({owner.status}): nothing is proved"
        yield Finding(f"read {path} through the gateway", error)


def _serve(session: Session, kube: Kube, victim: Victim, image: str, program: str) -> Object:
    """The victim's pod, running, with the secret and the service that belong to it."""
    for obj in server(victim.namespace, image, program, victim.word):
        kube.create(obj)
    return _phase(session, kube, victim.namespace, f"{CANARY}-server", ("Running", "Failed"))


def _phase(session: Session, kube: Kube, namespace: str, name: str, phases: Sequence[str]) -> Object:
    """Waits for a pod's phase. Raises ``verify.no-pod``, ``run.interrupted``."""
    resource = ApiResource("v1", "Pod", "pods", namespaced=True)
    until, phase = time.monotonic() + POD_SECONDS, "absent"
    while time.monotonic() < until:
        for event in kube.watch(resource, namespace=namespace, fields=f"metadata.name={name}", timeout=5.0):
            _stop_if_asked(session)
            phase = event.object.get("status", {}).get("phase", phase)
            if phase in phases and event.object["status"].get("podIP"):
                return event.object
        _stop_if_asked(session)
    raise MlstackError(
        "verify.no-pod",
        f"Pod/{namespace}/{name} is {phase} after {POD_SECONDS:.0f} s",
        remedy="run `mlstack status`; the node may be out of memory or still loading images",
    )


def _stop_if_asked(session: Session) -> None:
    """Raises ``run.interrupted`` after Ctrl-C."""
    if session.cancelled():
        raise interrupted("the check of the walls between profiles")


@contextmanager
def _profiles(session: Session) -> Iterator[None]:
    """Makes both profiles, and deletes them with all that is in them, whatever happened."""
    try:
        with changing(session, "verify") as mine:
            with observing.reader(mine) as kube:
                for name in NAMES:
                    kube.create(namespace_of(mine.name, Profile(name, f"{name}@example.org")))
            _done(applied(mine))
        yield
    finally:
        _discard(replace(session, cancelled=lambda: False, seen=None))


def _discard(session: Session) -> None:
    with observing.reader(session) as kube:
        there = [name for name in NAMES if kube.get(ResourceId("Namespace", name)) is not None]
        if not there:
            return
        with changing(session, "verify") as mine:
            for name in there:
                change_record(mine, kube, name, lambda found: replace(found, removed=True, declared=False))
            _done(applied(mine))
            _done(purge_profiles(mine, profile_stack(mine), there, "verify"))


def _done(report: Report) -> None:
    """Raises the first error of a run that failed."""
    if not report.ok:
        found = next((one.error for one in report.outcomes if one.error), {})
        raise MlstackError(
            found.get("code", "run.interrupted"),
            found.get("what", "interrupted"),
            why=found.get("why", ""),
            remedy=found.get("remedy", "") or "run it again: it takes over what is left",
            exit_code=ExitCode.FAILED if found else ExitCode.INTERRUPTED,
        )


def _nothing_pending(session: Session) -> None:
    """Profiles are made by an ``up``, which must not change anything else. Raises ``verify.pending``."""
    changes = show_plan(session, "up").actions
    if changes:
        raise MlstackError(
            "verify.pending",
            "the platform is not what the configuration says, so what would be verified is not it",
            why=f"'up' would take {len(changes)} steps, such as: {changes[0].title}",
            remedy="run `mlstack up` first",
            exit_code=ExitCode.NOT_READY,
        )


def _image(session: Session) -> str:
    """An image with Python that the nodes have. Raises ``verify.no-image``."""
    for stack in session.stacks:
        for image in stack.images:
            if image.build and image.build.python:
                return image.ref
    raise MlstackError(
        "verify.no-image",
        "no image of the platform has Python, which the check's pods run",
        remedy="enable a stack whose image is made with Python, such as argo-workflows",
        exit_code=ExitCode.USAGE,
    )
