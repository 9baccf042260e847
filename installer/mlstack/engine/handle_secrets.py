"""Makes Secrets with random values. Values go from here to the API server and nowhere else."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping

from mlstack.core.actions import GenerateSecret
from mlstack.core.model import ANNOTATION_FINGERPRINT, LABEL_INSTANCE, LABEL_STACK, Object, ResourceId
from mlstack.core.ports import Kube
from mlstack.engine.context import Context
from mlstack.engine.done import Done
from mlstack.engine.secretobjects import create, encoded, secret_object

ALPHABET = string.ascii_letters + string.digits


def generate_secret(context: Context, action: GenerateSecret) -> Done:
    """Makes the Secret and its copies where they are absent; an existing one's values are kept and copied."""
    kube = context.access.writer()
    origin = ResourceId("Secret", action.name, action.namespace)
    given = {key: context.ports.given(reference) for key, reference in action.given.items()}
    fixed = encoded({**action.literals, **given}) if given else {}
    found, made = _adopt(context, kube, origin, action, fixed), 0
    if found is None:
        values = {key: "".join(secrets.choice(ALPHABET) for _ in range(length)) for key, length in action.keys.items()}
        data = encoded({**action.literals, **given, **values})
        found = create(kube, secret_object(context.instance, origin, action.stack, data, mark=action.mark))
        made += 1
    for namespace in action.copies:
        place = ResourceId("Secret", action.name, namespace)
        if namespace != action.namespace and _adopt(context, kube, place, action, fixed) is None:
            create(kube, secret_object(context.instance, place, action.stack, found["data"], mark=action.mark))
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
