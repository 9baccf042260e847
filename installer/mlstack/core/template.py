"""Jinja2 as stacks use it: sandboxed, undefined names are errors, every error names file and line. No I/O, no loader."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Mapping
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mlstack.core.budget import quantity
from mlstack.core.errors import ExitCode, MlstackError, Place, did_you_mean
from mlstack.core.yamldoc import load_objects

_MARK = "\x01"


class Templates:
    """Renders templates, values and conditions in one context. Create one for a render; compiled text is kept.

    Beyond Jinja2's own there are two filters: ``bytes``, a quantity as a whole number, and ``digest``, a short hash of a text.
    marks: the delimiters of expressions; samples use others, since workflow engines own ``{{ }}``.
    """

    def __init__(self, marks: tuple[str, str] = ("{{", "}}")) -> None:
        self._marks = marks
        blocks = marks == ("{{", "}}")
        self._environment = ImmutableSandboxedEnvironment(
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            variable_start_string=marks[0],
            variable_end_string=marks[1],
            # where only expressions are wanted the other tags get marks that no text holds
            block_start_string="{%" if blocks else "\x02%",
            block_end_string="%}" if blocks else "%\x02",
            comment_start_string="{#" if blocks else "\x02#",
            comment_end_string="#}" if blocks else "#\x02",
        )
        # what was declared in an order is shown in it
        self._environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
        self._environment.filters["bytes"] = lambda text: int(quantity(text))
        self._environment.filters["digest"] = lambda text: hashlib.sha256(str(text).encode()).hexdigest()[:12]
        self._compiled: dict[tuple[str, str], jinja2.Template] = {}

    def text(self, source: str, file: str, context: Mapping[str, Any]) -> str:
        """The rendered text. Raises ``template.syntax`` or ``template.failed`` with file and line."""
        try:
            return self._template(source, file).render(context)
        except jinja2.TemplateSyntaxError as error:
            raise _error(
                "template.syntax", str(error.message), Place(file, error.lineno), "correct the template"
            ) from None
        except Exception as error:
            raise _failed(error, file, context) from None

    def objects(self, source: str, file: str, context: Mapping[str, Any]) -> list[Any]:
        """The YAML documents of a rendered template; a YAML error names the template's line."""
        text = self.text(source, file, context)
        try:
            return load_objects(text, file)
        except MlstackError as error:
            lines = text.splitlines() or [""]
            line = min(error.place.line if error.place else 1, len(lines))  # YAML may complain behind the end
            shown = lines[line - 1].strip()
            place = Place(file, self._line_in_template(source, file, context, line))
            why = f"line {line} of the rendered text: {shown[:120]}"
            raise _error(
                "template.not-yaml", error.what, place, "quote the value or correct the template", why
            ) from None

    def value(self, value: Any, where: str, context: Mapping[str, Any]) -> Any:
        """A parsed value with every string in it rendered. A string that is one expression keeps the expression's type."""
        if isinstance(value, dict):
            return {key: self.value(item, where, context) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, where, context) for item in value]
        if not isinstance(value, str) or self._marks[0] not in value:
            return value
        expression = self._single(value)
        return self.text(value, where, context) if expression is None else self.evaluate(expression, where, context)

    def evaluate(self, expression: str, where: str, context: Mapping[str, Any]) -> Any:
        """The native value of an expression. Raises as ``text`` does."""
        try:
            result = self._environment.compile_expression(expression, undefined_to_none=False)(**context)
            if isinstance(result, jinja2.Undefined):
                str(result)
            return result
        except jinja2.TemplateSyntaxError as error:
            raise _error("template.syntax", f"{error.message} in '{expression}'", Place(where), "correct it") from None
        except Exception as error:
            raise _failed(error, where, context) from None

    def holds(self, expression: str, where: str, context: Mapping[str, Any]) -> bool:
        """The truth of a ``when`` expression; an empty one holds."""
        return not expression or bool(self.evaluate(expression, where, context))

    def _template(self, source: str, file: str) -> jinja2.Template:
        template = self._compiled.get((file, source))
        if template is None:
            code = self._environment.compile(source, name=file, filename=file)
            template = jinja2.Template.from_code(self._environment, code, self._environment.make_globals(None))
            self._compiled[file, source] = template
        return template

    def _single(self, text: str) -> str | None:
        """The expression of a string that is nothing else."""
        start, end = self._marks
        stripped = text.strip()
        if not (stripped.startswith(start) and stripped.endswith(end)):
            return None
        inner = stripped[len(start) : -len(end)]
        return None if start in inner or end in inner else inner.strip()

    def _line_in_template(self, source: str, file: str, context: Mapping[str, Any], line: int) -> int:
        """The template's line that made a line of the output: the text is rendered again with marks at line starts."""
        marked: list[str] = []
        for number, kind, token in self._environment.lex(source):
            if kind != "data":
                marked.append(token)
                continue
            lines = token.split("\n")
            marked.append("\n".join(f"{_MARK}{number + index}{_MARK}{part}" for index, part in enumerate(lines)))
        found = line
        for part in self.text("".join(marked), file, context).split("\n")[:line]:
            pieces = part.split(_MARK)
            found = int(pieces[1]) if len(pieces) > 2 and pieces[1].isdigit() else found
        return found


def _failed(error: Exception, file: str, context: Mapping[str, Any]) -> MlstackError:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    remedy = "correct the template"
    if isinstance(error, jinja2.UndefinedError):
        remedy = _suggest(str(error), context) or remedy
    elif not isinstance(error, jinja2.TemplateError):
        return _error(
            "template.failed", f"{type(error).__name__}: {error}", Place(file, (lines or [0])[-1] or 0), remedy
        )
    return _error("template.failed", str(error), Place(file, (lines or [0])[-1] or 0), remedy)


def _suggest(message: str, context: Mapping[str, Any]) -> str:
    """What the author may have meant by an undefined name or attribute."""
    names = message.split("'")
    word = names[-2] if len(names) > 2 else ""
    known = {str(key) for value in context.values() if isinstance(value, Mapping) for key in value} | set(context)
    return did_you_mean(word, sorted(known)) if word else ""


def _error(code: str, what: str, place: Place, remedy: str, why: str = "") -> MlstackError:
    return MlstackError(code, what, why=why, remedy=remedy, place=place, exit_code=ExitCode.USAGE)
