"""Resolution: order, capabilities, versions, and every mistake told at once with a suggestion."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError

from mlstack.core.catalogue import Entry
from mlstack.core.errors import MlstackError, Place, Problems
from mlstack.core.model import ImageSource
from mlstack.core.releasefile import Release
from mlstack.core.resolve import Choice, profile_of, resolve
from mlstack.core.stackfile import Stack
from mlstack.core.versions import newest, satisfies


def stack(name: str, version: str = "1.0.0", kind: str = "Stack", **spec) -> Stack:
    body = {
        "kubernetes": ">=1.32,<1.38",
        "namespace": name,
        "manifests": [{"templates": "templates"}],
        "budget": {"cpu": "1m", "memory": "1Mi"},
        **spec,
    }
    meta = {"name": name, "version": version, "summary": "s", "license": "MIT", "homepage": "h"}
    return Stack.model_validate({"apiVersion": "mlstack/v1alpha1", "kind": kind, "metadata": meta, "spec": body})


@dataclass
class Shelf:
    """A catalogue of documents in memory."""

    documents: list[Stack]
    read: list[str] = field(default_factory=list)

    def names(self):
        return sorted({document.metadata.name for document in self.documents})

    def versions(self, name):
        return sorted(d.metadata.version for d in self.documents if d.metadata.name == name)

    def entry(self, name, version):
        self.read.append(f"{name} {version}")
        found = next(d for d in self.documents if (d.metadata.name, d.metadata.version) == (name, version))
        return Entry(found, f"stacks/{name}/{version}")

    def releases(self):
        return ["2026.11"]

    def release(self, name):
        return RELEASE


SIZE = {"size": {"type": "quantity", "default": "1Gi", "doc": "size"}}
SHELF = Shelf(
    [
        stack("flow", requires=["objects", "sql"]),
        stack("flow", "2.0.0", requires=["objects"], kubernetes=">=1.40"),
        stack("store", provides=["objects"], requires=["volumes"], params=SIZE),
        stack("base", provides=["volumes"]),
        stack("sql"),
        stack("extra", kind="Addon", requires=["volumes"]),
        stack("store2", kind="Addon", provides=["objects"]),
    ]
)
RELEASE = Release.model_validate(
    {
        "apiVersion": "mlstack/v1alpha1",
        "kind": "Release",
        "metadata": {"name": "2026.11"},
        "spec": {
            "kubernetes": "1.36.3",
            "node": "kind",
            "stacks": {"flow": "1.0.0", "store": "1.0.0", "base": "1.0.0", "sql": "1.0.0"},
            "profiles": {
                "minimal": {
                    "summary": "s",
                    "stacks": ["flow", "store", "base", "sql"],
                    "budget": {"cpu": "1", "memory": "1Gi"},
                    "hostMemory": "1Gi",
                    "hostCpus": 1,
                    "diskBuild": "1Gi",
                    "diskRun": "1Gi",
                }
            },
        },
    }
)


def names(**choices) -> list[str]:
    return [one.entry.name for one in resolve(SHELF, RELEASE, choices=choices).stacks]


def problems(kubernetes: str = "", **choices) -> list[MlstackError]:
    with pytest.raises(Problems) as caught:
        resolve(SHELF, RELEASE, choices=choices, kubernetes=kubernetes)
    return list(caught.value.problems)


def test_everything_comes_after_what_it_requires() -> None:
    order = names()
    assert sorted(order) == ["base", "flow", "sql", "store"]
    assert order.index("base") < order.index("store") < order.index("flow")
    assert order.index("sql") < order.index("flow")


def test_capabilities_resolve_to_stacks() -> None:
    chosen = resolve(SHELF, RELEASE).named("flow")
    assert chosen.providers == {"objects": "store", "sql": "sql"}
    assert chosen.requires == ("store", "sql")


def test_addons_are_off_unless_enabled() -> None:
    assert "extra" not in names(extra=Choice(params={}))
    assert "extra" in names(extra=Choice(enabled=True))


def test_values_are_the_users_or_the_defaults() -> None:
    assert resolve(SHELF, RELEASE).named("store").values == {"size": "1Gi"}
    choice = Choice(params={"size": "2Gi"})
    assert resolve(SHELF, RELEASE, choices={"store": choice}).named("store").values == {"size": "2Gi"}


def test_only_chosen_entries_are_read() -> None:
    shelf = Shelf(SHELF.documents)
    resolve(shelf, RELEASE)
    assert sorted(shelf.read) == ["base 1.0.0", "flow 1.0.0", "sql 1.0.0", "store 1.0.0"]


def test_all_mistakes_are_told_at_once() -> None:
    found = problems(
        stor=Choice(place=Place("mlstack.yaml", 3, "stacks.stor")),
        store=Choice(params={"sise": "2Gi"}),
        sql=Choice(version="9"),
    )
    codes = {error.code: error for error in found}
    assert codes["config.unknown-stack"].remedy == "did you mean 'store'?"
    assert codes["config.unknown-stack"].place.line == 3
    assert codes["config.unknown-param"].remedy == "did you mean 'size'?"
    assert codes["config.unknown-version"].what == "stack sql has no version '9'"
    assert "1.0.0" in codes["config.unknown-version"].remedy
    assert "config.unmet-requirement" not in codes


def test_an_unmet_requirement_tells_what_would_meet_it() -> None:
    (error,) = problems(store=Choice(enabled=False))
    assert error.code == "config.unmet-requirement"
    assert "'objects'" in error.what
    assert error.remedy == "enable store or store2"


def test_two_providers_are_ambiguous() -> None:
    (error,) = problems(store2=Choice(enabled=True))
    assert error.code == "config.ambiguous-capability"
    assert "store, store2" in error.what


def test_a_stack_for_another_kubernetes_is_refused() -> None:
    assert [error.code for error in problems(flow=Choice(version="2.0.0"))] == ["config.kubernetes-version"]
    assert len(problems(kubernetes="1.38.0")) == 4


def test_an_unknown_profile_gets_a_suggestion() -> None:
    with pytest.raises(MlstackError) as caught:
        resolve(SHELF, RELEASE, "minimum")
    assert (caught.value.code, caught.value.remedy) == ("config.unknown-profile", "did you mean 'minimal'?")


def test_a_circle_is_told() -> None:
    shelf = Shelf([stack("flow", requires=["store"]), stack("store", requires=["flow"]), stack("base"), stack("sql")])
    with pytest.raises(MlstackError) as caught:
        resolve(shelf, RELEASE)
    assert caught.value.code == "stack.cycle"


@pytest.mark.parametrize(
    ("version", "constraint", "expected"),
    [
        ("1.36.3", ">=1.32,<1.38", True),
        ("v1.38.0", ">=1.32,<1.38", False),
        ("1.37.9", "<1.38", True),
        ("1.32", ">=1.32.0", True),
        ("1.36.3+k3s1", "==1.36.3", True),
        ("1.36.3", "!=1.36.3", False),
        ("1.9.0", ">1.10", False),
        ("1.36.3", "", True),
    ],
)
def test_version_constraints(version: str, constraint: str, expected: bool) -> None:
    assert satisfies(version, constraint) is expected


def test_versions_compare_by_number() -> None:
    assert newest(["4.0.5", "4.0.10", "3.7.18"]) == "4.0.10"
    with pytest.raises(ValueError, match="not a version constraint"):
        satisfies("1.0", "~1.2")
    with pytest.raises(ValueError, match="not a version"):
        satisfies("latest", ">=1")


MODES = {"mode": {"type": "string", "values": ["plain", "zero"], "default": "plain", "doc": "how"}}
BRINGING = Shelf(
    [
        *SHELF.documents,
        stack("models", params=MODES, optional=["scaling"], brings={"scaling": "params.mode == 'zero'"}),
        stack("scaler", provides=["scaling"], brings={"sql": ""}),
    ]
)


def bring(shelf=BRINGING, also=(), **models):
    body = RELEASE.model_dump(by_alias=True)
    body["spec"]["stacks"] |= {"models": "1.0.0", **({} if shelf is SHELF else {"scaler": "1.0.0"})}
    body["spec"]["profiles"]["small"] = {**body["spec"]["profiles"]["minimal"], "stacks": ["base"]}
    choices = {"models": Choice(enabled=True, params=models), **dict(also)}
    return resolve(shelf, Release.model_validate(body), "small", choices)


def test_a_parameter_brings_the_stack_that_it_needs_and_what_that_brings() -> None:
    plain, zero = bring(), bring(mode="zero")
    assert [one.entry.name for one in plain.stacks] == ["base", "models"]
    assert {one.entry.name for one in zero.stacks} == {"base", "models", "scaler", "sql"}
    assert zero.named("models").providers == {"scaling": "scaler"}
    assert plain.named("models").providers == {}


def test_what_is_brought_and_was_switched_off_is_told() -> None:
    with pytest.raises(Problems) as caught:
        bring(mode="zero", also={"scaler": Choice(enabled=False)})
    (problem,) = caught.value.problems
    assert problem.code == "config.unmet-requirement"
    assert (problem.what, problem.remedy) == (
        "stack models requires 'scaling', which no enabled stack provides",
        "enable scaler",
    )


def test_a_wrong_value_is_told_and_brings_nothing() -> None:
    with pytest.raises(Problems) as caught:
        bring(mode="zeroo")
    assert [problem.code for problem in caught.value.problems] != ["config.unmet-requirement"]
    assert len(caught.value.problems) == 1


def test_a_stack_with_what_it_brings_there_already_takes_that() -> None:
    zero = bring(mode="zero", also={"scaler": Choice(enabled=True)})
    assert [one.entry.name for one in zero.stacks].count("scaler") == 1


def test_what_is_in_no_profile_is_at_home_beside_the_most_stacks() -> None:
    """An addon may need what only the fullest profile has."""
    body = RELEASE.model_dump(mode="json", by_alias=True)
    small = {**body["spec"]["profiles"]["minimal"], "stacks": ["base"]}
    body["spec"] |= {
        "addons": {"extra": "1.0.0"},
        "profiles": {"minimal": small, "full": body["spec"]["profiles"]["minimal"]},
    }
    release = Release.model_validate(body)
    assert profile_of(release, "extra") == "full"
    assert profile_of(release, "base") == "minimal"
    assert profile_of(release, "new") == "minimal", "what the release does not know yet needs nothing of it"
    assert profile_of(release, "new", ["base"]) == "full", "unless it says so"


PULLED = [{"ref": "ghcr.io/team/new:2.0.0"}]
SHELVES = Shelf(
    [
        *SHELF.documents,
        stack("store", "3.0.0", provides=["objects"], requires=["volumes"], availability="registry", images=PULLED),
        stack("loose", kind="Addon"),
        stack("loose", "2.0.0", kind="Addon", availability="registry", images=PULLED),
        stack("rare", kind="Addon", availability="registry", images=PULLED),
        stack("picky", kind="Addon", beside={"flow": ">=1.5,<2", "absent": "<1"}),
    ]
)


def chosen(source: ImageSource = ImageSource.AUTO, **choices) -> dict[str, str]:
    stacks = resolve(SHELVES, RELEASE, choices=choices, source=source).stacks
    return {one.entry.name: one.entry.version for one in stacks}


def test_a_version_that_only_a_registry_has_is_taken_by_name_only() -> None:
    assert chosen()["store"] == "1.0.0"
    assert chosen(loose=Choice(enabled=True))["loose"] == "1.0.0", "the newest that can be built"
    assert chosen(store=Choice(version="3.0.0"))["store"] == "3.0.0"
    assert chosen(rare=Choice(enabled=True))["rare"] == "1.0.0", "there is no other, and it was asked for"


@pytest.mark.parametrize("source", [ImageSource.AUTO, ImageSource.REGISTRY, ImageSource.BUNDLE])
def test_a_registry_or_a_bundle_may_have_it_so_nothing_is_refused_unasked(source: ImageSource) -> None:
    assert chosen(source, store=Choice(version="3.0.0"))["store"] == "3.0.0"


def test_a_version_that_only_a_registry_has_is_refused_where_all_is_built() -> None:
    place = Place("mlstack.yaml", 3, path="stacks.store")
    with pytest.raises(Problems) as caught:
        chosen(ImageSource.BUILD, store=Choice(version="3.0.0", place=place))
    (one,) = caught.value.problems
    assert one.code == "config.registry-only" and one.place == place
    assert one.what == "images of stack store 3.0.0 can be had from a registry only"
    assert "ghcr.io/team/new:2.0.0 cannot be built; artifacts.source is build" in one.why
    assert "artifacts.source to auto or registry where ghcr.io" in one.remedy
    assert chosen(ImageSource.BUILD)["store"] == "1.0.0"


def test_a_version_that_does_not_go_with_another_is_refused() -> None:
    with pytest.raises(Problems) as caught:
        chosen(picky=Choice(enabled=True))
    (one,) = caught.value.problems
    assert one.code == "config.stack-version"
    assert one.what == "stack picky 1.0.0 works with flow >=1.5,<2, not with 1.0.0"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"images": PULLED}, "neither a recipe nor digests: give one, or say availability: registry"),
        ({"availability": "registry"}, "an image that has no recipe"),
        ({"availability": "registry", "images": [{"ref": "a.b/c:1", "build": {}}]}, "an image that has no recipe"),
        ({"availability": "maybe"}, "'built' or 'registry'"),
    ],
)
def test_a_stack_says_truly_how_its_images_can_be_had(spec: dict, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        stack("wrong", **spec)
    digests = {"amd64": f"sha256:{'0' * 64}"}
    assert stack("right", images=[{"ref": "a.b/c:1", "digests": digests}]).spec.availability == "built"
