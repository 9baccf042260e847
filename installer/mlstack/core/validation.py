"""pydantic's complaints as our errors: file, line, path, and a suggestion for a mistyped field. Input values are not repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from mlstack.core.errors import ExitCode, MlstackError, did_you_mean
from mlstack.core.yamltree import Document

if TYPE_CHECKING:
    from pydantic import ValidationError

_TYPES = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
    type(None): "nothing",
}


def explain(
    error: ValidationError, model: type[BaseModel], document: Document, prefix: Sequence[str | int] = ()
) -> list[MlstackError]:
    """One error per complaint, in the order of the text. Missing fields are left out where the text could not be read whole."""
    data = document.data
    for part in prefix:
        data = data[part]
    found: dict[tuple[str, str], MlstackError] = {}
    for detail in error.errors(include_url=False, include_context=True):
        if detail["type"] == "missing" and document.incomplete:
            continue
        problem = _explain(detail, model, data, document, tuple(prefix))
        found.setdefault((problem.code, str(problem.place)), problem)
    return sorted(found.values(), key=lambda problem: problem.place.line if problem.place else 0)


def _explain(
    detail: Mapping[str, Any], model: type[BaseModel], data: Any, document: Document, prefix: tuple[str | int, ...]
) -> MlstackError:
    path = real_path(detail["loc"], data)
    kind, name = detail["type"], str(detail["loc"][-1]) if detail["loc"] else ""
    place = document.place_of((*prefix, *path), key=kind == "extra_forbidden")
    if kind == "extra_forbidden":
        code, what = "document.unknown-field", f"unknown field '{name}'"
        remedy = did_you_mean(name, fields_at(model, path[:-1])) or "remove it"
    elif kind == "missing":
        code, what, remedy = "document.missing-field", f"the field '{name}' is missing", f"add '{name}:' with a value"
    elif kind in _TYPES:
        code, what = "document.wrong-type", f"must be {_TYPES[kind]}, not {_name(detail['input'])}"
        remedy = (
            "put the value in quotes" if kind == "string_type" and _is_scalar(detail["input"]) else "correct the value"
        )
    else:
        code, what, remedy = "document.invalid-value", _message(detail), "correct the value"
        if kind == "literal_error" and isinstance(detail["input"], str):
            known = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
            what, remedy = f"must be one of: {', '.join(known)}", did_you_mean(detail["input"], known)
    return MlstackError(code, what, remedy=remedy, place=place, exit_code=ExitCode.USAGE)


def real_path(loc: Sequence[str | int], data: Any) -> tuple[str | int, ...]:
    """The part of a pydantic location that exists in the data: names of union members and validators are left out."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        step: Any = part
        if (isinstance(data, dict) and step in data) or (isinstance(data, list) and step in range(len(data))):
            data = data[step]
        elif not (last and isinstance(data, dict) and isinstance(part, str) and part != "[key]"):
            continue
        path.append(part)
    return tuple(path)


def fields_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Names of the fields that a document may have at a path."""
    models = [kind for kind in annotations_at(model, path) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return [field.alias or name for found in models for name, field in found.model_fields.items()]


def annotations_at(model: type[BaseModel], path: Sequence[str | int]) -> list[Any]:
    """What a document may hold at a path: one type, several for a union, none where there is no such path."""
    kinds: list[Any] = [model]
    for part in path:
        kinds = [inner for kind in kinds for inner in _step(kind, part)]
    return kinds


def _step(kind: Any, part: str | int) -> list[Any]:
    """The annotations one step below an annotation."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if part in (name, field.alias):
                return _unwrap(field.annotation)
        return []
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (list, tuple, Sequence) and isinstance(part, int):
        return _unwrap(arguments[0])
    if origin in (dict, Mapping):
        return _unwrap(arguments[1])
    return []


def _unwrap(kind: Any) -> list[Any]:
    origin = get_origin(kind)
    if origin is Annotated:
        return _unwrap(get_args(kind)[0])
    if origin in (Union, UnionType):
        return [inner for argument in get_args(kind) for inner in _unwrap(argument)]
    return [kind]


def _message(detail: Mapping[str, Any]) -> str:
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    message = re.sub(r"^(Input|Value|String) should ", "must ", detail["msg"])
    return message[0].lower() + message[1:]


def _name(value: Any) -> str:
    kind = _NAMES.get(type(value), f"a {type(value).__name__}")
    return f"{kind} ({value})" if isinstance(value, (int, float)) and not isinstance(value, bool) else kind


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (bool, int, float))
