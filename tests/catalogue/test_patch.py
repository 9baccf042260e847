"""Patches: paths, operations, targets; nothing is lost in silence."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstack.core.errors import MlstackError, Place
from mlstack.core.patch import Item, apply_patches, parse_path, prepare
from mlstack.core.stackfile import Patch

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "a", "annotations": {"a.b/c": "old"}},
    "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "x", "args": ["-v"]}, {"name": "side"}]}}},
}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "a"}, "spec": {}}
CONTAINERS = "spec.template.spec.containers"


def patched(*ops, target=None, **fields):
    patch = {"target": target or {"kind": "Deployment"}, "ops": list(ops), **fields}
    return apply_patches(deepcopy([DEPLOYMENT, SERVICE]), [Patch.model_validate(patch)], "patches.yaml")


def main_of(objects):
    return objects[0]["spec"]["template"]["spec"]["containers"][0]


def test_sets_replaces_and_makes_mappings_on_the_way() -> None:
    objects = patched(
        {"path": f"{CONTAINERS}[name=main].image", "set": "y"},
        {"path": f"{CONTAINERS}[0].resources.limits.memory", "set": "1Gi"},
        {"path": 'metadata.annotations."a.b/c"', "set": "new"},
    )
    assert main_of(objects)["image"] == "y"
    assert main_of(objects)["resources"] == {"limits": {"memory": "1Gi"}}
    assert objects[0]["metadata"]["annotations"] == {"a.b/c": "new"}
    assert objects[1] == SERVICE


def test_merges_appends_and_removes() -> None:
    objects = patched(
        {"path": f"{CONTAINERS}[name=main].resources", "merge": {"limits": {"cpu": "1"}}},
        {"path": f"{CONTAINERS}[name=main].resources", "merge": {"limits": {"memory": "1Gi"}}},
        {"path": f"{CONTAINERS}[name=main].args", "append": ["-x"]},
        {"path": f"{CONTAINERS}[name=main].env", "append": [{"name": "A", "value": "1"}]},
        {"path": f"{CONTAINERS}[name=side]", "remove": True},
        {"path": "metadata.annotations", "remove": True},
    )
    assert main_of(objects)["resources"] == {"limits": {"cpu": "1", "memory": "1Gi"}}
    assert main_of(objects)["args"] == ["-v", "-x"]
    assert main_of(objects)["env"] == [{"name": "A", "value": "1"}]
    assert len(objects[0]["spec"]["template"]["spec"]["containers"]) == 1
    assert "annotations" not in objects[0]["metadata"]


def test_copies_what_is_elsewhere_in_the_object_as_it_is_then() -> None:
    objects = patched(
        {"path": f"{CONTAINERS}[name=side].args", "copyOf": f"{CONTAINERS}[name=main].args"},
        {"path": f"{CONTAINERS}[name=main].args", "append": ["-x"]},
        {"path": "spec.other.first", "copyOf": f"{CONTAINERS}[0].args[1]"},
    )
    assert objects[0]["spec"]["template"]["spec"]["containers"][1]["args"] == ["-v"]
    assert objects[0]["spec"]["other"] == {"first": "-x"}
    with pytest.raises(MlstackError, match=r"has no 'spec\.nothing\.here'"):
        patched({"path": "spec.other", "copyOf": "spec.nothing.here"})


def test_drops_objects_by_glob() -> None:
    assert [obj["kind"] for obj in patched(target={"kind": "Serv*", "name": "w?b"}, drop=True)] == ["Deployment"]


@pytest.mark.parametrize(
    "target", [{"kind": "Job"}, {"kind": "Deployment", "name": "other"}, {"kind": "*", "namespace": "b"}]
)
def test_a_target_without_an_object_is_an_error_unless_optional(target) -> None:
    with pytest.raises(MlstackError) as caught:
        patched({"path": "spec.x", "set": 1}, target=target)
    assert caught.value.code == "stack.patch-unmatched"
    assert "patches.yaml" in str(caught.value.place)
    assert patched({"path": "spec.x", "set": 1}, target=target, optional=True) == [DEPLOYMENT, SERVICE]


@pytest.mark.parametrize(
    "op",
    [
        {"path": f"{CONTAINERS}[name=none].image", "set": "y"},
        {"path": f"{CONTAINERS}[7].image", "set": "y"},
        {"path": f"{CONTAINERS}[name=none]", "remove": True},
        {"path": "spec.nothing", "remove": True},
        {"path": "spec.a.b", "remove": True},
        {"path": "metadata.name.deeper", "set": 1},
        {"path": "a..b", "set": 1},
        {"path": "", "set": 1},
        {"path": "a[x", "set": 1},
        {"path": "metadata.labels"},
    ],
)
def test_a_path_that_does_not_exist_is_an_error(op) -> None:
    with pytest.raises(MlstackError) as caught:
        patched(op)
    assert caught.value.code == "stack.patch-path"


def test_values_and_conditions_are_rendered_before() -> None:
    patches = [
        Patch.model_validate(
            {"target": {"kind": "Service"}, "when": "yes", "ops": [{"path": "spec.a", "set": "value"}]}
        ),
        Patch.model_validate({"target": {"kind": "Service"}, "when": "no", "drop": True}),
    ]
    kept = prepare(patches, lambda value, _: value.upper(), lambda expression, _: expression == "yes", "patches.yaml")
    assert [patch.ops[0].set for patch in kept] == ["VALUE"]
    assert kept[0].when == ""


def test_values_of_a_patch_are_not_shared_between_objects() -> None:
    objects = patched({"path": "spec.list", "set": [1]}, target={"kind": "*"})
    objects[0]["spec"]["list"].append(2)
    assert objects[1]["spec"]["list"] == [1]


def test_paths() -> None:
    assert parse_path('a.b[name=x.y/z][3]."k.l"', Place()) == [
        "a",
        "b",
        Item(key="name", value="x.y/z"),
        Item(index=3),
        "k.l",
    ]


@given(st.text(max_size=40))
def test_any_path_parses_or_is_our_error(path: str) -> None:
    try:
        assert parse_path(path, Place())
    except MlstackError as error:
        assert error.code == "stack.patch-path"
