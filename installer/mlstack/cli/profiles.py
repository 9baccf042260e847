"""``mlstack profiles``."""

from __future__ import annotations

import click

from mlstack.cli import show
from mlstack.cli.frame import command as make_command
from mlstack.cli.group import make_group
from mlstack.cli.run import parse_params
from mlstack.cli.session import Session
from mlstack.core.accounts import ContributorInfo, ProfileInfo
from mlstack.core.actions import Report
from mlstack.core.errors import ExitCode, MlstackError, did_you_mean
from mlstack.core.people import QUOTAS, ROLES, Role

command = make_group("profiles", "List, add, share and remove profiles: namespaces of users.")

ADD = """Add a profile: a namespace with an owner, a quota, a network policy and a bucket of its own.

One that was removed and whose data is kept is opened again. Profiles may also be declared under
'profiles' in mlstack.yaml.
"""
SHARE = """Share a profile with a user, or take the share back with --remove.

USER is a user's name or an e-mail; with --group it is the name of a group.
"""
REMOVE = """Remove a profile. Its namespace, volumes and bucket are kept unless --purge is given.

Owner and contributors lose their access, and so does the profile's key of the object store.
'mlstack profiles add' opens it again.
"""


@make_command("list", help="List the profiles with owner, contributors and state.")
def list_profiles(session: Session) -> ExitCode:
    """Prints all profiles."""
    with session.work(streaming=False) as app:
        found = app.profiles()
    session.data("Profiles", found)
    rows = [(one.name, one.owner, _shares(one), one.state, one.source) for one in found]
    header = ("NAME", "OWNER", "CONTRIBUTORS", "STATE", "SOURCE")
    for line in show.table(rows, header) if rows else ["There are no profiles."]:
        session.say(line)
    return ExitCode.OK


def _shares(profile: ProfileInfo) -> str:
    def one(member: ContributorInfo) -> str:
        return f"{'group ' if member.group else ''}{member.name} ({member.role})"

    return ", ".join(one(member) for member in profile.contributors) or "-"


@make_command("add", help=ADD)
@click.argument("space", metavar="NAME")
@click.option("--owner", default="", help="A user's name or an e-mail. Default: the user of the profile's name.")
@click.option("--quota", "quotas", multiple=True, metavar="KEY=VALUE", help=f"A bound of {', '.join(QUOTAS)}.")
def add(session: Session, space: str, owner: str, quotas: tuple[str, ...]) -> ExitCode:
    """Makes a profile."""
    bounds = parse_quotas(quotas)
    with session.work() as app:
        report = app.add_profile(space, owner or space, bounds)
    return _end(session, report, f"profiles add {space}", f"Profile '{space}' is ready.")


def parse_quotas(texts: tuple[str, ...]) -> dict[str, str]:
    """``cpu=2`` texts as a mapping. Raises ``cli.quota`` for a bound that there is not, or that is no quantity."""
    from mlstack.core.budget import quantity

    bounds = parse_params(texts)
    for name, value in bounds.items():
        try:
            quantity(value)
            remedy = did_you_mean(name, QUOTAS)
        except ValueError:
            remedy = "give a quantity such as 2, 500m or 4Gi"
        else:
            if name in QUOTAS:
                continue
        raise MlstackError("cli.quota", f"{name}={value} is no quota", remedy=remedy, exit_code=ExitCode.USAGE)
    return bounds


@make_command("share", help=SHARE)
@click.argument("space", metavar="NAME")
@click.argument("user")
@click.option("--role", type=click.Choice(ROLES), default="view", show_default=True, help="What they may do.")
@click.option("--group", is_flag=True, help="USER is a group.")
@click.option("--remove", "taken", is_flag=True, help="Take the share back.")
def share(session: Session, space: str, user: str, role: Role, group: bool, taken: bool) -> ExitCode:
    """Shares a profile."""
    with session.work() as app:
        report = app.share_profile(space, user, None if taken else role, group)
    verb = f"is no longer shared with {user}" if taken else f"is shared with {user} ({role})"
    return _end(session, report, f"profiles share {space} {user}", f"Profile '{space}' {verb}.")


@make_command("remove", help=REMOVE)
@click.argument("space", metavar="NAME")
@click.option("--purge", is_flag=True, help="Delete namespace, volumes and bucket too. This cannot be undone.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove(session: Session, space: str, purge: bool, yes: bool) -> ExitCode:
    """Removes a profile."""
    with session.work() as app:
        lines = [f"Owner and contributors lose access to '{space}'."]
        lines += [f"All that is in it will be deleted: pods, volumes, bucket profile-{space}."] if purge else []
        session.require_yes(f"Remove profile '{space}'?", lines, yes=yes, remedy="give --yes if you are sure")
        report = app.remove_profile(space, purge)
    end = "deleted with its data" if purge else "removed; its data is kept"
    return _end(
        session, report, f"profiles remove {space}{' --purge' if purge else ''}", f"Profile '{space}' is {end}."
    )


def _end(session: Session, report: Report, resume: str, text: str) -> ExitCode:
    code = session.finish(report, resume=resume)
    if report.ok:
        session.say(text)
    return code


for _subcommand in (list_profiles, add, share, remove):
    command.add_command(_subcommand)
