"""Addon spark-operator, where it is on: what applications compute, who may make them, what is refused, what drivers may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from e2e.platform import Platform, restricted, until
from e2e.tenants import ANN, ann_and_bob, as_user, for_users_at_home, knock, may, needs_addon

IMAGE = "mlstack.local/spark:4.0.4"
GROUP, VERSION, PLURAL = "sparkoperator.k8s.io", "v1beta2", "sparkapplications"
PROGRAM = "mlstack.dev/program"
START = "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n"


@pytest.fixture(scope="module")
def spaces(platform: Platform) -> Iterator[tuple[str, str]]:
    needs_addon(platform, "spark-operator")
    with ann_and_bob(platform, "profile standard has it") as names:
        yield names


def role(name: str, **more: Any) -> dict[str, Any]:
    """Driver or executor: a small confined pod."""
    pod = restricted(IMAGE, [])
    pod["securityContext"] = {
        **(pod.get("securityContext") or {}),
        "runAsNonRoot": True,
        "runAsUser": 185,
        "runAsGroup": 185,
        "fsGroup": 185,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (given,) = pod["containers"]
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    if name == "driver":
        field = {"fieldPath": f"metadata.annotations['{PROGRAM}']"}
        volumes.append({"name": "program", "downwardAPI": {"items": [{"path": "program.py", "fieldRef": field}]}})
        mounts.append({"name": "program", "mountPath": "/opt/program"})
    container = {
        "name": f"spark-kubernetes-{name}",
        "securityContext": given["securityContext"],
        "volumeMounts": mounts,
    }
    spec = {"securityContext": pod["securityContext"], "containers": [container], "volumes": volumes}
    template = {"metadata": {"annotations": {"sidecar.istio.io/inject": "false"}}, "spec": spec}
    sizes = {"cores": 1, "coreRequest": "50m", "memory": "512m", "memoryOverhead": "256m"}
    return {**sizes, "template": template, **more}


def application(name: str, program: str, executors: int = 1, **spec: Any) -> dict[str, Any]:
    """An application of Python whose driver has the program as a file."""
    driver = role("driver")
    driver["template"]["metadata"]["annotations"][PROGRAM] = program
    said = {
        "type": "Python",
        "sparkVersion": "4.0.4",
        "mode": "cluster",
        "mainApplicationFile": "local:///opt/program/program.py",
        "restartPolicy": {"type": "Never"},
        "sparkConf": {"spark.log.level": "WARN"},
        "driver": driver,
        "executor": role("executor", instances=executors),
        **spec,
    }
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "SparkApplication", "metadata": {"name": name}, "spec": said}


def make(platform: Platform, space: str, app: dict[str, Any]) -> None:
    as_user(platform, ANN).create_namespaced_custom_object(GROUP, VERSION, space, PLURAL, app)


def ended(platform: Platform, space: str, name: str) -> dict[str, Any]:
    """The application's status once it has ended."""

    def look() -> dict[str, Any]:
        found = as_user(platform).get_namespaced_custom_object(GROUP, VERSION, space, PLURAL, name)
        status: dict[str, Any] = found.get("status", {})
        over = status.get("applicationState", {}).get("state") in ("COMPLETED", "FAILED")
        return status if over else {}

    return dict(until(look, 300, f"the end of {name}"))


def told(platform: Platform, space: str, name: str) -> list[str]:
    return str(platform.core().read_namespaced_pod_log(f"{name}-driver", space)).splitlines()


