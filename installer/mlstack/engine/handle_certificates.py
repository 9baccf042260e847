"""The instance's own authority and what it signs, kept in Secrets of the cluster. Keys go to the API server and nowhere else."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from dataclasses import replace

from mlstack.core.actions import IssueCertificate, RenewAuthority
from mlstack.core.certmanager import ISSUED_BY
from mlstack.core.desired import RenderedStack
from mlstack.core.model import LABEL_INSTANCE, SYSTEM_NAMESPACE, Object, ResourceId
from mlstack.core.plan_certificates import certificate_id
from mlstack.core.ports import Kube
from mlstack.core.serviceports import Certificates
from mlstack.core.tls import CertificateFacts, why_due
from mlstack.engine.context import Context
from mlstack.engine.done import Done
from mlstack.engine.secretobjects import create, encoded, secret_object

TLS = "kubernetes.io/tls"


def authority_id(instance: str) -> ResourceId:
    """The Secret of an instance's own CA."""
    return ResourceId("Secret", f"mlstack-ca-{instance}", SYSTEM_NAMESPACE)


def read_authority(kube: Kube, instance: str) -> str:
    """The CA's certificate, PEM, without its key; empty when there is none."""
    return _text(kube.get(authority_id(instance)), "tls.crt")


def observe_certificates(
    kube: Kube, instance: str, stacks: Iterable[RenderedStack], certificates: Certificates
) -> dict[ResourceId, CertificateFacts]:
    """The certificates of the stacks that are there and ours; one that its authority has not signed is not ``ours``."""
    rids = [certificate_id(stack, spec) for stack in stacks for spec in stack.certificates]
    authority = read_authority(kube, instance) if rids else ""
    found = {}
    for rid in rids:
        obj = kube.get(rid)
        if obj is not None and _mine(obj, instance):
            facts = certificates.describe(_text(obj, "tls.crt"), authority)
            found[rid] = replace(facts, ours=facts.ours and bool(authority))
    return found


def authority_bundle(context: Context, kube: Kube) -> str:
    """The CA's certificate as a ``caBundle`` holds it: PEM in base64."""
    return base64.b64encode(_authority(context, kube)[0].encode()).decode()


def issue_certificate(context: Context, action: IssueCertificate) -> Done:
    """Issues a certificate into a TLS Secret with the CA beside it. One that will do is kept, and one that is not ours."""
    kube = context.access.writer()
    rid = ResourceId("Secret", action.secret, action.namespace)
    found = kube.get(rid)
    if found is not None and not _mine(found, context.instance):
        return Done(False, "kept: somebody else's")
    authority = _authority(context, kube)
    if found is not None and not action.force and not _due(context, found, action, authority[0]):
        return Done(False, "there already")
    certificate, key = context.ports.certificates.issue(authority, action.dns_names)
    data = encoded({"tls.crt": certificate, "tls.key": key, "ca.crt": authority[0]})
    issued_by = {ISSUED_BY: f"mlstack-{context.instance}"}
    if found is None:
        create(kube, secret_object(context.instance, rid, action.stack, data, kind=TLS, notes=issued_by))
    else:
        kube.patch(rid, {"data": data, "metadata": {"annotations": issued_by}})
    return Done()


def renew_authority(context: Context, _action: RenewAuthority) -> Done:
    """Replaces the CA. Until everything is issued anew, ``up`` finds certificates of another authority and goes on."""
    kube, rid = context.access.writer(), authority_id(context.instance)
    with context.lock:
        data = _new_authority(context)
        if kube.get(rid) is None:
            create(kube, secret_object(context.instance, rid, "", data, kind=TLS))
        else:
            kube.patch(rid, {"data": data})
    return Done()


def _authority(context: Context, kube: Kube) -> tuple[str, str]:
    """The instance's own CA, made when it is first needed: (certificate, key), PEM."""
    rid = authority_id(context.instance)
    with context.lock:
        found = kube.get(rid)
        if found is None:
            found = create(kube, secret_object(context.instance, rid, "", _new_authority(context), kind=TLS))
    return _text(found, "tls.crt"), _text(found, "tls.key")


def _new_authority(context: Context) -> dict[str, str]:
    certificate, key = context.ports.certificates.new_authority(f"mlstack {context.instance}")
    return encoded({"tls.crt": certificate, "tls.key": key})


def _due(context: Context, found: Object, action: IssueCertificate, authority: str) -> bool:
    facts = context.ports.certificates.describe(_text(found, "tls.crt"), authority)
    return bool(why_due(facts, action.dns_names, time.time()))


def _mine(obj: Object, instance: str) -> bool:
    return (obj["metadata"].get("labels") or {}).get(LABEL_INSTANCE) == instance


def _text(obj: Object | None, key: str) -> str:
    data = (obj or {}).get("data") or {}
    return base64.b64decode(data.get(key, "")).decode()
