"""Jobs of the first training operator in files, as TrainJobs. Reads the files; needs no configuration and no cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mlstack.core.errors import ExitCode, MlstackError, Place, Problems
from mlstack.core.jobsv1 import Job, read_jobs
from mlstack.core.trainjob import Migrated, migrate
from mlstack.core.yamldoc import examine_all

STDIN = "-"


def migrate_files(files: Sequence[Path]) -> list[Migrated]:
    """What becomes of every job in the files; ``-`` is the standard input.

    Raises Problems ``migrate.input`` with all that is wrong in any of them; nothing is translated then.
    """
    jobs: list[Job] = []
    problems: list[MlstackError] = []
    for file in files:
        try:
            text = sys.stdin.read() if str(file) == STDIN else file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            problems.append(_unreadable(file, error))
            continue
        documents = examine_all(text, str(file))
        if not documents:
            problems.append(_empty(file))
        for document in documents:
            found, wrong = read_jobs(document)
            jobs += found
            problems += wrong
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise Problems("migrate.input", f"{count} with the jobs to migrate", problems, ExitCode.USAGE)
    return [migrate(job) for job in jobs]


def _unreadable(file: Path, error: Exception) -> MlstackError:
    why = error.strerror or "" if isinstance(error, OSError) else "it is no UTF-8 text"
    remedy = "name a file with the manifests of jobs, or - for the standard input"
    return MlstackError(
        "migrate.unreadable",
        "the file cannot be read",
        why=why,
        remedy=remedy,
        place=Place(str(file)),
        exit_code=ExitCode.USAGE,
    )


def _empty(file: Path) -> MlstackError:
    remedy = "`kubectl get pytorchjobs,tfjobs,xgboostjobs -A -o yaml` writes what a cluster has"
    place = Place(str(file))
    return MlstackError(
        "migrate.foreign", "there is no job in it", remedy=remedy, place=place, exit_code=ExitCode.USAGE
    )
