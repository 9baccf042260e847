"""Fingerprints, drift, readable changes."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objects import deployment, obj

from mlstack.core.desired import InventoryEntry, LiveObject
from mlstack.core.diff import MASK, Change, compare, field_changes, fingerprint_of, owned_hash, stamped
from mlstack.core.model import ANNOTATION_FINGERPRINT, ResourceId

RID = ResourceId("ConfigMap", "c", "ns")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=6))
def test_the_fingerprint_ignores_key_order_and_our_own_annotation(body):
    one = {**obj("Thing", "t", "ns"), "spec": body}
    other = {**obj("Thing", "t", "ns"), "spec": dict(reversed(list(body.items())))}
    fingerprint = fingerprint_of(one)
    assert fingerprint == fingerprint_of(other) == fingerprint_of(stamped(one, fingerprint))


@settings(max_examples=40, deadline=None)
@given(VALUES, VALUES)
def test_different_specs_have_different_fingerprints(first, second):
    same = first == second and repr(first) == repr(second)
    if not same and first != second:
        assert fingerprint_of({**obj("T", "t"), "spec": first}) != fingerprint_of({**obj("T", "t"), "spec": second})


def test_stamping_leaves_the_original_alone():
    original = deployment("d")
    before = copy.deepcopy(original)
    marked = stamped(original, "f", {"l": "v"})
    assert original == before
    assert marked["metadata"]["annotations"] == {ANNOTATION_FINGERPRINT: "f"} and marked["metadata"]["labels"] == {
        "l": "v"
    }


def test_string_data_of_a_secret_becomes_data():
    marked = stamped({**obj("Secret", "s", "ns"), "stringData": {"a": "1"}, "data": {"b": "Mg=="}}, "f")
    assert marked["data"] == {"a": "MQ==", "b": "Mg=="} and "stringData" not in marked


def managed(fields, manager="mlstack", operation="Apply", **more):
    return {"managedFields": [{"manager": manager, "operation": operation, "fieldsV1": fields, **more}]}


def test_only_our_own_apply_counts_as_owned():
    ours = owned_hash(managed({"f:data": {}}))
    assert ours and ours == owned_hash(managed({"f:data": {}}, time="later"))
    assert owned_hash(managed({"f:data": {"f:x": {}}})) != ours
    for foreign in (
        managed({"f:data": {}}, manager="kubectl"),
        managed({"f:data": {}}, operation="Update"),
        managed({}, subresource="status"),
        {},
    ):
        assert owned_hash(foreign) == ""


LIVE = LiveObject(RID, "f", "o")
CASES = {
    "absent": (None, InventoryEntry(RID, "f", "o"), Change.APPLY, "absent"),
    "same": (LIVE, InventoryEntry(RID, "f", "o"), Change.UNCHANGED, ""),
    "changed": (LiveObject(RID, "old", "o"), InventoryEntry(RID, "old", "o"), Change.APPLY, "changed"),
    "foreign": (LiveObject(RID, "", ""), None, Change.APPLY, "not applied by mlstack"),
    "terminating": (
        LiveObject(RID, "f", "o", terminating=True),
        InventoryEntry(RID, "f", "o"),
        Change.APPLY,
        "being deleted",
    ),
    "unrecorded": (LIVE, None, Change.APPLY, "did not finish"),
    "intent only": (LIVE, InventoryEntry(RID), Change.APPLY, "did not finish"),
    "drifted": (LiveObject(RID, "f", "other"), InventoryEntry(RID, "f", "o"), Change.DRIFTED, "somebody else"),
}


@pytest.mark.parametrize(("live", "entry", "change", "why"), CASES.values(), ids=CASES)
def test_comparison(live, entry, change, why):
    result = compare("f", live, entry)
    assert result.change is change and why in result.why


def test_field_changes_name_paths_and_skip_what_the_server_sets():
    wanted = deployment("d", image="new:1")
    live = copy.deepcopy(deployment("d", image="old:1"))
    live["metadata"] |= {"uid": "u", "resourceVersion": "5", "managedFields": []}
    live["status"] = {"replicas": 1}
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
    (change,) = field_changes(live, wanted)
    assert (change.path, change.before, change.after) == (
        "spec.template.spec.containers[main].image",
        '"old:1"',
        '"new:1"',
    )


def test_field_changes_of_a_new_object_are_all_its_fields():
    assert {change.path for change in field_changes(None, obj("ConfigMap", "c", "ns", data={"a": "1"}))} >= {
        "data.a",
        "kind",
    }


def test_a_removed_list_item_is_a_change():
    live, wanted = obj("X", "x", spec={"l": [{"name": "a"}, {"name": "b"}]}), obj("X", "x", spec={"l": [{"name": "a"}]})
    assert [(change.path, change.after) for change in field_changes(live, wanted)] == [("spec.l[b]", "")]


@pytest.mark.parametrize("part", ["data", "stringData"])
def test_secret_values_are_masked(part):
    live, wanted = (
        obj("Secret", "s", "ns", **{part: {"k": "canary-old"}}),
        obj("Secret", "s", "ns", **{part: {"k": "canary-new"}}),
    )
    (change,) = field_changes(live, wanted)
    assert (change.path, change.before, change.after) == (f"{part}.k", MASK, MASK)
    assert "canary" not in repr(field_changes(None, wanted))
