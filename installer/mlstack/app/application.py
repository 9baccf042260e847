"""The use cases behind the commands (``cli.usecases.App``): each hands over to the module that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlstack.app.access import AccessUseCases
from mlstack.app.devapp import Developing
from mlstack.core.config import Resolved

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.app.unchanged import Asked
    from mlstack.core.accounts import ProfileInfo, TokenInfo, UserChanged, UserInfo
    from mlstack.core.actions import Plan, Report
    from mlstack.core.events import LogLine
    from mlstack.core.model import LogFile
    from mlstack.core.people import Role
    from mlstack.core.results import (
        Check,
        Credential,
        ImageInfo,
        ObjectDiff,
        PruneResult,
        SampleInfo,
        SampleResult,
        StackInfo,
        Status,
        TestReport,
        VersionInfo,
    )


class Application(AccessUseCases, Developing):
    """One configuration's use cases. Imports happen inside, so that a command loads only what it uses."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def config(self) -> Resolved:
        """The configuration in force, with origins."""
        return self._session.resolved

    def up(self, confirm: Callable[[Sequence[str]], bool], host_changes: bool) -> Report:
        """Brings the platform to what is wanted."""
        from mlstack.app.lifecycle import carry_out

        return carry_out(self._session, "up", confirm, host_changes)

    def settle(self, asked: Asked, told: Mapping[str, Any]) -> None:
        """Lets the next ``up`` of the same command line say the same at once, if this one found nothing to do."""
        if self._session.settled is not None:
            from mlstack.app.settling import keep

            keep(self._session, asked, self._session.settled, told)

    def down(self, purge: bool, undo_host: bool) -> Report:
        """Takes the platform away."""
        from mlstack.app.lifecycle import down

        return down(self._session, purge, undo_host)

    def start(self) -> Report:
        """Starts a stopped platform."""
        from mlstack.app.lifecycle import carry_out

        return carry_out(self._session, "start", lambda _changes: True, self._session.config.host.changes)

    def stop(self) -> Report:
        """Stops the platform and keeps everything."""
        from mlstack.app.lifecycle import carry_out

        return carry_out(self._session, "stop", lambda _changes: True, host_changes=False)

    def plan(self, command: str = "up") -> Plan:
        """What a command would do."""
        from mlstack.app.lifecycle import show_plan

        return show_plan(self._session, command)

    def diff(self) -> Sequence[ObjectDiff]:
        """How the platform differs from what is wanted."""
        from mlstack.app.reading import diff

        return diff(self._session)

    def status(self) -> Status:
        """How the platform is."""
        from mlstack.app.reading import status

        return status(self._session)

    def logs(self, stack: str, follow: bool, tail: int) -> Iterator[LogLine]:
        """The log lines of a stack's programs."""
        from mlstack.app.reading import logs

        return logs(self._session, stack, follow, tail)

    def log_files(self) -> Sequence[LogFile]:
        """The logs of playbooks, builds and the cluster's tool."""
        from mlstack.app.logfiles import log_files

        return log_files(self._session)

    def samples(self) -> Sequence[SampleInfo]:
        """The samples that can be run."""
        from mlstack.app.listing import samples

        return samples(self._session)

    def run_sample(self, name: str, params: Mapping[str, str], watch: bool, profile: str = "") -> SampleResult:
        """Runs a sample."""
        from mlstack.app.using import run_sample

        return run_sample(self._session, name, params, watch, profile)

    def credentials(self, name: str | None) -> Sequence[Credential]:
        """The generated logins."""
        from mlstack.app.using import credentials

        return credentials(self._session, name)

    def users(self) -> Sequence[UserInfo]:
        """Every user."""
        from mlstack.app.users import list_users

        return list_users(self._session)

    def add_user(self, name: str, email: str, groups: Sequence[str], password: str | None) -> UserChanged:
        """Makes a user."""
        from mlstack.app.users import add_user

        return add_user(self._session, name, email, groups, password)

    def set_password(self, name: str, password: str | None) -> UserChanged:
        """Sets a user's password."""
        from mlstack.app.users import set_password

        return set_password(self._session, name, password)

    def remove_user(self, name: str) -> UserInfo:
        """Removes a user."""
        from mlstack.app.users import remove_user

        return remove_user(self._session, name)

    def user_token(self, name: str, profile: str, audience: str, seconds: int) -> TokenInfo:
        """A token for a user's programs."""
        from mlstack.app.users import user_token

        return user_token(self._session, name, profile, audience, seconds)

    def profiles(self) -> Sequence[ProfileInfo]:
        """Every profile."""
        from mlstack.app.profiles import list_profiles

        return list_profiles(self._session)

    def add_profile(self, name: str, owner: str, quota: Mapping[str, str]) -> Report:
        """Makes a profile and brings the platform to that."""
        from mlstack.app.profiles import add_profile

        return add_profile(self._session, name, owner, quota)

    def share_profile(self, name: str, person: str, role: Role | None, group: bool) -> Report:
        """Shares a profile, or takes a share back."""
        from mlstack.app.profiles import share_profile

        return share_profile(self._session, name, person, role, group)

    def remove_profile(self, name: str, purge: bool) -> Report:
        """Closes a profile; purge: with its data."""
        from mlstack.app.profiles import remove_profile

        return remove_profile(self._session, name, purge)

    def doctor(self, fix: bool) -> Sequence[Check]:
        """Checks of host and platform."""
        from mlstack.app.doctor import doctor

        return doctor(self._session, fix)

    def stacks(self) -> Sequence[StackInfo]:
        """The stacks of the catalogue."""
        from mlstack.app.listing import stack_infos

        return stack_infos(self._session, addons=False)

    def addons(self) -> Sequence[StackInfo]:
        """The addons of the catalogue."""
        from mlstack.app.listing import stack_infos

        return stack_infos(self._session, addons=True)

    def set_addon(self, name: str, enabled: bool) -> Report:
        """Switches an addon on or off and brings the platform to that."""
        from mlstack.app.addons import set_addon

        return set_addon(self._session, name, enabled)

    def images(self) -> Sequence[ImageInfo]:
        """The images the configuration needs."""
        from mlstack.app.imaging import images

        return images(self._session)

    def build_images(self, refs: Sequence[str]) -> Report:
        """Brings images into the store."""
        from mlstack.app.imaging import build

        return build(self._session, refs)

    def load_images(self, refs: Sequence[str]) -> Report:
        """Loads images into the nodes."""
        from mlstack.app.imaging import load

        return load(self._session, refs)

    def prune_images(self, all: bool) -> PruneResult:
        """Trims the caches."""
        from mlstack.app.imaging import prune

        return prune(self._session, all)

    def test(self, stack: str | None, junit: Path | None) -> TestReport:
        """Checks the running platform by using it."""
        from mlstack.app.using import test

        return test(self._session, stack, junit)

    def verify(self, what: Sequence[str], junit: Path | None) -> TestReport:
        """Attacks the running platform itself."""
        from mlstack.app.verifying import verify

        return verify(self._session, what, junit)

    def support_bundle(self, path: Path) -> Path:
        """Collects what a bug report needs."""
        from mlstack.app.support import support_bundle

        return support_bundle(self._session, path)

    def version(self) -> VersionInfo:
        """Versions for a bug report."""
        from mlstack.app.listing import version

        return version(self._session)
