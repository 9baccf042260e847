"""From a release, a profile and the user's choices to the ordered set of stacks with their values. Pure; all problems at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from mlstack.core.alternatives import rivals
from mlstack.core.brought import brought_by, missing_names, provides
from mlstack.core.catalogue import Catalogue, Entry
from mlstack.core.errors import ExitCode, MlstackError, Place, Problems, did_you_mean
from mlstack.core.fitting import misfits, unnamed_version
from mlstack.core.model import ImageSource
from mlstack.core.releasefile import Release
from mlstack.core.samplefile import Sample
from mlstack.core.values import PlaceOf, check_values
from mlstack.core.versions import newest


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user said about one stack. enabled None: the profile decides; version empty: the release decides.

    place: where it was said; param_place: where each parameter was.
    """

    version: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool | None = None
    place: Place | None = None
    param_place: PlaceOf | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A stack that will be there. values: of every parameter; providers: required capability -> providing stack's name."""

    entry: Entry
    values: Mapping[str, Any]
    requires: tuple[str, ...] = ()
    providers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Selection:
    """The resolved set in dependency order."""

    release: str
    profile: str
    kubernetes: str
    stacks: tuple[Chosen, ...]

    @property
    def samples(self) -> list[tuple[Chosen, Sample]]:
        """The samples that can run: of the enabled stacks, those whose needs some of these meet."""
        return [
            (chosen, sample)
            for chosen in self.stacks
            for sample in chosen.entry.samples
            if all(any(provides(other.entry, need) for other in self.stacks) for need in sample.spec.requires)
        ]

    def named(self, name: str) -> Chosen:
        """The stack of that name; raises ``config.unknown-stack`` with a suggestion."""
        for chosen in self.stacks:
            if chosen.entry.name == name:
                return chosen
        raise unknown("stack", name, [chosen.entry.name for chosen in self.stacks])


def resolve(
    catalogue: Catalogue,
    release: Release,
    profile: str = "",
    choices: Mapping[str, Choice] | None = None,
    kubernetes: str = "",
    source: ImageSource = ImageSource.AUTO,
) -> Selection:
    """The selection. Raises Problems (``config.stacks``) naming every unknown stack, version, parameter and unmet requirement.

    choices: by stack or addon name; an addon is on when its choice says ``enabled``; kubernetes: empty takes the release's;
    source: where images may come from (``artifacts.source``).
    """
    choices = choices or {}
    problems: list[MlstackError] = []
    profile = profile or release.spec.default_profile
    if profile not in release.spec.profiles:
        raise unknown("profile", profile, list(release.spec.profiles))
    wanted = _wanted(catalogue, release, profile, choices, problems)
    entries = _entries(catalogue, release, wanted, choices, problems)
    entries += _brought(catalogue, release, entries, choices)
    version = kubernetes or release.spec.kubernetes
    chosen: dict[str, Chosen] = {}
    for entry in entries:
        choice = choices.get(entry.name, Choice())
        kind = "addon" if entry.is_addon else "stack"
        declared = entry.document.spec.params
        values, wrong = check_values(f"{kind} {entry.name}", declared, choice.params, choice.param_place)
        providers, missing = _providers(entry, entries, catalogue, choice, brought_by(entry, values))
        problems += [*wrong, *missing, *misfits(entry, entries, version, source, choice.place)]
        names = tuple(dict.fromkeys(providers.values()))
        chosen[entry.name] = Chosen(entry, values, names, providers)
    if problems:
        what = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} with the stacks"
        raise Problems("config.stacks", what, problems, ExitCode.USAGE)
    return Selection(release.metadata.name, profile, version, _ordered(chosen))


def profile_of(release: Release, name: str, requires: Sequence[str] = ()) -> str:
    """A profile in which a stack is at home: the default one, or the first one that has it where the default has not.

    A stack that takes another's place is at home where that one is; one of no profile, and an addon, beside the most stacks: it may
    need them. So is one that the release does not know where it requires anything; requires: what it does.
    """
    spec = release.spec
    names = {name, *rivals(spec, name)}
    having = [profile for profile, one in spec.profiles.items() if names & set(one.stacks)]
    if not having and (requires or name in {*spec.stacks, *spec.addons}):
        return max(spec.profiles, key=lambda profile: len(spec.profiles[profile].stacks))
    return spec.default_profile if spec.default_profile in having or not having else having[0]


def home_choices(release: Release, name: str, choice: Choice) -> dict[str, Choice]:
    """The choices with which a stack is selected in ``profile_of``: its own, and none of those whose place it takes."""
    return {**{other: Choice(enabled=False) for other in rivals(release.spec, name)}, name: choice}


