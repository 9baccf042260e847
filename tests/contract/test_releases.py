"""Every release: its stacks exist and fit together, its profiles' budgets add up, rendering it is quick."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from contract_data import CATALOGUE, ENTRIES, FACTS, RELEASES, Workshop

from mlstack.core.budget import Requests, of_budget, quantity
from mlstack.core.errors import Problems
from mlstack.core.fitting import from_registry_only
from mlstack.core.model import ImageSource
from mlstack.core.people import People, Profile
from mlstack.core.resolve import Choice, home_choices, profile_of, resolve
from mlstack.core.versions import numbers, satisfies

pytestmark = pytest.mark.parametrize("name", RELEASES)


def test_names_what_the_catalogue_has(name: str) -> None:
    spec = CATALOGUE.release(name).spec
    for stack, version in [*spec.stacks.items(), *spec.addons.items()]:
        assert version in CATALOGUE.versions(stack), stack
    for stack, versions in spec.versions.items():
        assert spec.stacks[stack] in versions
        assert set(versions) <= set(CATALOGUE.versions(stack))
    assert spec.node in CATALOGUE.nodes()
    assert CATALOGUE.node(spec.node).spec.kubernetes == spec.kubernetes
    assert numbers(spec.kubernetes)


def test_chooses_nothing_that_only_a_registry_has(name: str) -> None:
    """Such a version was never run here, so it is no part of a tested set; who wants it says so."""
    spec = CATALOGUE.release(name).spec
    known = [(stack, one) for stack, versions in spec.versions.items() for one in versions]
    chosen = [*spec.stacks.items(), *spec.addons.items(), *known]
    assert [pair for pair in chosen if from_registry_only(CATALOGUE.entry(*pair))] == []


def test_what_only_a_registry_has_is_chosen_by_name_and_refused_where_all_is_built(name: str) -> None:
    release = CATALOGUE.release(name)
    for pair in [pair for pair in ENTRIES if from_registry_only(CATALOGUE.entry(*pair))]:
        stack, version = pair
        choices = home_choices(release, stack, Choice(version=version, enabled=True))
        profile = profile_of(release, stack, CATALOGUE.entry(*pair).document.spec.requires)
        selection = resolve(CATALOGUE, release, profile, choices)
        assert selection.named(stack).entry.version == version
        with pytest.raises(Problems) as caught:
            resolve(CATALOGUE, release, profile, choices, source=ImageSource.BUILD)
        assert [one.code for one in caught.value.problems] == ["config.registry-only"]


def test_versions_that_stacks_name_of_each_other_are_those_of_the_release(name: str) -> None:
    spec = CATALOGUE.release(name).spec
    for pair in ENTRIES:
        for other, constraint in CATALOGUE.entry(*pair).document.spec.beside.items():
            assert satisfies({**spec.stacks, **spec.addons}[other], constraint), pair


def test_profiles_resolve_and_their_budgets_add_up(name: str) -> None:
    release = CATALOGUE.release(name)
    assert release.spec.default_profile in release.spec.profiles
    for profile, spec in release.spec.profiles.items():
        selection = resolve(CATALOGUE, release, profile)
        assert {one.entry.name for one in selection.stacks} == set(spec.stacks)
        total = sum((of_budget(one.entry.document.spec.budget) for one in selection.stacks), Requests())
        assert total == of_budget(spec.budget), f"{profile}: the budgets add up to {total}"
        assert quantity(spec.host_memory) > of_budget(spec.budget).memory
        assert quantity(spec.disk_build) > quantity(spec.disk_run)


def test_stacks_come_after_what_they_require(name: str) -> None:
    order = [one.entry.name for one in resolve(CATALOGUE, CATALOGUE.release(name)).stacks]
    for one in resolve(CATALOGUE, CATALOGUE.release(name)).stacks:
        assert all(order.index(need) < order.index(one.entry.name) for need in one.requires)


@pytest.mark.parametrize("mesh", ["gateway", "sidecar"])
def test_all_stacks_fit_beside_each_other(workshop: Workshop, name: str, mesh: str) -> None:
    release = CATALOGUE.release(name)
    others = {stack for choice in release.spec.alternatives.values() for stack in choice.values()}
    choices = {stack: Choice(enabled=True) for stack in release.spec.stacks if stack not in others}
    choices["istio"] = Choice(enabled=True, params={"mesh": mesh})
    selection = resolve(CATALOGUE, release, "standard", choices=choices)
    facts = replace(FACTS, people=People(profiles=(Profile("ann", "ann@lab"),)))
    rendered = workshop.renderer.render(selection, facts)
    assert {one.name for one in rendered} >= set(choices)
    samples = [sample.metadata.name for one in selection.stacks for sample in one.entry.samples]
    assert len(samples) == len(set(samples))


def test_rendering_from_the_cache_takes_less_than_half_a_second(workshop: Workshop, name: str) -> None:
    """Goal P8, warm; the best of three, since other work runs beside the tests."""
    selection = resolve(CATALOGUE, CATALOGUE.release(name))
    workshop.renderer.render(selection, FACTS)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        workshop.renderer.render(selection, FACTS)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.5
