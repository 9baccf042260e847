"""The platform's certificates: what they are, new ones, and how to trust their authority."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.app import observing
from mlstack.core.accessresults import CertificateInfo, Trust
from mlstack.core.certmanager import API_VERSION
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.results import Check, CheckState, ObjectState
from mlstack.core.tls import DAY, CertificateFacts, fault, why_due

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.actions import Report
    from mlstack.core.ports import Kube

ROTATE = "run `mlstack certs rotate`"
ISSUER = "look at the Certificate of that name with kubectl: cert-manager renews it"
AUTHORITY_FILE, BUNDLE_FILE = "ca.crt", "ca-bundle.crt"
"""In the instance's directory: the authority alone, and with those this host trusts."""


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate that is wanted and where it is kept. facts: None while it is not there."""

    stack: str
    rid: ResourceId
    wanted: tuple[str, ...]
    facts: CertificateFacts | None = None


def held(session: Session, kube: Kube) -> list[Held]:
    """Every certificate of the platform, whoever issues it."""
    found = observing.observed_certificates(session, session.stacks, kube)
    own = [
        Held(stack.name, rid, tuple(spec.dns_names), found.get(rid))
        for stack in session.stacks
        for spec in stack.certificates
        for rid in [ResourceId("Secret", spec.secret, stack.namespace)]
    ]
    return [*own, *_issued_by_others(session, kube)]


def _issued_by_others(session: Session, kube: Kube) -> Iterator[Held]:
    for stack in session.stacks:
        for obj in stack.objects:
            if (obj["apiVersion"], obj["kind"]) == (API_VERSION, "Certificate"):
                rid = ResourceId("Secret", obj["spec"]["secretName"], obj["metadata"]["namespace"])
                wanted = (*obj["spec"]["dnsNames"], *obj["spec"]["ipAddresses"])
                yield Held(stack.name, rid, wanted, _described(_text(kube, rid, "tls.crt")))


def _described(certificate: str) -> CertificateFacts | None:
    from mlstack.adapters.certificates import OwnAuthority

    return OwnAuthority().describe(certificate) if certificate else None


def _text(kube: Kube, rid: ResourceId, key: str) -> str:
    import base64

    data = (kube.get(rid) or {}).get("data") or {}
    return base64.b64decode(data.get(key, "")).decode()


def show(session: Session) -> list[CertificateInfo]:
    """The authority first, where it is the instance's own, then every certificate that is there."""
    now = time.time()
    with observing.reader(session) as kube:
        authority = _described(authority_text(session, kube))
        infos = [_info("authority", "", authority, "", "")] if authority else []
        for one in held(session, kube):
            if one.facts:
                due = why_due(one.facts, one.wanted, now)
                infos.append(_info(str(one.rid), one.stack, one.facts, fault(one.facts, one.wanted, now), due))
        return infos


def _info(name: str, stack: str, facts: CertificateFacts, wrong: str, due: str) -> CertificateInfo:
    return CertificateInfo(
        name=name,
        stack=stack,
        names=facts.names,
        begins=iso(facts.begins),
        ends=iso(facts.ends),
        fingerprint=facts.fingerprint,
        issuer=facts.issuer,
        fault=wrong,
        due=due,
    )


