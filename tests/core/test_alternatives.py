"""A choice of the configuration puts another stack into the place of the one that a profile lists."""

from __future__ import annotations

import pytest

from mlstack.core.alternatives import rivals, with_choices
from mlstack.core.configlayers import Given, resolve
from mlstack.core.errors import Problems
from mlstack.core.releasefile import Release

PROFILE = {
    "summary": "s", "budget": {"cpu": "1", "memory": "1Gi"}, "hostMemory": "4Gi", "hostCpus": 2,
    "diskBuild": "20Gi", "diskRun": "8Gi",
}  # fmt: skip
RELEASE = Release.model_validate(
    {
        "apiVersion": "mlstack/v1alpha1",
        "kind": "Release",
        "metadata": {"name": "2026.11"},
        "spec": {
            "kubernetes": "1.36.3",
            "node": "n",
            "stacks": {"gate": "1", "small": "1", "large": "2", "theirs": "3"},
            "alternatives": {"identity-provider": {"small": "small", "big": "large", "oidc": "theirs"}},
            "profiles": {
                "minimal": {**PROFILE, "stacks": ["gate"]},
                "full": {**PROFILE, "stacks": ["small", "gate"]},
            },
        },
    }
)
HEAD = "apiVersion: mlstack/v1alpha1\nkind: Config\n"


@pytest.mark.parametrize(
    ("profile", "choice", "stacks"),
    [
        ("full", "", ["small", "gate"]),
        ("full", "small", ["small", "gate"]),
        ("full", "big", ["large", "gate"]),
        ("full", "unheard-of", ["small", "gate"]),
        ("minimal", "big", ["gate"]),
    ],
)
def test_the_chosen_stack_takes_the_place_of_the_listed_one(profile: str, choice: str, stacks: list[str]) -> None:
    assert with_choices(RELEASE.spec, profile, {"identity-provider": choice}) == stacks


def test_rivals_are_the_other_stacks_of_the_same_choice() -> None:
    assert list(rivals(RELEASE.spec, "large")) == ["small", "theirs"]
    assert list(rivals(RELEASE.spec, "gate")) == []


def configured(text: str, **environ: str):
    return resolve(Given(text=HEAD + text, file="f.yaml", releases={"2026.11": RELEASE}, environ=environ))


def test_the_configuration_enables_the_choice_and_disables_the_other() -> None:
    found = configured("profile: full\nauth: {provider: big}\n")
    assert {name: stack.enabled for name, stack in found.config.stacks.items()} == {
        "gate": True,
        "small": False,
        "large": True,
        "theirs": False,
    }
    assert configured("profile: full\n", MLSTACK_AUTH_PROVIDER="big").config.stacks["large"].enabled


def test_everything_wrong_with_the_choice_comes_at_once() -> None:
    text = "auth:\n  provider: oidd\n  oidc: {clientSecret: {env: A, file: b}, issuer: nowhere}\nreleas: x\n"
    with pytest.raises(Problems) as caught:
        configured(text)
    said = "\n".join(str(one) for one in caught.value.problems)
    assert "give either env or file" in said and "auth.oidc.issuer" in said and "releas" in said
    with pytest.raises(Problems) as caught:
        configured("auth: {provider: oidd}\n")
    (problem,) = caught.value.problems
    assert problem.code == "config.unknown-choice" and "oidc" in problem.remedy
    assert problem.place is not None and (problem.place.file, problem.place.line) == ("f.yaml", 3)


def test_an_issuer_of_somebody_else_needs_all_that_names_it() -> None:
    with pytest.raises(Problems) as caught:
        configured("auth: {provider: oidc}\n")
    codes = [(one.code, one.place and one.place.path) for one in caught.value.problems]
    assert codes == [
        ("config.issuer-incomplete", "auth.oidc.issuer"),
        ("config.issuer-incomplete", "auth.oidc.clientId"),
        ("config.issuer-incomplete", "auth.oidc.clientSecret"),
    ]
    good = "auth:\n  provider: oidc\n  oidc: {issuer: https://a.b, clientId: c, clientSecret: {file: s.txt}}\n"
    assert configured(good).config.auth.oidc.client_secret.file.endswith("s.txt")
