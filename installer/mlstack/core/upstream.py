"""Objects out of upstream files: globbed, parsed, selected by kind and name. Upstream text is data, nothing of it is evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from mlstack.core.errors import ExitCode, MlstackError, Place, did_you_mean
from mlstack.core.kinds import cluster_kinds
from mlstack.core.model import Object, ResourceId
from mlstack.core.stackfile import Manifests
from mlstack.core.yamldoc import load_objects


def read_part(part: Manifests, files: Mapping[str, bytes], where: str) -> list[Object]:
    """The objects of one ``manifests`` entry, its namespace set. Raises ``stack.source-file`` for a glob without a file."""
    objects: list[Object] = []
    for pattern in part.files:
        names = matching(files, pattern)
        if not names:
            remedy = did_you_mean(pattern, [name for name in files if name.endswith((".yaml", ".yml"))][:400])
            raise _error("stack.source-file", f"no file of source '{part.source}' matches '{pattern}'", where, remedy)
        for name in names:
            for document in load_objects(files[name].decode(), f"{part.source}:{name}"):
                objects += _items(document, f"{part.source}:{name}")
    chosen = select(objects, part)
    if part.namespace:
        set_namespace(chosen, part.namespace)
    return chosen


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """The paths a glob selects, sorted; ``*`` does not cross a slash, ``**`` does."""
    deep = "**" in pattern
    depth = pattern.count("/")
    return sorted(name for name in names if (deep or name.count("/") == depth) and fnmatchcase(name, pattern))


def select(objects: Sequence[Object], part: Manifests) -> list[Object]:
    """The objects that ``include`` and ``exclude`` leave; a pattern is ``Kind/name``, both globs."""
    kept = [obj for obj in objects if not part.include or _any(obj, part.include)]
    return [obj for obj in kept if not _any(obj, part.exclude)]


def set_namespace(objects: Sequence[Object], namespace: str) -> None:
    """Sets the namespace of namespaced objects and of service accounts in bindings that carry none."""
    without = cluster_kinds(objects)
    for obj in objects:
        if obj["kind"] not in without:
            obj["metadata"].setdefault("namespace", namespace)
        if obj["kind"] in ("RoleBinding", "ClusterRoleBinding"):
            for subject in obj.get("subjects") or []:
                if subject.get("kind") == "ServiceAccount":
                    subject.setdefault("namespace", namespace)


def _any(obj: Object, patterns: Iterable[str]) -> bool:
    name = f"{obj['kind']}/{obj['metadata']['name']}"
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _items(document: Any, file: str) -> list[Object]:
    """A document's objects: itself, or what a List holds. A kustomization is not an object of the cluster."""
    if not isinstance(document, dict):
        raise _error(
            "stack.not-an-object", f"a document that is a {type(document).__name__}", file, "choose other files"
        )
    kind = document.get("kind", "")
    if kind == "Kustomization":
        return []
    if kind.endswith("List") and isinstance(document.get("items"), list):
        return [obj for item in document["items"] for obj in _items(item, file)]
    try:
        ResourceId.of(document)
    except (KeyError, TypeError):
        what = "a document without apiVersion, kind or metadata.name"
        raise _error("stack.not-an-object", what, file, "choose other files") from None
    return [document]


def _error(code: str, what: str, where: str, remedy: str) -> MlstackError:
    return MlstackError(code, what, remedy=remedy, place=Place(where), exit_code=ExitCode.USAGE)
