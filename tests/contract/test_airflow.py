"""Airflow believes the gateway, which alone reaches it; who is no administrator looks at most. Its own classes are acted here."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Iterator
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from callers import only_the_gateway_gets_in
from contract_data import CATALOGUE, FACTS, Workshop

NAME, VERSION = "airflow", "3.3.2"
URL = "https://mlstack.localhost:8443"
MACHINE = "system:serviceaccount:airflow:airflow-admin"
Entity = Enum("Entity", ["AUDIT_LOG", "RUN", "TASK_LOGS"])
View = Enum("View", ["CLUSTER_ACTIVITY", "DOCS", "IMPORT_ERRORS", "WEBSITE", "PLUGINS"])


@pytest.fixture(scope="module")
def objects(workshop: Workshop) -> list[dict[str, Any]]:
    return list(workshop.render(NAME, VERSION).objects)


def program(name: str) -> str:
    """A file out of the image's recipe."""
    (image,) = CATALOGUE.entry(NAME, VERSION).document.spec.images
    assert image.build is not None
    return next(str(file.content) for file in image.build.files if file.path == f"/opt/start/{name}")


class Base:
    """In the place of Airflow's own classes, of which ours inherit."""

    def __class_getitem__(cls, _: object) -> type:
        return cls


ACTED: dict[str, dict[str, Any]] = {
    "airflow.api_fastapi.auth.managers.base_auth_manager": {"BaseAuthManager": Base},
    "airflow.api_fastapi.auth.managers.models.base_user": {"BaseUser": object},
    "airflow.api_fastapi.auth.managers.models.resource_details": {"AccessView": View, "DagAccessEntity": Entity},
    "airflow.api_fastapi.core_api.security": {"USER_INJECTED_BY_TRUSTED_MIDDLEWARE": "the door"},
}


def login_module(monkeypatch: pytest.MonkeyPatch, others: str) -> Any:
    """The login out of the image."""
    for name, values in ACTED.items():
        parts = name.split(".")
        for end in range(1, len(parts)):
            monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(".".join(parts[:end])))
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    env = {"USER_HEADER": "kubeflow-userid", "GROUPS_HEADER": "kubeflow-groups", "URL": URL, "LOGOUT": f"{URL}/out"}
    for key, value in {**env, "OTHERS": others, "PROGRAM": MACHINE}.items():
        monkeypatch.setenv(f"PLATFORM_{key}", value)
    login = ModuleType("platform_login")
    monkeypatch.setitem(sys.modules, "platform_login", login)
    exec(compile(program("platform_login.py"), "platform_login.py", "exec"), vars(login))  # noqa: S102 (it is ours)
    return login


@pytest.fixture(params=["nothing", "read", "run"])
def login(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Any]:
    yield login_module(monkeypatch, request.param)


def claimed(*groups: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(groups).encode()).decode().rstrip("=")


