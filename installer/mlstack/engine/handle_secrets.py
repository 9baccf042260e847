"""Handlers that make secrets: random values and certificates. Values go from here to the API server and nowhere else."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Mapping

from mlstack.core.actions import GenerateSecret, IssueCertificate
from mlstack.core.errors import MlstackError
from mlstack.core.model import ANNOTATION_FINGERPRINT, LABEL_INSTANCE, LABEL_STACK, SYSTEM_NAMESPACE, Object, ResourceId
from mlstack.core.ports import Kube
from mlstack.engine.context import Context
from mlstack.engine.done import Done

ALPHABET = string.ascii_letters + string.digits


def _encoded(values: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def _secret(
    context: Context, rid: ResourceId, stack: str, data: Mapping[str, str], kind: str = "Opaque", mark: str = ""
) -> Object:
    labels = {LABEL_INSTANCE: context.instance, LABEL_STACK: stack}
    notes = {"annotations": {ANNOTATION_FINGERPRINT: mark}} if mark else {}
    metadata = {"name": rid.name, "namespace": rid.namespace, "labels": labels, **notes}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": dict(data)}


def generate_secret(context: Context, action: GenerateSecret) -> Done:
    """Makes the Secret and its copies where they are absent; an existing one's values are kept and copied."""
    kube = context.access.writer()
    origin = ResourceId("Secret", action.name, action.namespace)
    given = {key: context.ports.given(reference) for key, reference in action.given.items()}
    fixed = _encoded({**action.literals, **given}) if given else {}
    found, made = _adopt(context, kube, origin, action, fixed), 0
    if found is None:
        values = {key: "".join(secrets.choice(ALPHABET) for _ in range(length)) for key, length in action.keys.items()}
        data = _encoded({**action.literals, **given, **values})
        found = _create(kube, _secret(context, origin, action.stack, data, mark=action.mark))
        made += 1
    for namespace in action.copies:
        place = ResourceId("Secret", action.name, namespace)
        if namespace != action.namespace and _adopt(context, kube, place, action, fixed) is None:
            _create(kube, _secret(context, place, action.stack, found["data"], mark=action.mark))
            made += 1
    return Done(made > 0 or bool(fixed), f"{made} made" if made else "as given" if fixed else "there already")


def _adopt(
    context: Context, kube: Kube, rid: ResourceId, action: GenerateSecret, fixed: Mapping[str, str]
) -> Object | None:
    """The Secret that is there already, labelled as ours from now on; its values stay but for the fixed ones."""
    found = kube.get(rid)
    if found is None:
        return None
    labels = {LABEL_INSTANCE: context.instance, LABEL_STACK: action.stack}
    if fixed:
        marks = {ANNOTATION_FINGERPRINT: action.mark}
        kube.patch(rid, {"metadata": {"labels": labels, "annotations": marks}, "data": dict(fixed)})
        return {**found, "data": {**(found.get("data") or {}), **fixed}}
    if (found["metadata"].get("labels") or {}).get(LABEL_INSTANCE) != context.instance:
        kube.patch(rid, {"metadata": {"labels": labels}})
    return found


def _create(kube: Kube, obj: Object) -> Object:
    """Creates it; when somebody was faster, theirs counts."""
    try:
        return kube.create(obj)
    except MlstackError as error:
        found = kube.get(ResourceId.of(obj)) if error.code == "kube.conflict" else None
        if found is None:
            raise
        return found


def authority_id(instance: str) -> ResourceId:
    """The Secret of an instance's own CA."""
    return ResourceId("Secret", f"mlstack-ca-{instance}", SYSTEM_NAMESPACE)


def _authority(context: Context, kube: Kube) -> tuple[str, str]:
    """The instance's own CA, made when it is first needed: (certificate, key), PEM."""
    rid = authority_id(context.instance)
    with context.lock:
        found = kube.get(rid)
        if found is None:
            certificate, key = context.ports.certificates.new_authority(f"mlstack {context.instance}")
            data = _encoded({"tls.crt": certificate, "tls.key": key})
            found = _create(kube, _secret(context, rid, "", data, "kubernetes.io/tls"))
    data = found["data"]
    return base64.b64decode(data["tls.crt"]).decode(), base64.b64decode(data["tls.key"]).decode()


def authority_bundle(context: Context, kube: Kube) -> str:
    """The CA's certificate as a ``caBundle`` holds it: PEM in base64."""
    return base64.b64encode(_authority(context, kube)[0].encode()).decode()


def issue_certificate(context: Context, action: IssueCertificate) -> Done:
    """Issues a certificate of the instance's CA into a TLS Secret with the CA beside it; an existing one is kept."""
    kube = context.access.writer()
    rid = ResourceId("Secret", action.secret, action.namespace)
    if kube.get(rid) is not None:
        return Done(False, "there already")
    authority = _authority(context, kube)
    certificate, key = context.ports.certificates.issue(authority, action.dns_names)
    data = _encoded({"tls.crt": certificate, "tls.key": key, "ca.crt": authority[0]})
    _create(kube, _secret(context, rid, action.stack, data, "kubernetes.io/tls"))
    return Done()
