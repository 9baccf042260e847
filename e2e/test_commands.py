"""Commands around a running platform, each against what the cluster itself says."""

from __future__ import annotations

import signal
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlsplit

import kubernetes
import pytest
import urllib3
import yaml

from e2e.platform import Platform

RELEASES = Path(__file__).resolve().parents[1] / "stacks" / "releases"


def stacks_of(platform: Platform) -> set[str]:
    """What the release names for the platform's profile, and the addons that are on."""
    found = {item["path"]: item["value"] for item in platform.cli("config", "show", "--json").json()["items"]}
    release = yaml.safe_load((RELEASES / f"{found['release']}.yaml").read_text())
    addons = {one["name"] for one in platform.cli("addon", "list", "--json").json()["items"] if one["enabled"]}
    return addons | set(release["spec"]["profiles"][found["profile"]]["stacks"])


def test_listings_tell_the_versions_that_run(platform: Platform) -> None:
    listed = [
        *platform.cli("stack", "list", "--json").json()["items"],
        *platform.cli("addon", "list", "--json").json()["items"],
    ]
    running = {stack["name"]: stack["version"] for stack in platform.status()["stacks"]}
    assert {one["name"]: one["installed"] for one in listed if one["installed"]} == running


def test_status_names_what_runs_and_where(platform: Platform) -> None:
    status = platform.status()
    assert {stack["name"] for stack in status["stacks"]} == stacks_of(platform)
    hosts = {urlsplit(endpoint["url"]).hostname or "" for endpoint in status["endpoints"]}
    assert "127.0.0.1" in hosts
    assert all(host == "127.0.0.1" or host.endswith(f"{platform.name}.localhost") for host in hosts)
    assert Path(status["kubeconfig"]).stat().st_mode & 0o777 == 0o600


def test_plan_and_diff_find_nothing_to_do_then_a_change_by_hand(
    platform: Platform, core: kubernetes.client.CoreV1Api
) -> None:
    assert platform.cli("plan", "--json").json()["actions"] == []
    assert platform.cli("diff", "--json").json()["items"] == []
    (service,) = core.list_namespaced_service("minio", field_selector="metadata.name=minio").items
    port = service.spec.ports[0].name
    core.patch_namespaced_service("minio", "minio", {"metadata": {"labels": {"mlstack.dev/stack": "somebody"}}})
    try:
        assert any(
            "Service/minio/minio" in action["title"] for action in platform.cli("plan", "--json").json()["actions"]
        )
    finally:
        platform.up()
    (service,) = core.list_namespaced_service("minio", field_selector="metadata.name=minio").items
    assert (service.metadata.labels["mlstack.dev/stack"], service.spec.ports[0].name) == ("minio", port)


def test_logs_of_a_stack_come_and_follow(platform: Platform) -> None:
    lines = platform.cli("logs", "argo-workflows", "--tail", "3", "--json").lines()
    assert lines and all(line["type"] == "LogLine" for line in lines)
    run = platform.start("logs", "argo-workflows", "-f")
    assert run.stdout is not None and run.stdout.readline()
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=10)
    assert run.returncode == 130


def test_doctor_finds_no_failure_and_config_tells_its_origins(platform: Platform) -> None:
    checks = platform.cli("doctor", "--json").json()["items"]
    assert len(checks) > 10 and not [check for check in checks if check["state"] == "failed"]
    shown = platform.cli("config", "show", "--origin").out
    assert "name" in shown and "flag --name" in shown


def test_the_test_command_writes_junit(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "results.xml"
    for stack in ("minio", *(("istio", "dex", "portal") if platform.provides("gateway") else ())):
        platform.cli("test", "--stack", stack, "--junit", str(file))
        suite = ET.parse(file).getroot()  # noqa: S314 -- our own file
        cases = list(suite.iter("testcase"))
        assert [case for case in cases if "endpoint" in case.attrib["name"]] and not list(suite.iter("failure"))


def test_the_support_bundle_holds_logs_and_events(platform: Platform, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    platform.cli("support-bundle", "-o", str(bundle))
    with tarfile.open(bundle) as archive:
        names = archive.getnames()
    assert any("minio" in name for name in names) and len(names) > 10


@pytest.mark.timeout(900)
def test_an_addon_comes_and_goes(platform: Platform, core: kubernetes.client.CoreV1Api) -> None:
    platform.cli("addon", "enable", "registry", timeout=600)
    try:
        url = platform.endpoint("registry")
        assert urllib3.request("GET", url, timeout=20).json() == {"repositories": []}
        assert platform.cli("plan", "--json").json()["actions"] == []
    finally:
        platform.cli("addon", "disable", "registry", timeout=300)
    assert not core.list_namespaced_service("registry").items
    assert platform.status()["ready"]


def test_images_are_listed_and_loading_them_again_changes_nothing(platform: Platform) -> None:
    before = platform.cli("images", "list", "--json").json()["items"]
    assert all(image["cached"] and (image["loaded"] or image["stack"] == "node") for image in before)
    result = platform.cli("images", "load", "--json").lines()[-1]
    assert (result["ok"], result["changed"]) == (True, 0)
