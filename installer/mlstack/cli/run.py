"""``mlstack run``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mlstack.cli import show, words
from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.results import SampleInfo, SampleResult

HELP = """Run a sample on the platform.

SAMPLE is a name such as 'hello' or 'train-iris'; --list shows all with their parameters. With
--watch the command follows the run: its steps, its log, the result and where its artifacts are.
"""


@make_command("run", help=HELP)
@click.argument("sample", required=False)
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the sample. May be repeated."
)
@click.option("--profile", "where", default="", metavar="NAME", help="The profile in whose namespace it runs.")
@click.option("-w", "--watch", is_flag=True, help="Follow the run until it ends.")
@click.option("--list", "listing", is_flag=True, help="List the samples and their parameters.")
def command(
    session: Session, sample: str | None, params: tuple[str, ...], where: str, watch: bool, listing: bool
) -> ExitCode:
    """Runs a sample, or lists them."""
    if listing or not sample:
        return _list(session)
    values = parse_params(params)
    with session.work() as app:
        result = app.run_sample(sample, values, watch, where)
    session.data("SampleResult", result)
    for line in _result_lines(session, result, watch):
        session.say(line)
    return ExitCode.OK if result.ok else ExitCode.FAILED


def parse_params(texts: Sequence[str]) -> dict[str, str]:
    """``name=value`` texts as a mapping. Raises ``cli.param-syntax``."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise MlstackError(
                "cli.param-syntax",
                f"'{name}' is not of the form NAME=VALUE",
                remedy="write --param name=value; 'mlstack run --list' shows the parameters",
                exit_code=ExitCode.USAGE,
            )
        values[name] = value
    return values


def _list(session: Session) -> ExitCode:
    with session.work(streaming=False) as app:
        samples = app.samples()
    session.data("Samples", samples)
    for sample in samples:
        for line in _sample_lines(sample):
            session.say(line)
    session.say(
        f"'{session.command('run SAMPLE --watch')}' runs one." if samples else "No installed stack has a sample."
    )
    return ExitCode.OK


def _sample_lines(sample: SampleInfo) -> list[str]:
    took = f", {words.about(sample.seconds)}" if sample.seconds else ""
    params = [f"  {line}" for line in show.param_lines(sample.params)] if sample.params else []
    return [f"{sample.name}: {sample.summary} ({sample.stack}{took})", *params, ""]


def _result_lines(session: Session, result: SampleResult, watched: bool) -> list[str]:
    took = f" after {words.duration(result.seconds)}" if result.seconds else ""
    lines = [f"{result.sample}: {result.phase}{took} (run {result.run}, namespace {result.namespace})"]
    lines += [f"  {result.message}"] if result.message else []
    lines += (
        ["", "Results:", *(f"  {line}" for line in show.table(list(result.results.items())))] if result.results else []
    )
    lines += (
        ["", "Artifacts:", *(f"  {line}" for line in show.table(list(result.artifacts.items())))]
        if result.artifacts
        else []
    )
    lines += ["", f"See it at {result.url}"] if result.url else []
    return (
        lines
        if watched
        else [*lines, f"'{session.command(f'run {result.sample} --watch')}' would follow it to its end."]
    )
