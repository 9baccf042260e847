"""The page of error codes, collected from the sources: every code, what it says, what it tells the user to do."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlstack.core.remedies import MEANINGS, REMEDIES

CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.[a-z](?:[a-z0-9-]*[a-z0-9])?")
_MAKERS = ("MlstackError", "Problems")
_FILES = (
    ".yaml",
    ".json",
    ".md",
    ".txt",
    ".py",
    ".sh",
    ".log",
    ".tar",
    ".xml",
    ".jsonl",
    ".yml",
    ".lock",
    ".mod",
    ".sum",
)
"""Ends of literals that look like a code and are a file's name."""
_TEXT_NAMES = ("what", "obstacle", "remedy")
"""Variables that hold a whole text; shown as a placeholder where it is not known."""
_NO_CODES = ("host.changes",)
"""Literals that look like a code and are a configuration value's path."""
_WHOLE = ("bug",)
"""Codes without a dot."""


@dataclass
class ErrorCode:
    """A code with the texts of the places that use it."""

    code: str
    whats: set[str] = field(default_factory=set)
    remedies: set[str] = field(default_factory=set)


def errors_page(package: Path) -> str:
    """The page, from the sources of the package."""
    lines = [
        "<!-- Made by `mlstack dev docs`; change the code, not this page. -->\n",
        "# Errors\n",
        "Every error says what failed, why as far as known, and what to do. Its code does not change between versions. Parts in",
        "braces are filled in.\n",
    ]
    for found in collect(package):
        lines.append(f'## <a id="{found.code}"></a>`{found.code}`\n')
        lines += [f"- {_escape(what)}" for what in sorted(found.whats)]
        lines += [f"- do: {_escape(remedy)}" for remedy in sorted(found.remedies)]
        lines.append("")
    return "\n".join(lines)


def collect(package: Path) -> list[ErrorCode]:
    """Every error code in the sources, with the texts found beside it."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(package.rglob("*.py"))]
    domains = {code.partition(".")[0] for tree in trees for code in _direct(tree)}
    found: dict[str, ErrorCode] = {}
    for tree in trees:
        for function in _scopes(tree):
            _read(function, domains, found)
    templates = [pattern for tree in trees for pattern in _templates(tree)]
    for code, remedy in REMEDIES.items():
        if any(pattern.fullmatch(code) for pattern in templates):
            found.setdefault(code, ErrorCode(code))
        if code in found:
            found[code].remedies.add(remedy)
            found[code].whats.update({MEANINGS[code]} if code in MEANINGS else ())
    return [found[code] for code in sorted(found)]


def _direct(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _makes(node) and node.args:
            code = _literal(node.args[0])
            if CODE.fullmatch(code):
                yield code


def _templates(tree: ast.AST) -> Iterator[re.Pattern[str]]:
    """Patterns of the codes that are put together when they are raised (``config.unknown-{kind}``)."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and _name(node.func) in _MAKERS
            and node.args
            and isinstance(node.args[0], ast.JoinedStr)
        ):
            text = _literal(node.args[0])
            if re.match(r"[a-z-]+\.", text):
                yield re.compile(re.sub(r"\\{[^}]*\\}", "[a-z-]+", re.escape(text)))


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    """The outermost functions and methods, and the statements outside them."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from node.body
        else:
            yield node


def _read(scope: ast.AST, domains: set[str], found: dict[str, ErrorCode]) -> None:
    """Reads every call and assignment in a function that holds a code literal."""
    assigned: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(scope):
        for name, value in _assignments(node):
            assigned[name].update(_texts(value, {}))
    for node in ast.walk(scope):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_code(node.value, domains):
            found.setdefault(node.value, ErrorCode(node.value))
        elif isinstance(node, ast.Call):
            _read_call(node, assigned, domains, found)
        elif isinstance(node, ast.Tuple) and len(node.elts) > 1 and " " in (_literal(node.elts[1]) or " "):
            code = _literal(node.elts[0])
            if _is_code(code, domains):
                entry = found.setdefault(code, ErrorCode(code))
                texts = [_literal(element) for element in node.elts[1:]]
                entry.whats.update({*texts[:1]} - {""})
                entry.remedies.update({*texts[1:], *assigned["remedy"]} - {""})


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for name, value in zip(target.elts, node.value.elts, strict=False):
                if isinstance(name, ast.Name):
                    yield name.id, value


def _read_call(node: ast.Call, assigned: dict[str, set[str]], domains: set[str], found: dict[str, ErrorCode]) -> None:
    keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    code_node = keywords.get("code") or (node.args[0] if node.args else None)
    code = _literal(code_node) if code_node is not None else ""
    direct = _name(node.func) in _MAKERS and code in _WHOLE
    if not (direct or (_is_code(code, domains) and len(node.args) + len(keywords) > 1)):
        return
    entry = found.setdefault(code, ErrorCode(code))
    texts = [text for value in node.args[1:] for text in _texts(value, assigned)]
    entry.whats.update([*_texts(keywords["what"], assigned)] if "what" in keywords else texts[:1])
    if "remedy" in keywords:
        entry.remedies.update(_texts(keywords["remedy"], assigned))
    else:
        entry.remedies.update(texts[-1:] if len(texts) > 1 else [])


def _makes(node: ast.Call) -> bool:
    """Whether a call makes an error: ``MlstackError``, or a function of the module named for it."""
    name = _name(node.func)
    return name in _MAKERS or "error" in name.lower()


def _is_code(text: str, domains: set[str]) -> bool:
    return (
        bool(CODE.fullmatch(text))
        and not text.endswith(_FILES)
        and text not in _NO_CODES
        and text.partition(".")[0] in domains
    )


def _texts(node: ast.expr, assigned: dict[str, set[str]]) -> list[str]:
    """The text of an expression, or of what the name it is was assigned."""
    if isinstance(node, ast.Name):
        return sorted(assigned.get(node.id, set()) - {""}) or ([f"{{{node.id}}}"] if node.id in _TEXT_NAMES else [])
    if isinstance(node, ast.Call) and _name(node.func) == "did_you_mean":
        return ["did you mean '{the nearest name}'?"]
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in _texts(value, assigned)]
    if isinstance(node, ast.IfExp):
        return [text for value in (node.body, node.orelse) for text in _texts(value, assigned)]
    text = _literal(node)
    return [text] if text else []


def _literal(node: ast.expr) -> str:
    """A string expression as a template, empty if it is none."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_literal(value) if isinstance(value, ast.Constant) else _hole(value) for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _literal(node.left) + _literal(node.right)
    if isinstance(node, ast.Call) and _name(node.func) == "did_you_mean":
        return "did you mean '{the nearest name}'?"
    return ""


def _hole(node: ast.expr) -> str:
    """A placeholder's name: the last word of the expression."""
    text = ast.unparse(node.value) if isinstance(node, ast.FormattedValue) else ""
    words = re.findall(r"[A-Za-z_]+", text)
    return "{" + (words[-1] if words else "...") + "}"


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _escape(text: str) -> str:
    return re.sub(r"([<>|])", r"\\\1", " ".join(text.split()))
