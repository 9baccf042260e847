"""``mlstack auth``."""

from __future__ import annotations

import sys

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.group import make_group
from mlstack.cli.session import Session
from mlstack.cli.showaccess import explanation_lines
from mlstack.core.accessrequests import Question
from mlstack.core.errors import ExitCode

command = make_group("auth", "Say why the gateway lets a request in, or not.")

HELP = """Say which route, policy and claim decide about a request, and why the answer is 200, 302, 401 or 403.

URL is a whole one, or a path at the platform's address. It is evaluated by what is in the cluster;
nothing is sent without --check, which compares the prediction with the real answer and ends with 1
when they differ. A token's signature is checked by the gateway only. '--token -' reads the token
from standard input, where other users of this machine cannot see it.
"""


@make_command("explain", help=HELP)
@click.argument("url")
@click.option("--as", "user", default="", metavar="USER", help="As this user's browser, logged in.")
@click.option("--token", default="", metavar="T", help="With this bearer token; '-' reads it from standard input.")
@click.option("--method", default="GET", show_default=True, metavar="M", help="HTTP method.")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="With this header. May be repeated."
)
@click.option("--rendered", is_flag=True, help="By the configuration instead of what is in the cluster.")
@click.option("--check", is_flag=True, help="Send the request too, and compare.")
def explain(
    session: Session,
    url: str,
    user: str,
    token: str,
    method: str,
    headers: tuple[str, ...],
    rendered: bool,
    check: bool,
) -> ExitCode:
    """Explains one request."""
    if user and (token or check):
        other = "--token" if token else "--check"
        raise click.UsageError(f"--as is for a session and does not go with {other}")
    question = Question(
        url=url,
        method=method.upper(),
        user=user,
        token=_token(token),
        headers=dict(_header(one) for one in headers),
        rendered=rendered,
        check=check,
    )
    with session.work(streaming=False) as app:
        found = app.explain(question)
    session.data("Explanation", found)
    for line in explanation_lines(found):
        session.say(line)
    return ExitCode.OK if found.agrees else ExitCode.FAILED


def _token(text: str) -> str:
    if text != "-":
        return text
    read = sys.stdin.readline().strip()
    if not read:
        raise click.UsageError("there is no token on standard input")
    return read


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or any(char in text for char in "\r\n"):
        raise click.UsageError(f"'{text}' is no header; write 'Name: value'")
    return name.strip(), value.strip()


command.add_command(explain)
