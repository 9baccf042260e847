"""The one error type users see, and the exit codes. Every error says what, why and what to do; it carries no secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes, a contract with scripts (design, section 3)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PREFLIGHT = 3
    NOT_READY = 4
    BUG = 70
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Place:
    """Where a problem is: a file and line, a path inside a document (``a.b[2].c``), or both. Lines count from 1."""

    file: str = ""
    line: int = 0
    path: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.file and self.line else self.file
        return " ".join(part for part in (where, self.path) if part)


class MlstackError(Exception):
    """A failure with a remedy.

    code: stable dotted identifier, listed in the reference (``config.unknown-field``);
    what: what failed, one line; why: the cause as far as known; remedy: what the user does next;
    see: a documentation anchor or a log file's path; exit_code: what the process ends with.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        why: str = "",
        remedy: str = "",
        see: str = "",
        place: Place | None = None,
        exit_code: ExitCode = ExitCode.FAILED,
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.why = why
        self.remedy = remedy
        self.see = see
        self.place = place
        self.exit_code = exit_code

    def to_dict(self) -> dict[str, str]:
        """The JSON form used in events and ``--json`` output; empty parts are left out."""
        parts = {
            "code": self.code,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
            "see": self.see,
            "place": str(self.place) if self.place else "",
        }
        return {key: value for key, value in parts.items() if value}

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        lines = [f"{place}{self.what} [{self.code}]"]
        lines += [f"  why: {self.why}"] if self.why else []
        lines += [f"  do:  {self.remedy}"] if self.remedy else []
        lines += [f"  see: {self.see}"] if self.see else []
        return "\n".join(lines)


class Problems(MlstackError):
    """Several problems found at once (a configuration file, a preflight): all are reported, nothing was changed."""

    def __init__(self, code: str, what: str, problems: Sequence[MlstackError], exit_code: ExitCode) -> None:
        super().__init__(code, what, exit_code=exit_code)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([f"{self.what}:", *(str(problem) for problem in self.problems)])


def interrupted(what: str) -> MlstackError:
    """The error of work that the user cancelled: what was cut off."""
    return MlstackError(
        "run.interrupted",
        f"{what} was interrupted",
        remedy="repeat the command: it resumes",
        exit_code=ExitCode.INTERRUPTED,
    )


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A suggestion for a mistyped word, or the list of what is known when nothing is near."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(sorted(known))}" if known else ""
