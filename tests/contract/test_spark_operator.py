"""The Spark operator: its images, its settings, the sample and the entry point agree with each other."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from contract_data import CATALOGUE, FACTS, ROOT, Workshop

from mlstack.core.recipe import Build
from mlstack.core.sample import sample_object

NAME, VERSION = "spark-operator", "2.5.2"
SPARK, OPERATOR = "mlstack.local/spark:4.0.4", "ghcr.io/kubeflow/spark-operator/controller:2.5.2"
ENTRY = ROOT / "addons" / NAME / VERSION / "image/entrypoint.sh"


@pytest.fixture(scope="module")
def objects(workshop: Workshop) -> list[dict[str, Any]]:
    return list(workshop.render(NAME, VERSION).objects)


def recipe(ref: str) -> Build:
    (image,) = [one for one in CATALOGUE.entry(NAME, VERSION).document.spec.images if one.ref == ref]
    assert image.build
    return image.build


def application(workshop: Workshop, **params: Any) -> dict[str, Any]:
    return dict(sample_object(workshop.offer(NAME, VERSION, "spark-groups"), "spark-groups", params, FACTS)[0])


def defaults(objects: list[dict[str, Any]]) -> dict[str, str]:
    (found,) = [one for one in objects if one["metadata"]["name"] == "spark-defaults"]
    return dict(line.split() for line in found["data"]["spark-defaults.conf"].splitlines())


def test_both_images_are_one_root_and_have_the_same_spark() -> None:
    assert recipe(SPARK).debian == recipe(OPERATOR).debian, "else the layer of Spark would be there twice"
    source = CATALOGUE.entry(NAME, VERSION).document.spec.sources["spark"]
    version = SPARK.rpartition(":")[2]
    root = recipe(SPARK).debian
    assert root and all(one.prefix.startswith(f"pyspark-{version}/") for one in root.archives)
    assert source.url.endswith(f"/pyspark-{version}.tar.gz")


def test_applications_are_given_the_image_and_the_account_of_drivers(objects: list[dict[str, Any]]) -> None:
    said = defaults(objects)
    assert said["spark.kubernetes.container.image"] == SPARK
    account = said["spark.kubernetes.authenticate.driver.serviceAccountName"]
    spaces = {
        one["metadata"]["namespace"]
        for one in objects
        if one["kind"] == "ServiceAccount" and one["metadata"]["name"] == account
    }
    bound = {one["metadata"]["namespace"] for one in objects if one["kind"] == "RoleBinding"}
    assert spaces == bound and len(spaces) > 1
    (rule,) = [
        one for one in objects if one["metadata"]["name"] == "mlstack-spark-driver" and one["kind"] == "ClusterRole"
    ]
    assert [one["resources"] for one in rule["rules"]] == [["pods"]], (
        "its settings leave the driver nothing else to make"
    )


def test_users_may_not_say_what_the_addon_says(objects: list[dict[str, Any]]) -> None:
    (policy,) = [
        one
        for one in objects
        if one["kind"] == "ValidatingAdmissionPolicy" and one["metadata"]["name"] == "mlstack-sparkapplications"
    ]
    (refused,) = [one["expression"] for one in policy["spec"]["variables"] if one["name"] == "refused"]
    allowed = re.findall(r"matches\('([^']+)'\)", refused)
    assert len(allowed) == 3
    taken = [key for key in defaults(objects) if any(re.search(pattern, key) for pattern in allowed)]
    assert taken == []


def test_the_operator_makes_nothing_outside_of_profiles_and_samples(objects: list[dict[str, Any]]) -> None:
    (everywhere,) = [one for one in objects if one["kind"] == "ClusterRole" and one["metadata"]["name"] == NAME]
    writes = {
        resource
        for rule in everywhere["rules"]
        for resource in rule["resources"]
        if not {*rule["verbs"]} <= {"get", "list", "watch"} and rule["apiGroups"] == [""]
    }
    assert writes == {"events"}
    granted = [
        resource for one in objects if "rules" in one for rule in one["rules"] for resource in rule.get("resources", [])
    ]
    assert not {"secrets", "*", "pods/exec"} & {*granted}


def test_the_samples_parameters_reach_it_and_its_pods_are_confined(workshop: Workshop) -> None:
    spec = application(workshop, executors=3, rows=10, groups=2)["spec"]
    assert (spec["arguments"], spec["executor"]["instances"]) == (["3", "10", "2"], 3)
    assert spec["image"] == SPARK and spec["sparkVersion"] == SPARK.rpartition(":")[2]
    driver = spec["driver"]["template"]
    compile(driver["metadata"]["annotations"]["mlstack.dev/program"], "program.py", "exec")
    for role in ("driver", "executor"):
        pod = spec[role]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] and container["name"] == f"spark-kubernetes-{role}"
        assert f"{pod['securityContext']['runAsUser']}:" in recipe(SPARK).user
        security = container["securityContext"]
        assert security["capabilities"] == {"drop": ["ALL"]} and security["readOnlyRootFilesystem"] is True


def start(directory: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the entry point with a Spark and a Java that say how they were called."""
    for name in ("spark/bin/spark-submit", "bin/java"):
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('#!/bin/sh\necho "$(basename "$0") in $(basename "$PWD")"\nprintf "%s\\n" "$@"\n')
        file.chmod(0o755)
    given = {"PATH": f"{directory}/bin:{os.environ['PATH']}", "SPARK_HOME": f"{directory}/spark", **env}
    work = directory / "work"
    work.mkdir(exist_ok=True)
    return subprocess.run(
        ["bash", str(ENTRY), *arguments], capture_output=True, text=True, timeout=20, env=given, cwd=work, check=False
    )