def iso(seconds: float) -> str:
    """A time for people and programs: ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def authority_text(session: Session, kube: Kube) -> str:
    """The certificate that clients trust, PEM: of the own authority, else the one that came with a certificate."""
    if session.config.tls.issuer == "own":
        from mlstack.engine.handle_certificates import read_authority

        return read_authority(kube, session.name)
    texts = (_text(kube, one.rid, "ca.crt") for one in _issued_by_others(session, kube))
    return next((text for text in texts if text), "")


def export(session: Session, kube: Kube) -> tuple[Path, Path] | None:
    """Writes the authority and the bundle with it, readable by this user only; None where clients need neither."""
    text = authority_text(session, kube)
    if not text:
        return None
    from mlstack.adapters.authorityfiles import host_authorities, write_file

    more = [Path(session.config.network.ca)] if session.config.network.ca else []
    authority = write_file(session.directory / AUTHORITY_FILE, text, 0o600)
    return authority, write_file(session.directory / BUNDLE_FILE, host_authorities(more) + text, 0o600)


def trust(session: Session, target: Path | None) -> Trust:
    """How to trust the authority; its certificate is also written to ``target``. Raises ``certs.none``."""
    from mlstack.core.trust import trust_steps

    with observing.reader(session) as kube:
        files, facts = export(session, kube), _described(authority_text(session, kube))
    if files is None or facts is None:
        raise MlstackError(
            "certs.none",
            "the platform has no authority of its own to trust",
            why="no stack has a certificate" if session.config.tls.issuer == "own" else "its issuer gave none",
            remedy="run `mlstack up` with a profile that has a gateway",
            exit_code=ExitCode.NOT_READY,
        )
    authority, bundle = files
    if target:
        from mlstack.adapters.authorityfiles import write_file

        authority = write_file(target.absolute(), authority.read_text(), 0o644)
    name = f"mlstack-{session.name}"
    subject = facts.issuer.removeprefix("CN=")
    steps = trust_steps(str(authority), str(bundle), name, subject, f"{session.render_facts.external.url}/")
    return Trust(authority=authority, bundle=bundle, fingerprint=facts.fingerprint, ends=iso(facts.ends), steps=steps)


def rotate(session: Session, authority: bool) -> Report:
    """Issues every certificate anew, of a new authority if asked for. Raises ``certs.not-own``, ``cluster.not-running``."""
    if session.config.tls.issuer != "own":
        raise MlstackError(
            "certs.not-own",
            "the certificates are not issued by the platform's own authority",
            why=f"tls.issuer is {session.config.tls.issuer}",
            remedy="rotate them with cert-manager's own tools, such as `cmctl renew`",
            exit_code=ExitCode.USAGE,
        )
    from mlstack.app.lifecycle import run_plan
    from mlstack.core.plan_rotate import plan_rotate

    with observing.reader(session) as kube:
        facts = observing.observe(session, session.stacks, kube, observing.observe_cluster(session))
    report = run_plan(
        session, "certs rotate", plan_rotate(session.name, session.stacks, facts, authority=authority), facts
    )
    if report.ok:
        with observing.reader(session) as kube:
            export(session, kube)
    return report


def findings(session: Session, kube: Kube) -> Mapping[str, list[ObjectState]]:
    """What clients refuse now, by stack, with what to do."""
    found: dict[str, list[ObjectState]] = {}
    for one in held(session, kube):
        wrong = fault(one.facts, one.wanted, time.time()) if one.facts else ""
        if wrong:
            reason = f"clients refuse its certificate: {wrong}; {_remedy(session)}"
            found.setdefault(one.stack, []).append(ObjectState(resource=str(one.rid), reason=reason))
    return found


def checks(session: Session) -> list[Check]:
    """A check for each certificate, for ``doctor``."""
    with observing.reader(session) as kube:
        return [_check(one, _remedy(session)) for one in held(session, kube) if one.facts]


def _check(one: Held, remedy: str) -> Check:
    facts, now = one.facts, time.time()
    assert facts is not None  # noqa: S101 - the caller has seen to it
    wrong, due = fault(facts, one.wanted, now), why_due(facts, one.wanted, now)
    state = CheckState.FAILED if wrong else CheckState.WARNING if due else CheckState.OK
    detail = wrong or due or f"for {(facts.ends - now) / DAY:.0f} more days"
    return Check(
        name=f"certificate {one.rid.namespace}/{one.rid.name}",
        group="platform",
        state=state,
        detail=detail,
        remedy=remedy if wrong or due else "",
    )


def _remedy(session: Session) -> str:
    return ROTATE if session.config.tls.issuer == "own" else ISSUER
