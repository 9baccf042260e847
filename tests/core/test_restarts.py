"""New content of what pods read means new pods, and nothing of a Secret's value is told by that."""

from objects import deployment, obj

from mlstack.core.model import ANNOTATION_CONFIG, ANNOTATION_SECRETS, ResourceId
from mlstack.core.restarts import mark_configuration, marked, revision_of, secrets_mark, secrets_of


def reading(*volumes, **container):
    one = deployment("web")
    spec = one["spec"]["template"]["spec"]
    spec["volumes"] = [{"name": str(index), **volume} for index, volume in enumerate(volumes)]
    spec["containers"][0].update(container)
    return one


def mark(value, *, where="ns", kind="Deployment", own=None, **more):
    web = reading({"configMap": {"name": "c"}}, **more)
    web["kind"] = kind
    if own:
        web["spec"]["template"].setdefault("metadata", {})["annotations"] = {ANNOTATION_CONFIG: own}
    mark_configuration([obj("ConfigMap", "c", where, data={"a": value}), web])
    return (web["spec"]["template"].get("metadata", {}).get("annotations") or {}).get(ANNOTATION_CONFIG)


def test_another_content_of_a_config_map_is_another_template():
    assert mark("1") and mark("1") == mark("1") != mark("2")


def test_only_servers_are_marked_and_only_by_what_they_read():
    assert mark("1", where="elsewhere") is None
    assert mark("1", kind="Job") is None, "a finished Job is not to run again"
    assert mark("1", own="mine") == "mine", "a template may decide for itself"


def test_every_way_to_read_counts():
    ways = [
        {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "a"}}}]},
        {"envFrom": [{"configMapRef": {"name": "c", "optional": True}}]},
    ]
    for way in ways:
        web = reading(**way)
        mark_configuration([obj("ConfigMap", "c", "ns", data={"a": "1"}), web])
        assert ANNOTATION_CONFIG in web["spec"]["template"]["metadata"]["annotations"]
    projected = reading({"projected": {"sources": [{"configMap": {"name": "c"}}]}})
    mark_configuration([obj("ConfigMap", "c", "ns", data={"a": "1"}), projected])
    assert ANNOTATION_CONFIG in projected["spec"]["template"]["metadata"]["annotations"]


def written(uid="u", when="2026-01-01T00:00:00Z", field="f:data"):
    return {
        "uid": uid,
        "managedFields": [{"manager": "m", "operation": "Update", "time": when, "fieldsV1": {field: {}}}],
    }


def test_a_secret_is_told_apart_by_who_it_is_and_when_its_data_was_written():
    first = revision_of(written())
    assert revision_of(written()) == first
    assert revision_of(written(when="2026-01-01T00:00:01Z")) != first
    assert revision_of(written(uid="another")) != first
    labels = revision_of(written(field="f:metadata"))
    assert revision_of(written(field="f:metadata", when="2027-01-01T00:00:00Z")) == labels, "labels are no data"


def test_a_workload_carries_the_mark_of_the_secrets_that_it_reads():
    keys, other = ResourceId("Secret", "keys", "ns"), ResourceId("Secret", "keys", "elsewhere")
    web = reading({"secret": {"secretName": "keys"}})
    assert secrets_of(web, [keys, other]) == (keys,)
    assert secrets_of(obj("ConfigMap", "c", "ns"), [keys]) == ()
    twin = marked(web, secrets_mark({keys: "r1"}))
    notes = twin["metadata"]["annotations"], twin["spec"]["template"]["metadata"]["annotations"]
    assert notes[0][ANNOTATION_SECRETS] == notes[1][ANNOTATION_SECRETS] == secrets_mark({keys: "r1"})
    assert secrets_mark({keys: "r2"}) != secrets_mark({keys: "r1"}) and secrets_mark({}) == ""
    assert "annotations" not in web["metadata"], "the wanted object is left alone"