def unknown(kind: str, name: str, known: Sequence[str], place: Place | None = None) -> MlstackError:
    """The error for a name that does not exist, with a suggestion."""
    return MlstackError(
        f"config.unknown-{kind}",
        f"there is no {kind} '{name}'",
        remedy=did_you_mean(name, list(known)),
        place=place,
        exit_code=ExitCode.USAGE,
    )


def _wanted(
    catalogue: Catalogue,
    release: Release,
    profile: str,
    choices: Mapping[str, Choice],
    problems: list[MlstackError],
) -> list[str]:
    """Names in the profile's order, then what the user added."""
    names = [name for name in release.spec.profiles[profile].stacks if _enabled(choices.get(name), default=True)]
    for name, choice in choices.items():
        if not catalogue.versions(name):
            problems.append(unknown("stack", name, catalogue.names(), choice.place))
        elif name not in names and _enabled(choice, default=False):
            names.append(name)
    return names


def _enabled(choice: Choice | None, default: bool) -> bool:
    return default if choice is None or choice.enabled is None else choice.enabled


def _entries(
    catalogue: Catalogue,
    release: Release,
    names: Sequence[str],
    choices: Mapping[str, Choice],
    problems: list[MlstackError],
) -> list[Entry]:
    entries: list[Entry] = []
    for name in names:
        versions = catalogue.versions(name)
        choice = choices.get(name, Choice())
        given = choice.version or release.spec.stacks.get(name) or release.spec.addons.get(name)
        version = given or (unnamed_version(catalogue, name) if versions else "")
        if version in versions:
            entries.append(catalogue.entry(name, version))
        elif not versions:
            problems.append(unknown("stack", name, catalogue.names(), choice.place))
        else:
            error = unknown("version", version, versions, choice.place)
            problems.append(_retitled(error, f"stack {name} has no version '{version}'"))
            # so that those who require it do not complain too
            entries.append(catalogue.entry(name, unnamed_version(catalogue, name)))
    return entries


def _brought(
    catalogue: Catalogue, release: Release, entries: Sequence[Entry], choices: Mapping[str, Choice]
) -> list[Entry]:
    """The release's stacks that those selected bring with them, and what these bring in turn."""
    found: list[Entry] = []
    while True:
        given = {name: choice.params for name, choice in choices.items()}
        names = missing_names(catalogue, release.spec.stacks, [*entries, *found], given)
        names = [name for name in names if _enabled(choices.get(name), default=True)]
        if not names:
            return found
        found += _entries(catalogue, release, names, choices, [])


def _retitled(error: MlstackError, what: str) -> MlstackError:
    return MlstackError(error.code, what, remedy=error.remedy, place=error.place, exit_code=error.exit_code)


def _providers(
    entry: Entry, entries: Sequence[Entry], catalogue: Catalogue, choice: Choice, brought: Sequence[str]
) -> tuple[dict[str, str], list[MlstackError]]:
    found: dict[str, str] = {}
    problems: list[MlstackError] = []
    needed = [*entry.document.spec.requires, *brought]
    for need in dict.fromkeys([*needed, *entry.document.spec.optional]):
        names = [other.name for other in entries if provides(other, need)]
        if len(names) == 1:
            found[need] = names[0]
        elif names:
            what = f"stack {entry.name} requires '{need}' and several stacks provide it: {', '.join(names)}"
            problems.append(_unmet("config.ambiguous-capability", what, "disable all but one of them", choice.place))
        elif need in needed:
            able = _able(catalogue, need)
            remedy = f"enable {' or '.join(able)}" if able else f"disable {entry.name}"
            what = f"stack {entry.name} requires '{need}', which no enabled stack provides"
            problems.append(_unmet("config.unmet-requirement", what, remedy, choice.place))
    return found, problems


def _able(catalogue: Catalogue, need: str) -> list[str]:
    """Stacks of the catalogue that would meet a requirement; only read once something is wrong."""
    newest_entries = (catalogue.entry(name, newest(catalogue.versions(name))) for name in catalogue.names())
    return [entry.name for entry in newest_entries if provides(entry, need)]


def _unmet(code: str, what: str, remedy: str, place: Place | None) -> MlstackError:
    return MlstackError(code, what, remedy=remedy, place=place, exit_code=ExitCode.USAGE)


def _ordered(chosen: Mapping[str, Chosen]) -> tuple[Chosen, ...]:
    """Dependency order, otherwise as given; a stack that requires itself through others is an error."""
    try:
        sorter = TopologicalSorter({name: one.requires for name, one in chosen.items()})
        return tuple(chosen[name] for name in sorter.static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise _unmet("stack.cycle", f"stacks require each other: {circle}", "remove one requirement", None) from None