def test_a_driver_is_sparks_own_start_on_the_pods_address(tmp_path: Path) -> None:
    ran = start(tmp_path, "driver", "--class", "a b", "local:///x.py", SPARK_DRIVER_BIND_ADDRESS="10.0.0.7")
    lines = ran.stdout.splitlines()
    assert lines[0] == "spark-submit in work"
    assert lines[1:3] == ["--conf", "spark.driver.bindAddress=10.0.0.7"]
    assert lines[5:] == ["--deploy-mode", "client", "--class", "a b", "local:///x.py"]


EXECUTOR = {
    "SPARK_EXECUTOR_MEMORY": "512m",
    "SPARK_DRIVER_URL": "spark://d",
    "SPARK_EXECUTOR_ID": "1",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_APPLICATION_ID": "app",
    "SPARK_EXECUTOR_POD_IP": "10.0.0.8",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_EXECUTOR_POD_NAME": "e-1",
}


def test_an_executor_has_all_of_its_options_in_order(tmp_path: Path) -> None:
    options = {f"SPARK_JAVA_OPT_{number}": f"-Dn={number} x" for number in range(12)}
    lines = start(tmp_path, "executor", **EXECUTOR, **options).stdout.splitlines()
    assert lines[1:14] == [*(f"-Dn={number} x" for number in range(12)), "-Xmx512m"]
    told = dict(zip(lines[17::2], lines[18::2], strict=True))
    assert told["--driver-url"] == "spark://d" and told["--hostname"] == "10.0.0.8" and told["--podName"] == "e-1"


def test_an_executor_without_what_spark_says_does_not_start(tmp_path: Path) -> None:
    ran = start(tmp_path, "executor", **{key: value for key, value in EXECUTOR.items() if key != "SPARK_DRIVER_URL"})
    assert ran.returncode and not ran.stdout and "SPARK_DRIVER_URL" in ran.stderr


def test_anything_else_is_run_as_it_is(tmp_path: Path) -> None:
    assert start(tmp_path, "echo", "a  b").stdout == "a  b\n"
