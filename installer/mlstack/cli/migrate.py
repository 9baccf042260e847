"""``mlstack migrate``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode
from mlstack.core.trainjob import Migrated

HELP = """Print TrainJobs that do what jobs of the first training operator do.

FILE holds PyTorchJobs, TFJobs, XGBoostJobs or MPIJobs (kubeflow.org/v1), as they were written or as
'kubectl get -o yaml' writes them; - is the standard input. What is printed can be given to 'kubectl
create -f -': what has no counterpart stands above each job as a comment, with the reason and what
to do. Nothing is changed anywhere.

Ends with 1 where a job has no TrainJob at all, with 2 where a file holds something else.
"""


@make_command("migrate", help=HELP)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, allow_dash=True))
def command(session: Session, files: tuple[Path, ...]) -> ExitCode:
    """Translates jobs."""
    from mlstack.app.migrating import migrate_files

    found = migrate_files(files)
    session.data("Migration", found)
    for one in found:
        for line in _lines(one):
            session.say(line)
    return ExitCode.OK if all(one.trainjob for one in found) else ExitCode.FAILED


def _lines(one: Migrated) -> Iterator[str]:
    from mlstack.core.golden import dump

    state = "has no TrainJob" if one.trainjob is None else "as a TrainJob"
    yield "---"
    yield f"# {one.kind} {one.name} ({one.file}:{one.line}) {state}"
    for hint in one.hints:
        yield f"# - line {hint.line}, {hint.path}: {hint.what}"
        yield f"#   why: {hint.why}"
        yield f"#   do:  {hint.remedy}"
    if one.trainjob:
        yield dump([one.trainjob]).removeprefix("---\n").rstrip("\n")
