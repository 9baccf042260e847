"""Uses the running platform: samples, credentials, the checks of ``mlstack test``."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.adapters.pipelinesapi import PipelinesApi
from mlstack.app import observing
from mlstack.app.certs import authority_text
from mlstack.app.listing import samples
from mlstack.app.people import no_profile
from mlstack.app.reading import endpoint_infos, stack_status
from mlstack.core.errors import ExitCode, MlstackError, did_you_mean
from mlstack.core.ground import stands_on
from mlstack.core.model import ResourceId
from mlstack.core.people import IDENTITY_PROVIDER
from mlstack.core.plan_services import first_password
from mlstack.core.resolve import unknown
from mlstack.core.results import Credential, SampleResult, StackStatus, TestReport
from mlstack.core.sample import find_sample, sample_object
from mlstack.engine.inventory import read_inventories
from mlstack.engine.observe import observe_objects
from mlstack.engine.samplekinds import PipelineKind, ResourceKind, WorkflowKind
from mlstack.engine.samples import SampleRunner
from mlstack.engine.verify import Subjects, cases, run_cases, write_junit

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.ports import Kube
    from mlstack.core.samplefile import Sample
    from mlstack.core.samplekind import SampleKind

PIPELINES = "pipelines"
"""The capability of running pipelines that are no objects of the cluster."""


def run_sample(session: Session, name: str, params: Mapping[str, str], watch: bool, profile: str = "") -> SampleResult:
    """Runs a sample, in a profile's namespace where one is named. Its name and parameters are checked before the cluster is
    asked for anything."""
    obj, sample = sample_object(session.selection, name, params, session.render_facts, profile)
    if profile and session.people.profile(profile) is None:
        raise no_profile(profile, [one.name for one in session.people.profiles])
    with observing.reader(session) as kube:
        kind = sample_kind(session, kube, sample)
        ground = stands_on(session.selection, *find_sample(session.selection, name))
        runner = SampleRunner(kube, kind, session.emit, session.cancelled, ground)
        return runner.run(name, obj, sample.spec.results, watch)


def sample_kind(session: Session, kube: Kube, sample: Sample) -> SampleKind:
    """How samples of this kind are run on this platform. Raises MlstackError sample.not-served."""
    if sample.spec.runner == "workflow":
        return WorkflowKind(kube)
    if sample.spec.follow is not None:
        return ResourceKind(kube, sample.spec.follow)
    exports = next((one.exports[PIPELINES] for one in session.stacks if PIPELINES in one.exports), None)
    if exports is None:
        raise MlstackError(
            "sample.not-served",
            f"sample {sample.metadata.name} needs a stack that provides '{PIPELINES}'",
            remedy="choose a profile that has one: mlstack up --profile NAME",
            exit_code=ExitCode.USAGE,
        )
    return PipelineKind(kube, PipelinesApi(kube, exports))


def credentials(session: Session, name: str | None) -> list[Credential]:
    """The generated logins, or one of them. Raises ``credentials.unknown``."""
    offered = {
        secret.credential: (stack, ResourceId("Secret", secret.name, stack.namespace))
        for stack in session.stacks
        for secret in stack.secrets
        if secret.credential
    }
    people = {user.name: (stack, user) for stack in session.stacks for user in stack.users}
    offered |= {
        user: (stack, first_password(stack.exports[IDENTITY_PROVIDER], user)) for user, (stack, _) in people.items()
    }
    if name is not None and name not in offered:
        raise MlstackError(
            "credentials.unknown",
            f"there is no credential '{name}'",
            remedy=did_you_mean(name, list(offered)),
            exit_code=ExitCode.USAGE,
        )
    urls = {point.credential: point for point in reversed(endpoint_infos(session)) if point.credential}
    with observing.reader(session) as kube:
        found = []
        for key in [name] if name else list(offered):
            stack, secret = offered[key]
            if key in people:
                if name is None and kube.get(secret) is None:
                    continue  # whoever it is chose a password of their own
                first = _secret(kube, secret, f"or run `mlstack users passwd {key}`")
                values = {"username": key, "email": people[key][1].email, "password": first["password"]}
            else:
                values = _secret(kube, secret)
            point = urls.get(key)
            found.append(
                Credential(
                    name=key,
                    stack=stack.name,
                    url=point.url if point else "",
                    doc=point.doc if point else "",
                    values=values,
                )
            )
        return found


def _secret(kube: Kube, rid: ResourceId, otherwise: str = "") -> dict[str, str]:
    obj = kube.get(rid)
    if obj is None:
        raise MlstackError(
            "credentials.not-made",
            f"{rid} is not there yet",
            remedy=f"run `mlstack up` to its end{otherwise and f', {otherwise}'}",
            exit_code=ExitCode.NOT_READY,
        )
    return {key: base64.b64decode(value).decode() for key, value in (obj.get("data") or {}).items()}


def test(session: Session, stack: str | None, junit: Path | None) -> TestReport:
    """Checks the running platform, or one stack of it."""
    names = [chosen.entry.name for chosen in session.selection.stacks]
    if stack and stack not in names:
        raise unknown("stack", stack, names)
    from mlstack.adapters.reach import reach

    with observing.reader(session) as kube:

        def state_of(name: str) -> StackStatus:
            live = observe_objects(kube, session.name, session.stacks, read_inventories(kube, session.name))
            return stack_status(kube, next(one for one in session.stacks if one.name == name), live)

        points = endpoint_infos(session)
        routed = {point.routed for point in points if point.routed}
        trusted = authority_text(session, kube) if routed else ""
        subjects = Subjects(
            stacks=names,
            state_of=state_of,
            endpoints=points,
            reach=lambda url: reach(url, trusted if url in routed else ""),
            samples=samples(session),
            run=lambda name: run_sample(session, name, {}, watch=True),
            expected=lambda name: list(find_sample(session.selection, name)[1].spec.results),
        )
        began = time.monotonic()
        results = run_cases(list(cases(subjects, stack or "")), session.emit, session.cancelled)
    report = TestReport(cases=tuple(results), seconds=time.monotonic() - began, junit=junit)
    if junit:
        write_junit(results, junit)
    return report
