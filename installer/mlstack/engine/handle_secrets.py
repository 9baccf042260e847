"""Makes Secrets with random values. Values go from here to the API server and nowhere else."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable, Mapping

from mlstack.core.actions import GenerateSecret
from mlstack.core.model import ANNOTATION_FINGERPRINT, LABEL_INSTANCE, LABEL_STACK, Object, ResourceId
from mlstack.core.ports import Kube
from mlstack.engine.context import Context
from mlstack.engine.done import Done
from mlstack.engine.secretobjects import create, encoded, secret_object

ALPHABET = string.ascii_letters + string.digits


def generate_secret(context: Context, action: GenerateSecret) -> Done:
    """Makes the Secret and its copies where they are absent. An existing one's values are kept but for those to renew; copies
    get what it holds, also where an earlier run was cut off before they did."""
    kube = context.access.writer()
    origin = ResourceId("Secret", action.name, action.namespace)
    given = {key: context.ports.given(reference) for key, reference in action.given.items()}
    fixed, mark = encoded({**action.literals, **given}) if given else {}, action.mark
    if action.renew:
        # a mark of its own tells the next run which copies have the new values
        fixed, mark = encoded(_random(action, action.renew)), f"renewed-{secrets.token_hex(8)}"
    found, made = _adopt(context, kube, origin, action, fixed, mark), 0
    if found is None:
        data = encoded({**action.literals, **given, **_random(action, action.keys)})
        found = create(kube, secret_object(context.instance, origin, action.stack, data, mark=action.mark))
        made += 1
    for place in action.copies:
        there = kube.get(place)
        values = found["data"] if there and (made or fixed or _mark_of(there) != _mark_of(found)) else {}
        if _adopt(context, kube, place, action, values, _mark_of(found)) is None:
            create(kube, secret_object(context.instance, place, action.stack, found["data"], mark=_mark_of(found)))
            made += 1
    said = f"{made} made" if made else "as given" if given else "new values" if fixed else "there already"
    return Done(made > 0 or bool(fixed), said)


def _random(action: GenerateSecret, keys: Iterable[str]) -> dict[str, str]:
    return {key: "".join(secrets.choice(ALPHABET) for _ in range(action.keys[key])) for key in keys}


def _mark_of(obj: Object) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(ANNOTATION_FINGERPRINT, ""))


def _adopt(
    context: Context, kube: Kube, rid: ResourceId, action: GenerateSecret, fixed: Mapping[str, str], mark: str
) -> Object | None:
    """The Secret that is there already, labelled as ours from now on; its values stay but for the fixed ones."""
    found = kube.get(rid)
    if found is None:
        return None
    labels = {LABEL_INSTANCE: context.instance, LABEL_STACK: action.stack}
    if fixed:
        marks = {ANNOTATION_FINGERPRINT: mark or None}
        return kube.patch(rid, {"metadata": {"labels": labels, "annotations": marks}, "data": dict(fixed)})
    if (found["metadata"].get("labels") or {}).get(LABEL_INSTANCE) != context.instance:
        kube.patch(rid, {"metadata": {"labels": labels}})
    return found