def ask(login: Any, path: str, *headers: tuple[str, str], method: str = "GET", client: str = "10.244.0.9") -> Any:
    """Status, and what the application saw: its scope; None where it was not reached."""
    seen: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], _: object, send: Any) -> None:
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": f"/airflow{path}",
        "root_path": "/airflow",
        "scheme": "http",
        "client": (client, 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    asyncio.run(login.Door(app)(scope, None, send))
    return sent[0]["status"], (seen or [None])[0]


ANN, ADMIN = ("kubeflow-userid", "ann@example.org"), ("kubeflow-userid", "root@example.org")
ADMINS = ("kubeflow-groups", claimed("readers", "admins"))
DAGS = "/api/v2/dags"


def test_who_asks_is_whom_the_gateway_says(login: Any) -> None:
    others = 403 if login.OTHERS == "nothing" else 200
    own = [("authorization", "Bearer x.y.z"), ("cookie", "_token=x.y.z")]
    status, scope = ask(login, DAGS, ADMIN, ADMINS, *own)
    assert (status, scope["state"]["user"].name, scope["state"]["user"].admin) == (200, "root@example.org", True)
    assert scope["state"]["user_authenticated_via"] == "the door" and scope["scheme"] == "https"
    assert {name for name, _ in scope["headers"]} == {b"kubeflow-userid", b"kubeflow-groups"}, (
        "no login of Airflow's own"
    )
    assert ask(login, DAGS, ("kubeflow-userid", MACHINE))[1]["state"]["user"].admin
    for groups in ((), (("kubeflow-groups", claimed("administrators")),), (("kubeflow-groups", "readers,no admins"),)):
        status, scope = ask(login, DAGS, ANN, *groups)
        assert status == others and (scope is None or not scope["state"]["user"].admin)


def test_nobody_and_two_at_once_get_nothing_but_whether_it_is_well(login: Any) -> None:
    for headers in ((), (("kubeflow-userid", ""),), (ANN, ADMIN), (ADMIN, ADMINS, ADMINS), (ADMINS,)):
        for path in (DAGS, "/", "/ui/config", "/api/v2/monitor/health/", "/docs"):
            assert ask(login, path, *headers) == (403, None), (path, headers)
        assert ask(login, "/api/v2/monitor/health", *headers)[0] == 200


def test_what_tasks_ask_is_asked_in_the_pod_only(login: Any) -> None:
    token = ("authorization", "Bearer of-a-task")
    status, scope = ask(login, "/execution/task-instances/1/run", token, client="127.0.0.1")
    assert status == 200 and scope["headers"] == [(b"authorization", b"Bearer of-a-task")], "Airflow looks at it"
    assert ask(login, "/execution/task-instances/1/run", token) == (404, None)
    assert ask(login, "/execution/health", ADMIN, ADMINS, token, client="127.0.0.1") == (404, None)


def test_pages_of_other_origins_change_nothing(login: Any) -> None:
    for origin, wanted in ((URL, 200), ("https://elsewhere.example", 403), ("null", 403)):
        assert ask(login, DAGS, ADMIN, ADMINS, ("origin", origin), method="PATCH")[0] == wanted
        assert ask(login, DAGS, ADMIN, ADMINS, ("origin", origin))[0] == 200


def test_others_look_or_start_and_never_change(login: Any) -> None:
    manager, ann, root = login.PlatformLogin(), login.Caller("ann", False), login.Caller("root", True)
    may = manager.is_authorized_dag
    assert may(method="GET", user=ann) and may(method="GET", user=ann, access_entity=Entity.TASK_LOGS)
    assert may(method="POST", user=ann, access_entity=Entity.RUN) is (login.OTHERS == "run")
    for method, entity in (
        ("PUT", None),
        ("DELETE", None),
        ("PUT", Entity.RUN),
        ("DELETE", Entity.RUN),
        ("GET", Entity.AUDIT_LOG),
    ):
        assert not may(method=method, user=ann, access_entity=entity)
        assert may(method=method, user=root, access_entity=entity)
    for kind in ("connection", "variable", "pool", "configuration"):
        asked = getattr(manager, f"is_authorized_{kind}")
        assert asked(method="GET", user=root) and not asked(method="GET", user=ann), kind
    assert not manager.is_authorized_view(access_view=View.PLUGINS, user=ann)
    items = [SimpleNamespace(value=name) for name in ("Dags", "Connections", "Audit Log")]
    assert [one.value for one in manager.filter_authorized_menu_items(items, user=ann)] == ["Dags"]
    with pytest.raises(ValueError, match="takes tokens"):
        manager.deserialize_user({"sub": "root"})


def test_only_the_gateway_gets_in_and_tasks_reach_tables_and_files_only(objects: list[dict[str, Any]]) -> None:
    assert only_the_gateway_gets_in(objects) == {"kube-system": [53, 53], "minio": [9000], "mysql": [3306]}


def test_one_pod_has_all_parts_and_no_constant_secret(objects: list[dict[str, Any]], workshop: Workshop) -> None:
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    settings = by_name["ConfigMap", "airflow"]["data"]
    spec = by_name["Deployment", "airflow"]["spec"]["template"]["spec"]
    assert [one["name"] for one in spec["containers"]] == ["api-server", "scheduler", "dag-processor"]
    assert settings["AIRFLOW__API__BASE_URL"] == f"{FACTS.external.url}/airflow/"
    # Airflow ends at once where getpass.getuser finds no name; its user is not in the image's /etc/passwd
    assert settings["USER"] and settings["LOGNAME"]
    assert settings["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].startswith("http://127.0.0.1:8080/airflow/")
    assert [one["name"] for one in json.loads(settings["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])] == [
        "samples",
        "bucket",
    ]
    for container in (*spec["initContainers"], *spec["containers"]):
        given = {one["name"]: one for one in container["env"]}
        for name in ("FERNET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "DATABASE_PASSWORD"):
            assert "secretKeyRef" in given[name]["valueFrom"], name
    compile(by_name["ConfigMap", "airflow-samples"]["data"]["mlstack_train.py"], "sample", "exec")
    for name in ("start.py", "MySQLdb/converters.py"):
        compile(program(name), name, "exec")
    (point,) = workshop.render(NAME, VERSION).endpoints
    assert point.auth == "required" and point.route is not None and not point.route.forward_token
