"""YAML documents with positions, and their validation against models: every problem at once, each with file, line and path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from mlstack.core.errors import ExitCode, MlstackError, Place, Problems
from mlstack.core.yamltree import Document, Loader, compose, convert, dotted

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Document", "dotted", "examine", "examine_all", "load", "load_objects", "validate", "validate_items"]

SIZE_LIMIT = 4 * 1024 * 1024
"""Characters of a document; a larger file is no configuration."""
M = TypeVar("M", bound="BaseModel")
_TOP_KEY = re.compile(r"[A-Za-z0-9_\"'][^#]*?:(?:\s|$)")
_MARKER = re.compile(r"---(?:\s|$)")
_TABBED = re.compile(r"^[ ]*\t[\t ]*(?=[^\s#])")


def load(text: str, file: str = "") -> Document:
    """Parses one document. Raises Problems with everything wrong in the text (codes ``yaml.*``)."""
    document = examine(text, file)
    if document.problems:
        raise _problems(document, document.problems)
    return document


def examine(text: str, file: str = "") -> Document:
    """Parses one document without raising: what is wrong is in ``problems``, what could be read is in ``data``.

    Of text with a syntax error, the top-level parts that parse on their own are read, so that problems in them show as well.
    """
    if len(text) > SIZE_LIMIT:
        error = _error("yaml.too-large", f"more than {SIZE_LIMIT} characters", Place(file), "is this the right file?")
        return Document(None, file, problems=(error,), incomplete=True)
    try:
        text.encode()
        root = compose(text)
    except UnicodeEncodeError:
        error = _error("yaml.encoding", "holds bytes that are no UTF-8 text", Place(file), "write it as UTF-8")
        return Document(None, file, problems=(error,), incomplete=True)
    except yaml.YAMLError as error:
        return _examine_broken(text, file, error)
    data, problems = convert(root, file)
    return Document(data, file, root, tuple(problems))


def examine_all(text: str, file: str = "") -> list[Document]:
    """As ``examine`` for every document of a stream, each on its own; those without content are left out."""
    lines = text.split("\n")
    starts = [0, *(index for index, line in enumerate(lines) if index and _MARKER.match(line))]
    ends = [*starts[1:], len(lines)]
    # blank lines instead of what was before keep the line numbers
    parts = ("\n" * start + "\n".join(lines[start:end]) for start, end in zip(starts, ends, strict=True))
    found = (examine(part, file) for part in parts)
    return [one for one in found if one.problems or one.data is not None]


def load_objects(text: str, file: str = "") -> list[Any]:
    """The documents of a stream, fast and without positions; empty ones are left out. Raises ``yaml.syntax`` with file:line."""
    try:
        return [data for data in yaml.load_all(text, Loader=Loader) if data is not None]
    except yaml.YAMLError as error:
        raise _syntax(error, file) from None
    except (ValueError, RecursionError) as error:
        raise _error("yaml.syntax", f"cannot be read: {error}", Place(file), "correct the document") from None


def validate(model: type[M], document: Document, path: Sequence[str | int] = ()) -> M:
    """An instance of the model made of the document, or of its part at ``path``.

    Raises Problems with every problem of the text and of the data (codes ``yaml.*`` and ``document.*``).
    """
    return _validate([(model, tuple(path))], document)[0]


def validate_items(model: type[M], document: Document, path: Sequence[str | int] = ()) -> list[M]:
    """As ``validate`` for a list of instances; an empty document is an empty list. Problems of all items come at once."""
    items = _at(document.data, path)
    if items is None and not document.incomplete:
        items = []
    if not isinstance(items, list):
        error = _error("document.wrong-type", "must be a list", document.place_of(path), "begin each item with '- '")
        raise _problems(document, [*document.problems, error])
    return _validate([(model, (*path, index)) for index in range(len(items))], document)


def _validate(wanted: Sequence[tuple[type[M], tuple[str | int, ...]]], document: Document) -> list[M]:
    from pydantic import ValidationError

    from mlstack.core.validation import explain

    problems = list(document.problems)
    found: list[M] = []
    for model, path in wanted:
        data = _at(document.data, path)
        if data is None and document.incomplete:
            continue
        if not isinstance(data, dict):
            remedy = "write 'field: value' lines; the reference lists the fields"
            problems.append(
                _error("document.wrong-type", f"{_kind(data)}, not a mapping", document.place_of(path), remedy)
            )
            continue
        try:
            found.append(model.model_validate(data))
        except ValidationError as error:
            problems += explain(error, model, document, path)
    if problems:
        raise _problems(document, problems)
    return found


def _at(data: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _kind(data: Any) -> str:
    return "the document is empty" if data is None else f"the document is a {type(data).__name__}"


def _examine_broken(text: str, file: str, error: yaml.YAMLError) -> Document:
    """Every tab used as indentation, and the syntax error of each top-level part, with the data of the sound parts."""
    lines = text.splitlines()
    tabs = [number for number, line in enumerate(lines, 1) if _TABBED.match(line)]
    if tabs:
        problems = [
            _error("yaml.tab", "a tab in the indentation", Place(file, line), "indent with spaces") for line in tabs
        ]
        expanded = "\n".join(_TABBED.sub(lambda m: m[0].replace("\t", "  "), line) for line in lines)
        inner = examine(expanded, file)
        others = [problem for problem in inner.problems if _line(problem) not in tabs]
        return Document(inner.data, file, inner.root, (*problems, *others), inner.incomplete)
    sound, problems = _sound_parts(lines, file)
    try:
        root = compose("\n".join(sound)) if problems else None
    except yaml.YAMLError:
        root = None
    data, others = convert(root, file)
    found = sorted([*(problems or [_syntax(error, file, text)]), *others], key=_line)
    return Document(data, file, root, tuple(found), incomplete=True)


def _sound_parts(lines: Sequence[str], file: str) -> tuple[list[str], list[MlstackError]]:
    """The lines with every top-level part blanked that does not parse on its own, and the errors of those parts."""
    problems: list[MlstackError] = []
    sound = list(lines)
    for start, end in _parts(lines):
        part = "\n" * start + "\n".join(lines[start:end])
        try:
            compose(part)
        except yaml.composer.ComposerError:
            continue
        except yaml.YAMLError as error:
            problems.append(_syntax(error, file, part))
            sound[start:end] = [""] * (end - start)
    return sound, problems


def _parts(lines: Sequence[str]) -> list[tuple[int, int]]:
    """The line ranges of the top-level keys."""
    starts = [index for index, line in enumerate(lines) if _TOP_KEY.match(line)]
    if not starts:
        return []
    starts[0] = 0
    return list(zip(starts, [*starts[1:], len(lines)], strict=True))


def _syntax(error: yaml.YAMLError, file: str, text: str = "") -> MlstackError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None) or ""
    line = mark.line + 1 if mark else 0
    if isinstance(error, yaml.reader.ReaderError) and text:
        line = text.encode("utf-8", "surrogatepass").count(b"\n", 0, int(error.position)) + 1
    place = Place(file, line)
    remedy = "check the indentation, quotes and brackets on this line and the one above"
    return _error("yaml.syntax", f"broken YAML: {problem}", place, remedy, why=context)


def _line(error: MlstackError) -> int:
    return error.place.line if error.place else 0


def _error(code: str, what: str, place: Place, remedy: str, why: str = "") -> MlstackError:
    return MlstackError(code, what, why=why, remedy=remedy, place=place, exit_code=ExitCode.USAGE)


def _problems(document: Document, problems: Sequence[MlstackError]) -> Problems:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    where = f" in {document.file}" if document.file else ""
    return Problems("document.invalid", f"{count}{where}", problems, ExitCode.USAGE)
