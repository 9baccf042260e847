"""``mlstack version``."""

from __future__ import annotations

import platform

from mlstack import __version__
from mlstack.cli import show
from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.results import VersionInfo

HELP = """Show versions: of mlstack, the release it installs, Kubernetes and every stack."""


@make_command("version", help=HELP)
def command(session: Session) -> ExitCode:
    """Prints versions, as far as they are known when the configuration is broken."""
    try:
        with session.work(streaming=False) as app:
            info = app.version()
    except MlstackError as error:
        info = VersionInfo(mlstack=__version__, python=platform.python_version(), platform=platform.platform())
        session.note(f"(the release is not known: {error.what})")
    session.data("Version", info)
    rows = [
        ("mlstack", info.mlstack),
        ("release", info.release),
        ("kubernetes", info.kubernetes),
        ("python", info.python),
    ]
    for line in show.table([*((name, value) for name, value in rows if value), *info.components.items()]):
        session.say(line)
    return ExitCode.OK
