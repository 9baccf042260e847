"""Which stack provides a capability where a release offers several: chosen by name in the configuration. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlstack.core.releasefile import ReleaseSpec

CHOSEN_BY: Mapping[tuple[str, str], str] = {("auth", "provider"): "identity-provider"}
"""Path of a configuration value -> the capability whose provider it chooses."""


def with_choices(spec: ReleaseSpec, profile: str, chosen: Mapping[str, str]) -> list[str]:
    """The stacks of a profile, with the chosen alternative where it lists another one. chosen: capability -> choice; one
    that is empty or that the release does not offer leaves the profile as it is."""
    instead: dict[str, str] = {}
    for capability, offered in spec.alternatives.items():
        if chosen.get(capability) in offered:
            instead.update(dict.fromkeys(offered.values(), offered[chosen[capability]]))
    return list(dict.fromkeys(instead.get(name, name) for name in spec.profiles[profile].stacks))


def rivals(spec: ReleaseSpec, name: str) -> Iterator[str]:
    """The stacks that a stack takes the place of, as far as the release says."""
    for offered in spec.alternatives.values():
        if name in offered.values():
            yield from (other for other in offered.values() if other != name)
