"""``mlstack users``."""

from __future__ import annotations

import re
import sys

import click

from mlstack.cli import show
from mlstack.cli.frame import command as make_command
from mlstack.cli.group import make_group
from mlstack.cli.session import Session
from mlstack.core.accounts import UserChanged, UserInfo
from mlstack.core.errors import ExitCode, MlstackError

command = make_group("users", "List, add and remove users; passwords and tokens.")

ADD = """Add a user who can log in.

The password is asked for; an empty answer, or no terminal, has one generated, which is printed
once. Unless --no-profile is given the user gets a profile of the same name: a namespace of their
own. Users that 'mlstack up' makes are declared under 'users' in mlstack.yaml.
"""
SET = """Set a user's password.

It is asked for; an empty answer, or no terminal, has one generated, which is printed once.
"""
MINT = """Print a token for a user's programs.

It speaks for the service account 'default-editor' of the user's profile and ends by itself. Send
it as 'Authorization: Bearer TOKEN'.
"""
_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from the standard input (first line).")
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LEAST_SECONDS, MOST_SECONDS = 600, 86400


@make_command("list", help="List the users.")
def list_users(session: Session) -> ExitCode:
    """Prints all users."""
    with session.work(streaming=False) as app:
        found = app.users()
    session.data("Users", found)
    rows = [(one.name, one.email, ", ".join(one.groups) or "-", _source(one), ", ".join(one.profiles)) for one in found]
    for line in show.table(rows, ("NAME", "E-MAIL", "GROUPS", "SOURCE", "PROFILES")):
        session.say(line)
    return ExitCode.OK


def _source(user: UserInfo) -> str:
    return user.source if user.there else f"{user.source}, made by the next 'up'"


@make_command("add", help=ADD)
@click.argument("user", metavar="NAME")
@click.option("--email", default="", help="E-mail that apps know the user by. Default: NAME@ and the external host.")
@click.option("--group", "groups", multiple=True, help="A group; 'admins' makes an administrator. May be repeated.")
@click.option("--no-profile", is_flag=True, help="Do not make a profile for the user.")
@_STDIN
def add(
    session: Session, user: str, email: str, groups: tuple[str, ...], no_profile: bool, password_stdin: bool
) -> ExitCode:
    """Makes a user, and a profile for them."""
    password = _password(session, password_stdin)
    with session.work(streaming=False) as app:
        made = app.add_user(user, email, groups, password)
    # told at once: whatever happens to the profile, the user is there
    _tell(session, made, f"User '{made.user.name}' is added; the login is {made.user.email}.")
    if no_profile or not made.profile_possible:
        return ExitCode.OK
    with session.work() as app:
        report = app.add_profile(user, user, {})
    code = session.finish(report, resume=f"profiles add {user} --owner {user}")
    if report.ok:
        session.say(f"Profile '{user}' is ready.")
    return code


@make_command("passwd", help=SET)
@click.argument("user", metavar="NAME")
@_STDIN
def passwd(session: Session, user: str, password_stdin: bool) -> ExitCode:
    """Sets a password."""
    password = _password(session, password_stdin)
    with session.work(streaming=False) as app:
        changed = app.set_password(user, password)
    _tell(session, changed, f"The password of '{user}' is changed.")
    return ExitCode.OK


@make_command("remove", help="Remove a user. Profiles of the user stay.")
@click.argument("user", metavar="NAME")
def remove(session: Session, user: str) -> ExitCode:
    """Removes a user."""
    with session.work(streaming=False) as app:
        gone = app.remove_user(user)
    session.data("User", gone)
    kept = f" Kept: profile {', '.join(gone.profiles)}." if gone.profiles else ""
    session.say(f"User '{user}' is removed; a login that is open lasts until it expires.{kept}")
    return ExitCode.OK


@make_command("token", help=MINT)
@click.argument("user", metavar="NAME")
@click.option("--profile", "own", default="", metavar="NAME", help="Which of the user's profiles. Default: NAME's own.")
@click.option("--audience", default="", help="For whom the token is. Default: the gateway.")
@click.option("--duration", default="1h", show_default=True, help="How long it lives, such as 30m or 12h.")
def token(session: Session, user: str, own: str, audience: str, duration: str) -> ExitCode:
    """Prints a token."""
    seconds = seconds_of(duration)
    with session.work(streaming=False) as app:
        found = app.user_token(user, own, audience, seconds)
    session.data("Token", found)
    session.say(found.token)
    if not session.options.json:
        session.note(f"for {found.account}, until {found.expires}")
    return ExitCode.OK


def seconds_of(text: str) -> int:
    """Seconds of ``30m`` and its like. Raises ``cli.duration`` for what is no duration, or one out of bounds."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise MlstackError(
            "cli.duration",
            f"a token cannot live for '{text}'",
            remedy="give a number with s, m or h, from 10m to 24h, such as --duration 2h",
            exit_code=ExitCode.USAGE,
        )
    return seconds


def _password(session: Session, from_stdin: bool) -> str | None:
    """The password from the standard input or the terminal; None to have one generated."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty() or session.options.json:
        return None
    typed = click.prompt("Password (empty: generated)", default="", hide_input=True, show_default=False, err=True)
    if not typed:
        return None
    if click.prompt("Again", hide_input=True, err=True, default="", show_default=False) != typed:
        raise MlstackError(
            "cli.password-differs", "the passwords differ", remedy="run the command again", exit_code=ExitCode.USAGE
        )
    return str(typed)


def _tell(session: Session, changed: UserChanged, text: str) -> None:
    """The result; a generated password is on a line of its own, and nowhere else."""
    session.data("User", changed)
    session.say(text)
    if changed.password:
        session.say(f"Password (shown only now): {changed.password}")


for _subcommand in (list_users, add, passwd, remove, token):
    command.add_command(_subcommand)