@pytest.mark.parametrize(("executors", "rows", "groups"), [(2, 1_000_000, 7), (1, 10, 3)])
def test_executors_add_up_what_the_driver_asks_for(
    platform: Platform, spaces: tuple[str, str], executors: int, rows: int, groups: int
) -> None:
    params = [f"{key}={value}" for key, value in (("executors", executors), ("rows", rows), ("groups", groups))]
    asked = [word for param in params for word in ("--param", param)]
    result = platform.cli("run", "spark-groups", "--profile", spaces[0], *asked, "--watch", "--json").lines()[-1]
    assert (result["phase"], result["namespace"]) == ("Succeeded", spaces[0])
    found = {key: int(value) for key, value in result["results"].items()}
    wanted = {"rows": rows, "groups": groups, "sum": rows * (rows - 1) // 2, "executors": executors, "hosts": executors}
    assert found == wanted


def test_a_sample_runs_beside_the_workflows_too(platform: Platform, spaces: tuple[str, str]) -> None:
    params = ("--param", "executors=1", "--param", "rows=100")
    result = platform.cli("run", "spark-groups", *params, "--watch", "--json").lines()[-1]
    assert result["phase"] == "Succeeded" and result["namespace"] not in spaces
    assert result["results"]["sum"] == "4950"


def test_a_program_of_ones_own_runs_and_its_executors_go(platform: Platform, spaces: tuple[str, str]) -> None:
    program = f"{START}print('total', spark.sparkContext.parallelize(range(10), 2).sum())\nspark.stop()\n"
    make(platform, spaces[0], application("adds", program))
    assert ended(platform, spaces[0], "adds")["applicationState"]["state"] == "COMPLETED"
    assert "total 45" in told(platform, spaces[0], "adds")
    selector = "sparkoperator.k8s.io/app-name=adds,spark-role=executor"
    core = platform.core()
    until(lambda: not core.list_namespaced_pod(spaces[0], label_selector=selector).items, 60, "the executors' end")
    as_user(platform, ANN).delete_namespaced_custom_object(GROUP, VERSION, spaces[0], PLURAL, "adds")
    label = "sparkoperator.k8s.io/app-name=adds"
    until(lambda: not core.list_namespaced_pod(spaces[0], label_selector=label).items, 60, "the driver's end")


def test_a_program_that_fails_fails_its_application(platform: Platform, spaces: tuple[str, str]) -> None:
    make(platform, spaces[0], application("fails", "raise SystemExit(3)\n"))
    status = ended(platform, spaces[0], "fails")
    assert status["applicationState"]["state"] == "FAILED" and status["applicationState"]["errorMessage"]


ASKS = """
import json, ssl, urllib.error, urllib.request
home = "/var/run/secrets/kubernetes.io/serviceaccount/"
token, space = open(home + "token").read(), open(home + "namespace").read()
trust = ssl.create_default_context(cafile=home + "ca.crt")
pod = {"metadata": {"name": "mine"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
for where, body in ((space + "/secrets", None), (space + "/configmaps", None), ("OTHER/pods", None), (space + "/pods", pod)):
    url = "https://kubernetes.default.svc/api/v1/namespaces/" + where
    head = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    ask = urllib.request.Request(url, json.dumps(body).encode() if body else None, head)
    try:
        print("asked", where, urllib.request.urlopen(ask, context=trust).status)
    except urllib.error.HTTPError as error:
        print("asked", where, error.code)
"""


def test_a_driver_has_rights_to_executors_only(platform: Platform, spaces: tuple[str, str]) -> None:
    one, two = spaces
    make(platform, one, application("asks", ASKS.replace("OTHER", two)))
    assert ended(platform, one, "asks")["applicationState"]["state"] == "COMPLETED"
    answers = [line.split()[1:] for line in told(platform, one, "asks") if line.startswith("asked ")]
    codes = dict(answers)
    assert {codes[f"{one}/secrets"], codes[f"{one}/configmaps"], codes[f"{two}/pods"]} == {"403"}
    assert codes[f"{one}/pods"] in ("403", "422"), "a pod that is no executor"


def test_everybody_makes_applications_at_home_only(platform: Platform, spaces: tuple[str, str]) -> None:
    for plural in (PLURAL, "scheduledsparkapplications"):
        for_users_at_home(platform, f"{plural}.{GROUP}", spaces)
    assert not may(platform, ANN, "create", f"sparkconnects.{GROUP}", spaces[0])
    account = "system:serviceaccount:spark-operator:spark-operator"
    assert may(platform, account, "create", "pods", spaces[0])
    for resource, space in (("pods", "kube-system"), ("secrets", spaces[0]), ("pods/exec", spaces[0])):
        assert not may(platform, account, "create", resource, space)


def test_an_application_that_would_use_the_operator_is_refused_at_once(
    platform: Platform, spaces: tuple[str, str]
) -> None:
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    for changes, why in (
        ({"mode": "client"}, "mode: cluster"),
        ({"mainApplicationFile": f"file://{token}"}, "local:///"),
        ({"sparkConf": {"spark.kubernetes.namespace": spaces[1]}}, "spark.kubernetes.namespace"),
        ({"sparkConf": {"spark.kubernetes.kerberos.krb5.path": token}}, "krb5.path"),
        ({"deps": {"packages": ["a:b:1"]}}, "fetched by the operator"),
        ({"executor": {"instances": 1}}, "executor.template"),
        ({"driver": {"template": {"spec": {"containers": "none"}}}}, "containers in body must be of type array"),
    ):
        with pytest.raises(ApiException) as caught:
            make(platform, spaces[0], application("wrong", START, **changes))
        assert caught.value.status == 422 and why in json.loads(caught.value.body)["message"]


def test_a_pod_that_is_not_confined_is_said_to_be_refused(platform: Platform, spaces: tuple[str, str]) -> None:
    app = application("bare", START)
    (container,) = app["spec"]["driver"]["template"]["spec"]["containers"]
    container["securityContext"] = {"privileged": True}
    make(platform, spaces[0], app)
    state = ended(platform, spaces[0], "bare")["applicationState"]
    assert state["state"] == "FAILED" and "violates PodSecurity" in state["errorMessage"]


def test_a_driver_is_reached_in_its_profile_only(platform: Platform, spaces: tuple[str, str]) -> None:
    one, two = spaces
    program = f"{START}import time\nspark.range(10).count()\nprint('ready', flush=True)\ntime.sleep(3600)\n"
    make(platform, one, application("waits", program))
    core = platform.core()

    def address() -> str:
        pods = core.list_namespaced_pod(
            one, label_selector="sparkoperator.k8s.io/app-name=waits,spark-role=driver"
        ).items
        running = [pod for pod in pods if pod.status.phase == "Running"]
        return str(running[0].status.pod_ip) if running and "ready" in told(platform, one, "waits") else ""

    driver = str(until(address, 240, "a driver with an executor"))
    assert knock(platform, one, driver, 7078).startswith("in")
    assert knock(platform, two, driver, 7078).startswith("kept out")
    as_user(platform, ANN).delete_namespaced_custom_object(GROUP, VERSION, one, PLURAL, "waits")
