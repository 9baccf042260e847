"""Models as services: the sample's values, who may ask, canaries by count, bad input told in time, nothing left that hangs."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException

from e2e.browser import Browser
from e2e.models import API, SCALE, answers, predictor, put, serve, two_profiles_with_models
from e2e.platform import Platform, until
from e2e.tenants import ask_model, program_token

pytestmark = pytest.mark.timeout(600)
ROWS = [[5.1, 3.5, 1.4, 0.2], [5.9, 3.0, 4.2, 1.5], [6.7, 3.0, 5.2, 2.3]]
SERVED_BY = "mlstack-served-by"
TOLD_WITHIN = 30.0
"""Seconds within which a model that cannot be served says why."""
BY_NAME = b"""
def preprocess(request):
    return {"instances": [[row["a"], row["b"]] for row in request["instances"]]}
def postprocess(answer):
    return {"predictions": [f"{value:g} cm" for value in answer["predictions"]]}
"""


@pytest.fixture(scope="module")
def pair(platform: Platform) -> Iterator[tuple[str, str]]:
    with two_profiles_with_models(platform) as names:
        yield names


@pytest.fixture(scope="module")
def served(platform: Platform, browser: Browser, pair: tuple[str, str]) -> tuple[str, str]:
    """Path and token of the model that the sample left in the first profile."""
    events = platform.cli("run", "serve-iris", "--profile", pair[0], "--watch", "--json", timeout=900).lines()
    result = events[-1]
    assert (result["type"], result["phase"]) == ("SampleResult", "Succeeded"), events[-5:]
    values = result["results"]
    assert json.loads(values["predictions"]) == [0, 1, 2]
    assert json.loads(values["second"]) == [0, 2, 2], "the second version is another model"
    assert values["refused"] == "model iris takes rows of 4 values, got shape [1, 1]"
    assert values["path"] == f"/serving/{pair[0]}/iris/v1/models/iris:predict"
    assert result["artifacts"]["first"].startswith(f"s3://profile-{pair[0]}/")
    return values["path"], program_token(platform, pair[0])


def test_the_sample_leaves_the_first_version_behind_the_gateway(browser: Browser, served: tuple[str, str]) -> None:
    path, bearer = served
    answer = ask_model(browser, path, bearer, {"instances": ROWS})
    assert (answer.status_code, answer.json()) == (200, {"predictions": [0, 1, 2]})
    assert answer.headers[SERVED_BY] == "iris-predictor"
    tensor = {"name": "rows", "shape": [3, 4], "datatype": "FP64", "data": [value for row in ROWS for value in row]}
    infer = ask_model(
        browser, path.replace("v1/models/iris:predict", "v2/models/iris/infer"), bearer, {"inputs": [tensor]}
    )
    assert infer.json()["outputs"][0]["data"] == [0, 1, 2]


def test_the_sample_leaves_no_autoscaler_behind(
    platform: Platform, served: tuple[str, str], pair: tuple[str, str]
) -> None:
    """KServe gives that of a canary no owner, so that it would outlive the model."""
    found = kubernetes.client.AutoscalingV2Api(platform.api()).list_namespaced_horizontal_pod_autoscaler(pair[0])
    assert [one.metadata.name for one in found.items if one.metadata.name.startswith("iris-")] == []


def test_only_members_may_ask(
    platform: Platform, browser: Browser, served: tuple[str, str], pair: tuple[str, str]
) -> None:
    path, bearer = served
    body = {"instances": ROWS}
    assert ask_model(browser, path, bearer, body).status_code == 200
    assert ask_model(browser, path, program_token(platform, pair[1]), body).status_code == 403
    assert ask_model(browser, path, "junk", body).status_code == 401
    nobody = browser.client.post(browser.url + path, json=body, headers={"Accept": "application/json"})
    assert nobody.status_code == 401
    for trick in (
        path.replace("/serving/", "//serving/"),
        path.replace("/iris/", "/%69ris/"),
        f"/serving/x/..{path[8:]}",
    ):
        assert ask_model(browser, trick, program_token(platform, pair[1]), body).status_code == 403, trick
    forged = {
        "Authorization": f"Bearer {program_token(platform, pair[1])}",
        "kubeflow-userid": f"{pair[0]}@example.org",
    }
    assert browser.client.post(browser.url + path, json=body, headers=forged).status_code == 403
    assert ask_model(browser, "/serving/kube-system/iris/", bearer, body).status_code == 403


def test_what_a_model_does_not_take_is_400_with_the_reason(browser: Browser, served: tuple[str, str]) -> None:
    path, bearer = served
    for body, why in (
        ({"instances": [[1, 2]]}, "takes rows of 4 values"),
        ({"rows": ROWS}, "instances"),
        ({"instances": [["a", "b", "c", "d"]]}, ""),
    ):
        answer = ask_model(browser, path, bearer, body)
        assert answer.status_code == 400 and why in answer.json()["error"], answer.text
    assert (
        ask_model(browser, path.replace("iris:predict", "rose:predict"), bearer, {"instances": ROWS}).status_code == 404
    )


def test_a_canary_gets_its_share_is_taken_back_and_takes_over(
    platform: Platform, browser: Browser, custom: kubernetes.client.CustomObjectsApi, pair: tuple[str, str]
) -> None:
    space, bearer, body = pair[0], program_token(platform, pair[0]), {"instances": [[1, 2]]}
    one = put(platform, space, "models/scale/1/model.py", SCALE.replace(b"FACTOR", b"1"))
    two = put(platform, space, "models/scale/2/model.py", SCALE.replace(b"FACTOR", b"2"))
    serve(custom, space, "scale", predictor=predictor(one))
    assert answers(browser, space, "scale", bearer, body).json() == {"predictions": [3.0]}
    path = "/serving/" + f"{space}/scale/v1/models/scale:predict"

    def seen(times: int) -> Counter[tuple[int, str, str]]:
        found = [ask_model(browser, path, bearer, body) for _ in range(times)]
        return Counter((one.status_code, one.headers.get(SERVED_BY, ""), one.text) for one in found)

    old, new = (200, "scale-predictor", '{"predictions":[3]}'), (200, "scale-v2-predictor", '{"predictions":[6]}')
    trial = {"predictor": predictor(two, name="v2"), "trafficPercent": 30}
    serve(custom, space, "scale", predictor=predictor(one), canary=[trial])
    until(lambda: seen(10).keys() > {old}, 180)
    split = seen(400)
    assert split.keys() == {old, new} and 80 <= split[new] <= 160, split

    serve(custom, space, "scale", predictor=predictor(one), canary=[])
    until(lambda: seen(10).keys() == {old}, 30)
    serve(custom, space, "scale", predictor=predictor(one), canary=[trial])
    until(lambda: new in seen(10), 180)
    serve(custom, space, "scale", predictor=predictor(two, name="v2"))
    until(lambda: seen(10).keys() == {new}, 60)
    assert seen(50).keys() == {new}


def test_a_transformer_changes_requests_and_answers(
    platform: Platform, browser: Browser, custom: kubernetes.client.CustomObjectsApi, pair: tuple[str, str]
) -> None:
    space, bearer = pair[0], program_token(platform, pair[0])
    model = put(platform, space, "models/named/model.py", SCALE.replace(b"FACTOR", b"3"))
    program = put(platform, space, "models/by-name/transformer.py", BY_NAME)
    runtime = custom.get_cluster_custom_object(
        "serving.kserve.io", "v1alpha1", "clusterservingruntimes", "mlstack-python"
    )
    container = {
        "name": "kserve-container",
        "image": runtime["spec"]["containers"][0]["image"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "mlstack_serve.transformer"],
        "env": [{"name": "STORAGE_URI", "value": program}],
    }
    transformer = {"serviceAccountName": "model-reader", "containers": [container]}
    serve(custom, space, "named", predictor=predictor(model), transformer=transformer)
    body = {"instances": [{"b": 2, "a": 1}]}
    assert answers(browser, space, "named", bearer, body).json() == {"predictions": ["9 cm"]}
    refused = ask_model(browser, f"/serving/{space}/named/v1/models/named:predict", bearer, {"instances": [{"a": 1}]})
    assert (refused.status_code, refused.json()["error"]) == (400, "the request cannot be transformed: 'b'")


BAD = [
    ("no-model", "s3://profile-{space}/models/nowhere", "sklearn", "its model", "no object at or below"),
    ("no-format", "s3://profile-{space}/models/scale/1", "sklaern", "format 'sklaern'", "No runtime found"),
    ("no-file", "s3://profile-{space}/models/scale/1", "sklearn", "container kserve-container", "a sklearn model is"),
    ("no-right", "s3://profile-{other}/models/x", "sklearn", "its model", "AccessDenied"),
]


@pytest.mark.parametrize(("name", "uri", "form", "on", "why"), BAD, ids=[row[0] for row in BAD])
def test_bad_input_is_told_within_half_a_minute(
    platform: Platform,
    browser: Browser,
    custom: kubernetes.client.CustomObjectsApi,
    pair: tuple[str, str],
    name: str,
    uri: str,
    form: str,
    on: str,
    why: str,
) -> None:
    space, bearer = pair[0], program_token(platform, pair[0])
    put(platform, space, "models/scale/1/model.py", SCALE.replace(b"FACTOR", b"1"))
    put(platform, pair[1], "models/x/model.joblib", b"not yours")
    serve(custom, space, name, predictor=predictor(uri.format(space=space, other=pair[1]), form))
    try:
        reason = told(browser, space, name, bearer)
        assert on in reason["on"] and why in reason["why"] and reason["remedy"], reason
    finally:
        custom.delete_namespaced_custom_object(*API, space, "inferenceservices", name)


def told(browser: Browser, space: str, name: str, bearer: str) -> dict[str, Any]:
    """What the gateway says that a model waits for, once that does not pass by itself; in time."""

    def lasting() -> dict[str, Any] | None:
        answer = ask_model(browser, f"/serving/{space}/{name}/v1/models/{name}:predict", bearer, {"instances": []})
        assert answer.status_code in (404, 503), answer.text
        found: dict[str, Any] = answer.json()
        return found if found.get("lasting") else None

    found: dict[str, Any] = until(lasting, TOLD_WITHIN)
    return found


def test_a_quota_that_is_too_small_is_told_within_half_a_minute(
    platform: Platform, browser: Browser, custom: kubernetes.client.CustomObjectsApi, pair: tuple[str, str]
) -> None:
    space, bearer = pair[0], program_token(platform, pair[0])
    model = predictor(f"s3://profile-{space}/models/scale/1")
    model["model"]["resources"] = {"limits": {"memory": "900Gi"}}
    serve(custom, space, "big", predictor=model)
    try:
        reason = told(browser, space, "big", bearer)
        assert reason["waits"].startswith(f"ReplicaSet/{space}/big-predictor-"), reason
        assert reason["on"] == "room in the quota" and "limits.memory=900Gi" in reason["why"], reason
    finally:
        custom.delete_namespaced_custom_object(*API, space, "inferenceservices", "big")


def test_a_broken_new_version_leaves_the_old_one_in_its_place(
    platform: Platform, browser: Browser, custom: kubernetes.client.CustomObjectsApi, pair: tuple[str, str]
) -> None:
    space, bearer, body = pair[0], program_token(platform, pair[0]), {"instances": [[1, 2]]}
    good = put(platform, space, "models/kept/model.py", SCALE.replace(b"FACTOR", b"5"))
    serve(custom, space, "kept", predictor=predictor(good))
    answers(browser, space, "kept", bearer, body)
    serve(custom, space, "kept", predictor=predictor(f"s3://profile-{space}/models/nowhere"))
    path, end = f"/serving/{space}/kept/v1/models/kept:predict", time.monotonic() + 45
    while time.monotonic() < end:
        assert ask_model(browser, path, bearer, body).json() == {"predictions": [15.0]}
        time.sleep(0.3)


def test_the_webhook_refuses_with_its_reason(custom: kubernetes.client.CustomObjectsApi, pair: tuple[str, str]) -> None:
    wrong = predictor(f"s3://profile-{pair[0]}/models/x", minReplicas=3, maxReplicas=1)
    with pytest.raises(ApiException, match="'MinReplicas' cannot be greater than MaxReplicas"):
        serve(custom, pair[0], "wrong", predictor=wrong)


def test_a_deleted_model_is_gone_with_all_its_parts(
    platform: Platform,
    browser: Browser,
    custom: kubernetes.client.CustomObjectsApi,
    core: kubernetes.client.CoreV1Api,
    pair: tuple[str, str],
) -> None:
    space, bearer = pair[0], program_token(platform, pair[0])
    uri = put(platform, space, "models/gone/model.py", SCALE.replace(b"FACTOR", b"1"))
    serve(custom, space, "gone", predictor=predictor(uri))
    answers(browser, space, "gone", bearer, {"instances": [[1, 2]]})
    custom.delete_namespaced_custom_object(*API, space, "inferenceservices", "gone")
    label = "serving.kserve.io/inferenceservice=gone"
    until(lambda: not core.list_namespaced_pod(space, label_selector=label).items, 60)
    answer = ask_model(browser, f"/serving/{space}/gone/", bearer, {})
    assert answer.status_code == 404 and "there is none" in answer.json()["why"]


def test_no_program_gets_at_the_routes_or_at_models_of_others(platform: Platform, pair: tuple[str, str]) -> None:
    api = kubernetes.client.AuthorizationV1Api(platform.api())

    def may(who: str, verb: str, resource: str, group: str, space: str) -> bool:
        attributes = {"namespace": space, "verb": verb, "resource": resource, "group": group}
        review = {"spec": {"user": f"system:serviceaccount:{who}", "resourceAttributes": attributes}}
        return bool(api.create_subject_access_review(review).status.allowed)

    one, two = pair
    for account in ("default-editor", "model-deployer"):
        assert may(f"{one}:{account}", "create", "inferenceservices", "serving.kserve.io", one)
        assert not may(f"{one}:{account}", "get", "inferenceservices", "serving.kserve.io", two)
        assert not may(f"{one}:{account}", "create", "virtualservices", "networking.istio.io", one)
        assert not may(f"{one}:{account}", "create", "clusterservingruntimes", "serving.kserve.io", "")
    assert not may(f"{one}:model-deployer", "get", "secrets", "", one)
    assert not may(f"{one}:model-reader", "get", "secrets", "", one)
    assert not may(f"{one}:default-viewer", "create", "inferenceservices", "serving.kserve.io", one)
