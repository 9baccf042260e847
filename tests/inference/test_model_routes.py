"""Routes: who has one, where it leads, and in which shares."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from inferenceworld import canary, service, with_canaries

from mlstack_inference.routes import Site, asked_for, differs, route_of, virtual_service

SITE = Site("kserve", "istio-system/platform")
KNATIVE = Site("kserve", "istio-system/platform", "knative-gateway.knative.svc.cluster.local:80", "lab.localhost")


def shares(one) -> dict[str, int]:
    return {
        each["destination"]["host"].partition(".")[0]: each["weight"] for each in route_of(one, SITE).get("route", [])
    }


def test_a_model_has_a_path_that_it_does_not_see() -> None:
    route = route_of(service(), SITE)
    assert route["match"] == [{"uri": {"prefix": "/serving/ann/iris/"}}]
    assert route["rewrite"] == {"uri": "/"}
    (destination,) = route["route"]
    assert destination["destination"] == {"host": "iris-predictor.ann.svc.cluster.local", "port": {"number": 80}}
    assert destination["headers"] == {"response": {"set": {"mlstack-served-by": "iris-predictor"}}}
    assert "timeout" not in route


def test_a_model_that_cannot_answer_has_none_and_the_rest_is_told_why() -> None:
    assert route_of(service(ready=False), SITE) == {}
    (rest,) = virtual_service([service(ready=False)], SITE)["spec"]["http"]
    assert rest["match"] == [{"uri": {"prefix": "/serving/"}}]
    assert rest["route"][0]["destination"]["host"] == "inference.kserve.svc.cluster.local"
    assert "rewrite" not in rest, "the path says which model it is about"


def test_the_rest_comes_last_whatever_models_are_called() -> None:
    names = [route["name"] for route in virtual_service([service("zz"), service("aa")], SITE)["spec"]["http"]]
    assert names == ["ann-aa", "ann-zz", "no-model"]


def test_one_that_is_being_deleted_has_no_route() -> None:
    one = service()
    one["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    assert route_of(one, SITE) == {}


def test_the_old_version_stays_reached_while_a_new_one_cannot_be_loaded() -> None:
    one = service(ready=False)
    one["status"]["modelStatus"] = {
        "states": {"activeModelState": "Loaded", "targetModelState": "FailedToLoad"},
        "transitionStatus": "BlockedByFailedLoad",
    }
    assert shares(one) == {"iris-predictor": 100}


def test_canaries_take_their_share_once_they_are_ready() -> None:
    assert shares(with_canaries((canary("v2", 20), True))) == {"iris-predictor": 80, "iris-v2-predictor": 20}
    assert shares(with_canaries((canary("v2", 20), False))) == {"iris-predictor": 100}
    both = with_canaries((canary("v2", 20), True), (canary("v3", 50), False))
    assert shares(both) == {"iris-predictor": 80, "iris-v2-predictor": 20}


def test_all_or_nothing_for_a_canary_is_one_destination() -> None:
    assert shares(with_canaries((canary("v2", 100), True))) == {"iris-v2-predictor": 100}
    assert shares(with_canaries((canary("v2", 0), True))) == {"iris-predictor": 100}


def test_a_promoted_canary_is_the_stable_version_under_its_name() -> None:
    one = service(predictor={"name": "v2", "model": {"storageUri": "s3://models/v2"}})
    assert shares(one) == {"iris-v2-predictor": 100}


def test_a_transformer_is_asked_first_and_waited_for() -> None:
    one = service(transformer={"containers": [{"name": "kserve-container"}], "timeout": 7})
    assert route_of(one, SITE) == {}
    one["status"]["conditions"].append({"type": "TransformerReady", "status": "True"})
    assert shares(one) == {"iris-transformer": 100}
    assert route_of(one, SITE)["timeout"] == "7s"


def test_a_serverless_model_is_reached_through_the_gateway_that_wakes_it() -> None:
    one = service()
    one["status"]["deploymentMode"] = "Knative"
    route = route_of(one, KNATIVE)
    assert route["rewrite"] == {"uri": "/", "authority": "iris-predictor.ann.lab.localhost"}
    assert route["route"][0]["destination"] == {
        "host": "knative-gateway.knative.svc.cluster.local",
        "port": {"number": 80},
    }
    assert route_of(one, SITE) == {}, "without that gateway there is no way"


def test_the_mode_that_is_asked_for_counts_until_the_controller_has_said_one() -> None:
    one = service()
    del one["status"]["deploymentMode"]
    one["metadata"]["annotations"] = {"serving.kserve.io/deploymentMode": "Knative"}
    assert route_of(one, SITE) == {}


def test_only_what_differs_is_written() -> None:
    wanted = virtual_service([service()], SITE)
    assert differs(wanted, None)
    assert not differs(wanted, {**wanted, "status": {}, "metadata": {"resourceVersion": "9"}})
    assert differs(wanted, virtual_service([], SITE))


def test_a_path_says_which_model_it_is_for() -> None:
    assert asked_for("/serving/ann/iris/v1/models/iris:predict?x=/y") == ("ann", "iris")
    assert asked_for("/serving/ann") == ("ann", "")
    assert asked_for("/serving/") == ("", "")


LABELS = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)


@given(st.lists(st.tuples(LABELS, LABELS), max_size=6, unique=True), st.randoms())
def test_no_model_hides_another_and_order_does_not_matter(names, random) -> None:
    models = [service(name, namespace) for namespace, name in names]
    shuffled = random.sample(models, len(models))
    made = virtual_service(models, SITE)
    assert made == virtual_service(shuffled, SITE)
    routes = made["spec"]["http"]
    for namespace, name in names:
        path = f"/serving/{namespace}/{name}/v2/health/ready"
        first = next(route for route in routes if path.startswith(route["match"][0]["uri"]["prefix"]))
        assert first["route"][0]["destination"]["host"] == f"{name}-predictor.{namespace}.svc.cluster.local"


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=4))
def test_shares_are_always_a_hundred_together(canaries) -> None:
    left, found = 100, []
    for number, (percent, ready) in enumerate(canaries):
        percent = min(percent, left)
        left -= percent
        found.append((canary(f"v{number}", percent), ready))
    weights = shares(with_canaries(*found))
    assert sum(weights.values()) == 100
    assert all(weight > 0 for weight in weights.values())
