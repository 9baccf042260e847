"""``mlstack images``."""

from __future__ import annotations

import click

from mlstack.cli import show, words
from mlstack.cli.frame import command as make_command
from mlstack.cli.group import make_group
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

LIST = """List the images the configuration needs, and where they are or would come from.

With --verbose, also why not from elsewhere.
"""
command = make_group("images", "List, build, load and clean up container images.")


@make_command("list", settings=True, help=LIST)
def list_images(session: Session) -> ExitCode:
    """Prints all images."""
    with session.work(streaming=False) as app:
        found = app.images()
    session.data("Images", found)
    rows = [
        (
            image.ref,
            image.stack,
            words.size(image.size) if image.cached else "-",
            _source(image.source, verbose=session.options.verbose),
            "yes" if image.loaded else "no",
        )
        for image in found
    ]
    for line in show.table(rows, ("IMAGE", "STACK", "CACHED", "SOURCE", "LOADED")):
        session.say(line)
    total = sum(image.size for image in found)
    session.say(
        f"{words.plural(len(found), 'image')}, {sum(image.cached for image in found)} cached, {words.size(total)}."
    )
    return ExitCode.OK


def _source(text: str, *, verbose: bool) -> str:
    """Where an image comes from; verbose: with the reasons against the other sources."""
    return text if verbose else text.partition(" ")[0]


BUILD = """Obtain images into the cache ahead of time, so that 'up' has less to do.

REF picks images, as 'mlstack images list' names them; without one, all that the configuration
needs.
"""


@make_command("build", settings=True, help=BUILD)
@click.argument("refs", nargs=-1, metavar="[REF]...")
def build(session: Session, refs: tuple[str, ...]) -> ExitCode:
    """Obtains images."""
    with session.work() as app:
        report = app.build_images(refs)
    return session.finish(report, resume="images build")


@make_command(
    "load", settings=True, help="Load cached images into the running cluster: the named ones, or all that it lacks."
)
@click.argument("refs", nargs=-1, metavar="[REF]...")
def load(session: Session, refs: tuple[str, ...]) -> ExitCode:
    """Loads images."""
    with session.work() as app:
        report = app.load_images(refs)
    return session.finish(report, resume="images load")


PRUNE = """Free disk space: delete cached images and build caches that no instance on this machine
needs.

With --all the whole cache goes; the next 'up' obtains everything again.
"""


@make_command("prune", help=PRUNE)
@click.option("--all", "everything", is_flag=True, help="Delete what is needed, too.")
def prune(session: Session, everything: bool) -> ExitCode:
    """Trims the cache."""
    with session.work(streaming=False) as app:
        result = app.prune_images(everything)
    session.data("Pruned", result)
    for name in result.removed:
        session.say(f"removed {name}")
    session.say(f"{words.size(result.freed)} freed, {words.size(result.left)} left in the cache.")
    return ExitCode.OK


for _subcommand in (list_images, build, load, prune):
    command.add_command(_subcommand)
