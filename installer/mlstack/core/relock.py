"""Writes image digests into the text of a stack document, keeping its comments and layout. Pure: text in, text out."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlstack.core import yamldoc
from mlstack.core.errors import ExitCode, MlstackError, Place
from mlstack.core.stackfile import Stack


def write_digests(text: str, digests: Mapping[str, Mapping[str, str]], file: str = "") -> str:
    """The document with ``digests`` of every named image set. digests: reference -> architecture -> ``sha256:...``.

    Raises ``lock.not-written`` when the layout is not one it can edit (an image must begin with ``- ref: REFERENCE``).
    """
    lines = text.splitlines(keepends=True)
    for ref, by_architecture in digests.items():
        lines = _with_digests(lines, ref, by_architecture)
    result = "".join(lines)
    written = yamldoc.validate(Stack, yamldoc.examine(result, file))
    found = {image.ref: image.digests for image in written.spec.images}
    lost = [ref for ref, wanted in digests.items() if found.get(ref) != dict(wanted)]
    if lost:
        raise MlstackError(
            "lock.not-written",
            f"cannot write the digests of {', '.join(lost)}",
            why="the image is not in the document, or is not written as '- ref: REFERENCE'",
            remedy="write each image of the document as a block that begins with '- ref: REFERENCE'",
            place=Place(file),
            exit_code=ExitCode.USAGE,
        )
    return result


def _with_digests(lines: list[str], ref: str, digests: Mapping[str, str]) -> list[str]:
    """The lines with a ``digests`` block right below the image's first line; an older block goes."""
    pattern = re.compile(rf"(\s*)- ref: [\"']?{re.escape(ref)}[\"']?\s*(#.*)?")
    start = next((index for index, line in enumerate(lines) if pattern.fullmatch(line.rstrip("\n"))), None)
    if start is None:
        return lines
    indent = " " * (lines[start].index("-") + 2)
    end = start + 1
    while end < len(lines) and (lines[end].startswith(indent) or not lines[end].strip()):
        end += 1
    block = [f"{indent}digests:\n", *(f"{indent}  {name}: {digest}\n" for name, digest in sorted(digests.items()))]
    return [*lines[: start + 1], *block, *_without_digests(lines[start + 1 : end], indent), *lines[end:]]


def _without_digests(lines: list[str], indent: str) -> list[str]:
    kept: list[str] = []
    inside = False
    for line in lines:
        inside = line.startswith(f"{indent}digests:") or (inside and line.startswith(f"{indent} "))
        kept += [] if inside else [line]
    return kept
