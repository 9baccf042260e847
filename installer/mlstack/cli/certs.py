"""``mlstack certs``."""

from __future__ import annotations

from pathlib import Path

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.group import make_group
from mlstack.cli.session import Session
from mlstack.cli.showaccess import certificate_lines, trust_lines
from mlstack.core.errors import ExitCode

command = make_group("certs", "Show, renew and trust the platform's certificates.")

SHOW = """Show the platform's certificates: names, how long they last, fingerprints.

Ends with 4 when clients refuse one of them now.
"""
ROTATE = """Issue every certificate anew, without a restart of what uses it.

'mlstack up' does it by itself 30 days before one ends and when the platform gets another name.
With --ca there is a new authority too: every client must trust it anew, see 'mlstack certs trust'.
"""
TRUST = """Say how systems, browsers and programs learn to trust the platform's authority.

Nothing is changed on this machine. The certificate of the authority is no secret; its key stays in the cluster.
"""


@make_command("show", help=SHOW)
def show(session: Session) -> ExitCode:
    """Prints all certificates."""
    with session.work(streaming=False) as app:
        found = app.certificates()
    session.data("Certificates", found)
    for line in certificate_lines(found, session.command("certs rotate")):
        session.say(line)
    return ExitCode.NOT_READY if any(one.fault for one in found) else ExitCode.OK


@make_command("rotate", help=ROTATE)
@click.option("--ca", "authority", is_flag=True, help="Make a new authority too.")
def rotate(session: Session, authority: bool) -> ExitCode:
    """Issues all certificates."""
    with session.work() as app:
        report = app.rotate_certificates(authority)
    code = session.finish(report, resume="certs rotate --ca" if authority else "certs rotate")
    if report.ok:
        session.say("New certificates are in use.")
    if report.ok and authority:
        session.say(f"The authority is new: every client must trust it anew ('{session.command('certs trust')}').")
    return code


@make_command("trust", help=TRUST)
@click.option(
    "--export", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write its certificate there."
)
def trust(session: Session, target: Path | None) -> ExitCode:
    """Prints what to do."""
    with session.work(streaming=False) as app:
        found = app.trust(target)
    session.data("Trust", found)
    for line in trust_lines(found):
        session.say(line)
    return ExitCode.OK


for _subcommand in (show, rotate, trust):
    command.add_command(_subcommand)
