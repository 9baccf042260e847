"""Reads of the cluster reduced to versions."""

from __future__ import annotations

from mlstack.core.looks import ABSENT, Looks, digest_of


def obj(uid, version):
    return {"metadata": {"uid": uid, "resourceVersion": version}, "spec": {"a": 1}}


def test_objects_count_by_their_versions_alone_whatever_their_order():
    full = {"items": [obj("u1", "7"), obj("u2", "9")]}
    bare = {"items": [{"metadata": {"resourceVersion": "9", "uid": "u2"}}, {"metadata": obj("u1", "7")["metadata"]}]}
    assert digest_of(full) == digest_of(bare)
    assert digest_of(obj("u1", "7")) == digest_of({"metadata": obj("u1", "7")["metadata"]})


def test_a_change_a_new_object_a_lost_one_and_one_made_anew_are_seen():
    before = digest_of({"items": [obj("u1", "7"), obj("u2", "9")]})
    for items in (
        [obj("u1", "8"), obj("u2", "9")],
        [obj("u1", "7"), obj("u2", "9"), obj("u3", "1")],
        [obj("u1", "7")],
        [obj("u1", "7"), obj("u3", "9")],
        [],
    ):
        assert digest_of({"items": items}) != before


def test_what_is_absent_and_what_is_no_object():
    assert digest_of(None) == ABSENT
    assert digest_of({"gitVersion": "v1"}) != digest_of({"gitVersion": "v2"})
    assert digest_of({"items": None}) == digest_of({"items": []})


def test_the_lease_and_discovery_are_left_out_and_each_read_is_kept_once():
    looks = Looks()
    looks.take("/api", {}, {"items": []})
    looks.take("/apis/coordination.k8s.io/v1/namespaces/mlstack-system/leases/mlstack-x", {}, obj("u", "1"))
    for _ in range(2):
        looks.take("/api/v1/secrets", {"labelSelector": "a=b"}, {"items": [obj("u", "1")]})
    looks.take("/version", {}, {"gitVersion": "v1"})
    assert [(look.path, look.selector, look.form) for look in looks.all()] == [
        ("/api/v1/secrets", "a=b", "list"),
        ("/version", "", "other"),
    ]
    assert looks.complete


def test_two_answers_and_reads_that_a_record_cannot_name_make_it_incomplete():
    changing, odd = Looks(), Looks()
    changing.take("/api/v1/secrets", {}, {"items": []})
    changing.take("/api/v1/secrets", {}, {"items": [obj("u", "1")]})
    odd.take("/api/v1/pods", {"fieldSelector": "a=b"}, {"items": []})
    assert not changing.complete
    assert not odd.complete
