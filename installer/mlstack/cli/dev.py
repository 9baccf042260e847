"""``mlstack dev``: for people who make stacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.group import make_group
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode, MlstackError

command = make_group("dev", "Make and maintain stacks (for developers).")


@make_command("new", help="Make a new stack or addon from a skeleton: 'mlstack dev new stack my-service 1.2.0'.")
@click.argument("kind", type=click.Choice(["stack", "addon"]))
@click.argument("stack", metavar="NAME")
@click.argument("version")
def new(session: Session, kind: str, stack: str, version: str) -> ExitCode:
    """Makes the skeleton."""
    with session.work(streaming=False) as app:
        made = app.dev_new(kind, stack, version)
    session.data("Path", {"path": str(made)})
    session.say(f"made {made}")
    return ExitCode.OK


@make_command("lock", help="Look up what a stack pins (image digests per architecture) and write it to its files.")
@click.argument("stack")
def lock(session: Session, stack: str) -> ExitCode:
    """Writes the lock files."""
    with session.work(streaming=False) as app:
        return _written(session, app.dev_lock(stack))


@make_command("golden", help="Render a stack with its defaults and write the golden files that the tests compare with.")
@click.argument("stack")
def golden(session: Session, stack: str) -> ExitCode:
    """Writes the golden files."""
    with session.work(streaming=False) as app:
        return _written(session, app.dev_golden(stack))


@make_command("docs", help="Write docs/reference and docs/support-matrix.md from the code and the shipped data.")
@click.option("--check", is_flag=True, help="Write nothing; fail if a page is not current.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Directory to write to.")
def docs(session: Session, check: bool, output: Path | None) -> ExitCode:
    """Writes or checks the reference pages."""
    from mlstack.adapters.paths import find_data
    from mlstack.cli.reference import pages

    root = find_data(session.environ)
    directory = output or root / "docs" / "reference"
    made = pages(root)
    stale = [name for name, text in made.items() if not _same(directory / name, text)]
    if check and stale:
        names = ", ".join(Path(name).name for name in stale)
        raise MlstackError(
            "dev.docs-stale", f"not current: {names}", remedy="run 'mlstack dev docs' and commit the result"
        )
    directory.mkdir(parents=True, exist_ok=True)
    written = [(directory / name).resolve() for name in stale]
    for name, path in zip(stale, written, strict=True):
        path.write_text(made[name], encoding="utf-8")
    return _written(session, written)


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _written(session: Session, paths: Sequence[Path]) -> ExitCode:
    found = [str(path) for path in paths]
    session.data("Paths", {"written": found})
    for path in found:
        session.say(f"written {path}")
    if not found:
        session.say("Nothing to change.")
    return ExitCode.OK


for _subcommand in (new, lock, golden, docs):
    command.add_command(_subcommand)
