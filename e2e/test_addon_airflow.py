"""Addon airflow, where it is on: workflows that train, who may start them, files that users bring, broken ones among them."""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from minio.error import S3Error

from e2e.browser import Browser
from e2e.platform import Platform, until
from e2e.tenants import ann_and_bob, knock, needs_addon, program_token

pytestmark = pytest.mark.timeout(900)
API, TRAIN = "/airflow/api/v2", "/dags/mlstack-train/dagRuns"
Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def spaces(platform: Platform) -> Iterator[tuple[str, str]]:
    needs_addon(platform, "airflow")
    with ann_and_bob(platform, "profile standard has it", "gateway", "login") as names:
        yield names


def asking(platform: Platform, token: str = "") -> Ask:
    """Asks Airflow through the gateway, by a token if one is given."""
    door = Browser(*platform.door())

    def ask(method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        own = {"Authorization": f"Bearer {token}"} if token else {}
        return door.client.request(method, f"{door.url}{path}", headers={**own, **(headers or {})}, **more)

    return ask


@pytest.fixture(scope="module")
def admin(platform: Platform) -> Ask:
    """Asks as the addon's own account, which is an administrator of Airflow."""
    needs_addon(platform, "airflow")
    ask = asking(platform, program_token(platform, "airflow", "airflow-admin"))
    until(lambda: ask("GET", f"{API}{TRAIN}").status_code == 200, 120, "the sample's workflow")
    return ask


@pytest.fixture(scope="module")
def ann(platform: Platform, spaces: tuple[str, str]) -> Ask:
    return asking(platform, program_token(platform, spaces[0]))


def ended(ask: Ask, dag: str, run: str) -> str:
    """The state in which a run ended."""

    def look() -> str:
        state = str(ask("GET", f"{API}/dags/{dag}/dagRuns/{run}").json()["state"])
        return state if state in ("success", "failed") else ""

    return str(until(look, 300, f"the end of {run}"))


def given(ask: Ask, dag: str, run: str, task: str) -> Any:
    """What a task gave."""
    answer = ask("GET", f"{API}/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value")
    assert answer.status_code == 200, answer.text
    return answer.json()["value"]


def test_a_workflow_trains_and_gives_its_accuracy_on(admin: Ask, ann: Ask) -> None:
    values = {}
    for strength in (1.0, 0.00001):
        answer = admin("POST", f"{API}{TRAIN}", json={"logical_date": None, "conf": {"strength": strength}})
        assert answer.status_code == 200, answer.text
        run = answer.json()["dag_run_id"]
        assert answer.json()["triggering_user_name"] == "system:serviceaccount:airflow:airflow-admin"
        assert ended(admin, "mlstack-train", run) == "success"
        values[strength] = given(admin, "mlstack-train", run, "train")
        good = values[strength]["accuracy"] > 0.9
        assert given(ann, "mlstack-train", run, "judge") == ("good" if good else "poor"), "all who are logged in look"
        log = ann("GET", f"{API}{TRAIN}/{run}/taskInstances/train/logs/1", {"Accept": "application/json"})
        assert f"accuracy {values[strength]['accuracy']:.4f} on 45 rows" in log.text
    assert values[1.0]["rows"] == 45 and values[1.0]["accuracy"] > 0.9
    assert values[0.00001]["accuracy"] < values[1.0]["accuracy"], "the parameter reaches the training"


def test_who_is_no_administrator_looks_and_changes_nothing(platform: Platform, admin: Ask, ann: Ask) -> None:
    assert ann("GET", f"{API}/dags/mlstack-train").json()["is_paused"] is False
    forged = {
        "kubeflow-userid": "admin@mlstack.localhost",
        "kubeflow-groups": "WyJhZG1pbnMiXQ",
        "Cookie": "_token=x.y.z",
    }
    for headers in ({}, forged):
        for method, path, body in (
            ("POST", TRAIN, {"logical_date": None}),
            ("PATCH", "/dags/mlstack-train", {"is_paused": True}),
            ("DELETE", "/dags/mlstack-train", None),
            ("GET", "/connections", None),
            ("GET", "/variables", None),
            ("GET", "/eventLogs", None),
        ):
            assert ann(method, API + path, headers, json=body).status_code == 403, (method, path, headers)
    assert ann("GET", "/airflow/execution/health").status_code == 404, "what tasks ask is for the pod alone"
    assert admin("GET", "/airflow/execution/health").status_code == 404
    nobody = asking(platform)
    for headers in ({}, forged):
        assert nobody("GET", f"{API}/dags", headers).status_code in (302, 401, 403)
    assert asking(platform, "x.y.z")("GET", f"{API}/dags").status_code in (401, 403)
    elsewhere = {"Origin": "https://elsewhere.example"}
    assert admin("PATCH", f"{API}/dags/mlstack-train", elsewhere, json={"is_paused": True}).status_code == 403
    assert admin("GET", f"{API}/dags/mlstack-train").json()["is_paused"] is False


def test_an_administrator_comes_with_the_platforms_login(platform: Platform, admin: Ask) -> None:
    values = platform.credential("admin")
    person = Browser(*platform.door())
    page = person.login(values["email"], values["password"], "/airflow/")
    assert page.status_code == 200 and '<base href="/airflow/"' in page.text, (
        "no second login, and no way round and round"
    )
    script = re.search(r'src="(\./static/[^"]+\.js)"', page.text)
    assert script and person.get(f"/airflow/{script[1].removeprefix('./')}").status_code == 200
    assert person.get("/airflow/ui/auth/me").json()["username"] == values["email"]
    assert person.get(f"{API}/connections").status_code == 200


def test_parameters_and_names_that_make_no_sense_are_refused(admin: Ask) -> None:
    for conf in ({"strength": "much"}, {"strength": -1}):
        answer = admin("POST", f"{API}{TRAIN}", json={"logical_date": None, "conf": conf})
        assert answer.status_code == 400 and "strength" in answer.text, answer.text
    assert admin("POST", f"{API}/dags/nothing/dagRuns", json={"logical_date": None}).status_code == 404
    assert admin("POST", f"{API}{TRAIN}", content=b"{no JSON").status_code in (400, 422)


def test_files_in_the_bucket_are_workflows_and_broken_ones_say_why(platform: Platform, admin: Ask) -> None:
    word = secrets.token_hex(4)
    login = platform.credential("airflow")
    store = platform.minio(access_key=login["accesskey"], secret_key=login["secretkey"])
    good, bad = f"dags/e2e/good_{word}.py", f"dags/e2e/bad_{word}.py"
    program = (
        "from airflow.sdk import dag, task\n"
        f"@dag(dag_id='e2e-{word}', schedule=None, is_paused_upon_creation=False)\n"
        f"def mine():\n    @task\n    def tell():\n        return '{word}'\n    tell()\nmine()\n"
    )
    try:
        for key, text in ((good, program), (bad, f"import nothing_{word}\nfrom airflow.sdk import DAG\n")):
            store.put_object("airflow", key, io.BytesIO(text.encode()), len(text.encode()))
        until(lambda: admin("GET", f"{API}/dags/e2e-{word}").status_code == 200, 180, "the workflow out of the bucket")

        def errors() -> list[dict[str, Any]]:
            listed = admin("GET", f"{API}/importErrors", params={"limit": 100}).json()["import_errors"]
            return [one for one in listed if one["filename"].endswith(f"bad_{word}.py")]

        until(lambda: bool(errors()), 120, "what is wrong with the other file")
        assert f"No module named 'nothing_{word}'" in errors()[0]["stack_trace"]
        run = admin("POST", f"{API}/dags/e2e-{word}/dagRuns", json={"logical_date": None}).json()["dag_run_id"]
        assert ended(admin, f"e2e-{word}", run) == "success" and given(admin, f"e2e-{word}", run, "tell") == word
    finally:
        for key in (good, bad):
            store.remove_object("airflow", key)
    until(lambda: not errors(), 180, "the end of the broken file")
    with pytest.raises(S3Error, match="AccessDenied"):
        store.put_object("mlflow", good, io.BytesIO(b"x"), 1)


def test_pods_reach_it_through_the_gateway_only(platform: Platform, spaces: tuple[str, str]) -> None:
    assert knock(platform, spaces[0], "airflow.airflow.svc.cluster.local", 8080).startswith("kept out")
