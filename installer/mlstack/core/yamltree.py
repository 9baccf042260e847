"""YAML text to data with the line of every node. It reads no file and never evaluates a tag; ``yamldoc`` is its public face.

Scalars follow YAML 1.2 where YAML 1.1 surprises people and Kubernetes agrees: only ``true`` and ``false`` are booleans (``yes``,
``no``, ``on``, ``off`` are strings), ``1:30`` and ``2024-01-01`` are strings, ``=`` is a string. Octals stay as Kubernetes
reads them: ``0644`` and ``0o644`` are both 420.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from mlstack.core.errors import ExitCode, MlstackError, Place

NODES_LIMIT = 200_000
"""Nodes a document may have once its aliases are expanded; more is an alias bomb, not a configuration."""
DEPTH_LIMIT = 60
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BOOLEANS = {"true": True, "false": False}
_PREFIX = "tag:yaml.org,2002:"
_MERGE = f"{_PREFIX}merge"

Node = yaml.Node
NodePath = tuple[str | int, ...]


class Loader(_BASE):  # type: ignore[misc]
    """The safe C loader with the scalar rules of this module; refuses duplicate keys and keys that are no strings."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """As the base class, but two keys of the same name are an error, not a silent loss."""
        if node.value and not any(key.tag == _MERGE for key, _ in node.value):
            seen: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                    plain = isinstance(key, yaml.ScalarNode)
                    problem = f"duplicate key '{key.value}'" if plain else "a key that is no string"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        result: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return result

    def construct_yaml_int(self, node: Any) -> int:
        """An integer of either YAML version's octal notation."""
        return integer(node.value)


def integer(text: str) -> int:
    """The value of an integer scalar: decimal, hexadecimal or octal (``0644`` as well as ``0o644``)."""
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    if len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567":
        return sign * int(digits, 8)
    return sign * (int(digits, 0) if digits[:2] in ("0x", "0o") else int(digits))


_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?(?:0[0-7]+|0|[1-9][0-9]{0,30})|0o[0-7]+|0x[0-9a-fA-F]{1,30}", [*"-+0123456789"]),
    ("float", _FLOAT, [*"-+0123456789."]),
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("merge", r"<<", ["<"]),
):
    Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(f"^(?:{_pattern})$"), _first)
Loader.add_constructor(f"{_PREFIX}int", Loader.construct_yaml_int)


@dataclass(frozen=True, slots=True)
class Document:
    """Parsed YAML that knows its lines. problems: what is wrong with the text; incomplete: parts of it could not be parsed."""

    data: Any
    file: str = ""
    root: Node | None = None
    problems: tuple[MlstackError, ...] = ()
    incomplete: bool = False

    def place_of(self, path: Sequence[str | int] = (), *, key: bool = False) -> Place:
        """Where a node is: its value's line, or its key's with ``key``; of the nearest node above it where it does not exist."""
        node, line = self.root, 1 if self.root is None else self.root.start_mark.line + 1
        for index, part in enumerate(path):
            found = _child(node, part)
            if found is None:
                break
            name, node = found
            last = index == len(path) - 1
            line = (name if (key and last) or _is_block(node) else node).start_mark.line + 1
        return Place(self.file, line, dotted(path))


@dataclass(slots=True)
class _Findings:
    """What ``convert`` collects on its way."""

    file: str
    problems: list[MlstackError] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)

    def add(self, code: str, what: str, node: Node, path: NodePath, remedy: str) -> None:
        place = Place(self.file, node.start_mark.line + 1, dotted(path))
        self.problems.append(MlstackError(code, what, remedy=remedy, place=place, exit_code=ExitCode.USAGE))


def dotted(path: Sequence[str | int]) -> str:
    """A path as users read it: ``a.b[2].c``; keys that hold a dot are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[^\s.\[\]]+", part) else f'"{part}"'
            text += f".{name}" if text else name
    return text


def compose(text: str) -> Node | None:
    """The node tree of one document; raises ``yaml.YAMLError``. Depth is checked first, so that no input exhausts the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                mark: Any = event.start_mark
                raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEPTH_LIMIT} levels", problem_mark=mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    node: Node | None = yaml.compose(text, Loader=Loader)
    return node


def convert(root: Node | None, file: str) -> tuple[Any, list[MlstackError]]:
    """Data of a node tree and every problem in it: duplicate keys, keys that are no strings, tags, alias bombs and cycles."""
    findings = _Findings(file)
    if root is None:
        return None, []
    if _size(root, findings.sizes) > NODES_LIMIT:
        remedy = "write the values out, or use fewer aliases; an anchor must not hold itself"
        findings.add("yaml.too-large", "the aliases of this document expand without bound", root, (), remedy)
        return None, findings.problems
    return _convert(root, (), findings), findings.problems


def _size(node: Node, sizes: dict[int, int]) -> int:
    """Nodes below and with this one, aliases expanded; a node that contains itself counts as beyond every limit."""
    known = sizes.get(id(node))
    if known is not None:
        return known
    sizes[id(node)] = NODES_LIMIT + 1
    total = 1 + sum(_size(child, sizes) for child in _children(node))
    sizes[id(node)] = total
    return total


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair


def _convert(node: Node, path: NodePath, findings: _Findings) -> Any:
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_PREFIX}map":
        return _mapping(node, path, findings)
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_PREFIX}seq":
        return [_convert(item, (*path, index), findings) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, path, findings)
    findings.add("yaml.tag", f"the tag '{node.tag}' is not supported", node, path, "remove the tag")
    return None


def _scalar(node: yaml.ScalarNode, path: NodePath, findings: _Findings) -> Any:
    text = node.value
    try:
        match node.tag.removeprefix(_PREFIX):
            case "str":
                return text
            case "bool":
                return _BOOLEANS[text.lower()]
            case "int":
                return integer(text)
            case "float":
                return float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))
            case "null":
                return None
            case "merge":
                return text
    except (ValueError, KeyError, IndexError):
        findings.add("yaml.tag", f"the value does not fit its tag '{node.tag}'", node, path, "remove the tag")
        return None
    findings.add("yaml.tag", f"the tag '{node.tag}' is not supported", node, path, "remove the tag")
    return None


def _mapping(node: yaml.MappingNode, path: NodePath, findings: _Findings) -> dict[str, Any]:
    result: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        if key.tag == _MERGE:
            merged = {**_merge_source(value, path, findings), **merged}
            continue
        if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_PREFIX}str":
            findings.add("yaml.key", "a key must be a string", key, path, "put the key in quotes")
            continue
        name, line = key.value, key.start_mark.line + 1
        if name in lines:
            what = f"duplicate key '{name}', first on line {lines[name]}"
            findings.add("yaml.duplicate-key", what, key, (*path, name), "keep one of the two")
            _convert(value, (*path, name), findings)
            continue
        lines[name] = line
        result[name] = _convert(value, (*path, name), findings)
    return {**merged, **result}


def _merge_source(node: Node, path: NodePath, findings: _Findings) -> dict[str, Any]:
    sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
    result: dict[str, Any] = {}
    for source in sources:
        data = _convert(source, path, findings) if isinstance(source, yaml.MappingNode) else None
        if not isinstance(data, dict):
            findings.add("yaml.tag", "'<<' takes a mapping or a list of mappings", node, path, "point it at a mapping")
            return {}
        result = {**data, **result}
    return result


def _child(node: Node | None, part: str | int) -> tuple[Node, Node] | None:
    """The (key, value) nodes of a path's next part; for a list item both are the item."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                return key, value
    return None


def _is_block(node: Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style
