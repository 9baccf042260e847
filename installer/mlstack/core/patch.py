"""Structured patches on parsed objects. A target or a path that matches nothing is an error: no patch is lost in silence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from mlstack.core.errors import ExitCode, MlstackError, Place
from mlstack.core.model import Object, ResourceId
from mlstack.core.stackfile import Patch, PatchOp

_PART = re.compile(
    r'(?:^|\.)(?:"(?P<quoted>[^"]*)"|(?P<name>[^.\[\]"]+))|\[(?:(?P<index>\d+)|(?P<key>\w+)=(?P<value>[^\]]+))\]'
)

Render = Callable[[Any, str], Any]
"""Renders the Jinja2 in a value of a patch; the text names the place for errors."""
Condition = Callable[[str, str], bool]
"""Evaluates a ``when`` expression."""


@dataclass(frozen=True, slots=True)
class Item:
    """A list item: by index, or by the value of one of its keys."""

    index: int = -1
    key: str = ""
    value: str = ""


def prepare(patches: Sequence[Patch], render: Render, condition: Condition, file: str) -> list[Patch]:
    """The patches that hold, with their values rendered: what is applied and what a cache is keyed by."""
    kept: list[Patch] = []
    for number, patch in enumerate(patches):
        where = f"{file} [{number}]"
        if patch.when and not condition(patch.when, where):
            continue
        ops = [op.model_copy(update=_rendered(op, render, where)) for op in patch.ops]
        kept.append(patch.model_copy(update={"ops": ops, "when": ""}))
    return kept


def apply_patches(objects: Sequence[Object], patches: Sequence[Patch], file: str) -> list[Object]:
    """The objects after all patches, in order; changed in place. Raises ``stack.patch-unmatched`` or ``stack.patch-path``."""
    kept = list(objects)
    for number, patch in enumerate(patches):
        place = Place(file, path=f"[{number}]")
        targets = [obj for obj in kept if matches(patch, obj)]
        if not targets and not patch.optional:
            raise _unmatched(patch, kept, place)
        if patch.drop:
            dropped = {id(obj) for obj in targets}
            kept = [obj for obj in kept if id(obj) not in dropped]
            continue
        for obj in targets:
            for op in patch.ops:
                apply_op(obj, op, place)
    return kept


def matches(patch: Patch, obj: Mapping[str, Any]) -> bool:
    """True when the object is what the patch is for."""
    meta = obj["metadata"]
    target = patch.target
    return (
        fnmatchcase(obj["kind"], target.kind)
        and fnmatchcase(meta["name"], target.name)
        and fnmatchcase(meta.get("namespace") or "", target.namespace)
    )


def apply_op(obj: Object, op: PatchOp, place: Place) -> None:
    """Makes one change. Mappings on the way are made where they are missing; list items must exist."""
    parts = parse_path(op.path, place)
    holder = _descend(obj, parts[:-1], obj, op, place, make=not op.remove)
    if op.remove:
        _remove(holder, parts[-1], obj, op, place)
    elif op.merge is not None:
        _put(holder, parts[-1], _merged(_get(holder, parts[-1]), op.merge), obj, op, place)
    elif op.append is not None:
        _put(holder, parts[-1], [*(_get(holder, parts[-1]) or []), *deepcopy(op.append)], obj, op, place)
    elif op.copy_of:
        _put(holder, parts[-1], deepcopy(_found(obj, op, place)), obj, op, place)
    elif op.set is None:
        what = f"nothing to do at '{op.path}'"
        raise _error("stack.patch-path", what, place, "give set, copyOf, merge, append or remove")
    else:
        _put(holder, parts[-1], deepcopy(op.set), obj, op, place)


def parse_path(path: str, place: Place) -> list[str | Item]:
    """``a.b[name=x].c[0]."d.e"`` as a list of keys and items."""
    parts: list[str | Item] = []
    end = 0
    for match in _PART.finditer(path):
        if match.start() != end:
            break
        end = match.end()
        if match["index"] is not None:
            parts.append(Item(index=int(match["index"])))
        elif match["key"] is not None:
            parts.append(Item(key=match["key"], value=match["value"]))
        else:
            parts.append(match["name"] if match["quoted"] is None else match["quoted"])
    if end != len(path) or not parts:
        raise _error(
            "stack.patch-path", f"not a path: '{path}'", place, "write it like spec.containers[name=main].image"
        )
    return parts


def _rendered(op: PatchOp, render: Render, where: str) -> dict[str, Any]:
    where = f"{where} {op.path}"
    return {
        field: render(value, where) for field in ("set", "merge", "append") if (value := getattr(op, field)) is not None
    }


def _descend(node: Any, parts: Sequence[str | Item], obj: Object, op: PatchOp, place: Place, make: bool) -> Any:
    for part in parts:
        below = _get(node, part)
        if below is None:
            if not make or isinstance(part, Item):
                raise _no_path(obj, op, place)
            below = node[part] = {}
        node = below
    return node


def _found(obj: Object, op: PatchOp, place: Place) -> Any:
    """What is to be copied."""
    node: Any = obj
    for part in parse_path(op.copy_of, place):
        node = _get(node, part)
    if node is None:
        raise _no_path(obj, op.model_copy(update={"path": op.copy_of}), place)
    return node


def _get(node: Any, part: str | Item) -> Any:
    if isinstance(part, str):
        return node.get(part) if isinstance(node, dict) else None
    index = _index(node, part)
    return None if index is None else node[index]


def _index(node: Any, item: Item) -> int | None:
    if not isinstance(node, list):
        return None
    if not item.key:
        return item.index if item.index < len(node) else None
    for index, entry in enumerate(node):
        if isinstance(entry, dict) and str(entry.get(item.key)) == item.value:
            return index
    return None


def _put(node: Any, part: str | Item, value: Any, obj: Object, op: PatchOp, place: Place) -> None:
    if isinstance(part, str) and isinstance(node, dict):
        node[part] = value
        return
    index = _index(node, part) if isinstance(part, Item) else None
    if index is None:
        raise _no_path(obj, op, place)
    node[index] = value


def _remove(node: Any, part: str | Item, obj: Object, op: PatchOp, place: Place) -> None:
    key = part if isinstance(part, str) else _index(node, part)
    if key is None or (isinstance(key, str) and (not isinstance(node, dict) or key not in node)):
        raise _no_path(obj, op, place)
    del node[key]


def _merged(old: Any, new: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        result[key] = _merged(result.get(key), value) if isinstance(value, dict) else deepcopy(value)
    return result


def _unmatched(patch: Patch, objects: Sequence[Object], place: Place) -> MlstackError:
    target = patch.target
    near = [str(ResourceId.of(obj)) for obj in objects if fnmatchcase(obj["kind"], target.kind)]
    why = f"objects of that kind: {', '.join(near)}" if near else f"there is no object of kind {target.kind}"
    name = "/".join(part for part in (target.kind, target.namespace.strip("*"), target.name) if part)
    return _error("stack.patch-unmatched", f"the patch of {name} matches no object", place, "correct its target", why)


def _no_path(obj: Object, op: PatchOp, place: Place) -> MlstackError:
    what = f"{ResourceId.of(obj)} has no '{op.path}'"
    return _error("stack.patch-path", what, place, "compare the path with the upstream object")


def _error(code: str, what: str, place: Place, remedy: str, why: str = "") -> MlstackError:
    return MlstackError(code, what, why=why, remedy=remedy, place=place, exit_code=ExitCode.USAGE)
