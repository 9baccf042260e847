"""A notebook that is code-server: the same walls, rights, volume and sleep as JupyterLab's, and the way back to that."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import kubernetes
import kubernetes.stream
import pytest

from e2e.asking import asked
from e2e.notebooks import Owner, owners, pods
from e2e.platform import Platform, finished, until
from e2e.tenants import needs

PARAMETER = "stacks.notebooks.params.codeServer"
HEALTHY = "http://minio.minio.svc.cluster.local:9000/minio/health/live"
CLIENTS = """
import importlib.metadata, json, os
from kubernetes import client, config
import kfp, kserve, kubeflow.optimizer, kubeflow.trainer, sklearn
config.load_config()
core = client.CoreV1Api()
mine = [pod.metadata.name for pod in core.list_namespaced_pod(os.environ["NAMESPACE"]).items]
try:
    core.list_namespaced_pod("default")
    status = 200
except client.ApiException as error:
    status = error.status
pipelines = kfp.Client().list_pipelines().total_size or 0 if "KF_PIPELINES_ENDPOINT" in os.environ else 0
print(json.dumps([mine, status, pipelines]))
"""


@pytest.fixture(scope="module")
def pair(platform: Platform) -> Iterator[tuple[Owner, Owner]]:
    """Two users who have nothing in common: the first one's notebook is code-server, the other's JupyterLab."""
    needs(platform, "profile full has them", "notebooks", "login")
    try:
        with owners(platform, "code", "lab") as found:
            platform.up("--set", f"{PARAMETER}=[{found[0].name}]")
            opened(found[0])
            found[1].open()
            yield found
    finally:
        platform.up()


def opened(one: Owner) -> str:
    """The text of code-server's page, once it answers; opening it wakes it."""

    def page() -> str | None:
        answer = one.browser.get(f"{one.path}/?folder=/home/jovyan", accept="text/html")
        assert answer.status_code in (200, 503), f"{answer.status_code} {answer.text[:300]}"
        return answer.text if answer.status_code == 200 else None

    text: str = until(page, 300)
    return text


def run(platform: Platform, one: Owner, *command: str) -> str:
    """What a command prints in a notebook's container, as a terminal of the editor would run it."""
    core = kubernetes.client.CoreV1Api(platform.api())
    kept = {"stdout": True, "stderr": False, "stdin": False, "tty": False, "container": "notebook"}
    said: str = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec, "notebook-0", one.name, command=[*command], _request_timeout=180, **kept
    )
    return said


def test_the_editor_is_behind_the_notebooks_path(pair: tuple[Owner, Owner]) -> None:
    code, lab = pair
    assert 'id="vscode-workbench-web-configuration"' in opened(code)
    assert code.browser.get(f"{code.path}/", accept="text/html").headers["location"].startswith("./?folder=")
    assert "<title>JupyterLab</title>" in lab.open().text, "who did not choose it has the other one"
    health = code.ask("GET", "healthz")
    assert health.status_code == 200 and health.json()["status"] in ("alive", "expired")
    assert f'href="{code.path}/"' in code.browser.get("/my-notebooks/").text


def test_nobody_else_gets_in(platform: Platform, core: kubernetes.client.CoreV1Api, pair: tuple[Owner, Owner]) -> None:
    code, lab = pair
    for path in ("", "healthz", "?folder=/home/jovyan"):
        assert lab.ask("GET", path, name=code.name).status_code == 403, path
    kept, code.browser.client.cookies = code.browser.client.cookies, type(code.browser.client.cookies)()
    try:
        assert code.browser.get(f"{code.path}/healthz", accept="application/json").status_code == 401
    finally:
        code.browser.client.cookies = kept
    alone = {"sidecar.istio.io/inject": "false"}
    url = f"http://notebook.{code.name}.svc.cluster.local/healthz"
    ((good, _), (status, text)) = asked(core, code.name, HEALTHY, HEALTHY, url, labels=alone)
    assert (good, status) == (200, 0), text


def test_ports_of_the_pod_are_not_the_browsers(pair: tuple[Owner, Owner]) -> None:
    code, _ = pair
    for path in ("proxy/8899/pipeline/apis/v2beta1/healthz", "absproxy/8899/pipeline/apis/v2beta1/healthz"):
        assert code.ask("GET", path).status_code in (403, 404), path


def test_clients_need_neither_address_nor_token(platform: Platform, pair: tuple[Owner, Owner]) -> None:
    code, _ = pair
    mine, status, pipelines = json.loads(run(platform, code, "python3", "-c", CLIENTS).splitlines()[-1])
    assert "notebook-0" in mine and status == 403 and pipelines == 0


def test_what_the_editor_needs_to_run_is_compiled_for_this_image(platform: Platform, pair: tuple[Owner, Owner]) -> None:
    code, _ = pair
    modules = "/opt/code-server/node_modules/code-server/lib/vscode/node_modules"
    for name in ("node-pty", "@vscode/spdlog", "@vscode/native-watchdog", "@parcel/watcher"):
        said = run(platform, code, "node", "-e", f"require('{modules}/{name}'); console.log('loaded')")
        assert said.strip() == "loaded", name
    lines = run(
        platform,
        code,
        "node",
        "-e",
        f"const t = require('{modules}/node-pty').spawn('/bin/bash', ['-c', 'tty && echo $((6*7))'], {{}});"
        "t.onData(text => process.stdout.write(text))",
    ).split()
    assert lines[0].startswith("/dev/pts/") and lines[-1] == "42", "a terminal of the editor"


def test_it_sleeps_and_wakes_with_its_files_and_no_up_wakes_it(platform: Platform, pair: tuple[Owner, Owner]) -> None:
    code, _ = pair
    text = secrets.token_hex(8)
    run(platform, code, "sh", "-c", f"echo {text} > /home/jovyan/kept.txt")
    kubernetes.client.AppsV1Api(platform.api()).patch_namespaced_stateful_set_scale(
        "notebook", code.name, {"spec": {"replicas": 0}}
    )
    until(lambda: code.ask("GET", "healthz").status_code == 503, 90)
    assert pods(platform, code.name) == 0, "a request in the background does not wake it"
    again = platform.up("--set", f"{PARAMETER}=[{code.name}]")
    assert finished(again)["changed"] == 0 and pods(platform, code.name) == 0
    opened(code)
    assert run(platform, code, "cat", "/home/jovyan/kept.txt").strip() == text


def test_who_changes_the_editor_has_the_other_one_from_the_next_start_with_the_same_files(
    platform: Platform, pair: tuple[Owner, Owner]
) -> None:
    code, _ = pair
    text = secrets.token_hex(8)
    run(platform, code, "sh", "-c", f"echo {text} > /home/jovyan/both.txt")
    platform.up()  # as it is configured without the change of this module
    assert code.ask("GET", "healthz").status_code == 200, "what runs is not ended, and its route stays as it needs it"
    kubernetes.client.CoreV1Api(platform.api()).delete_namespaced_pod("notebook-0", code.name)
    until(lambda: "<title>JupyterLab</title>" in (code.browser.get(f"{code.path}/lab", accept="text/html").text), 300)
    assert code.ask("GET", "api/contents/both.txt").json()["content"].strip() == text


def test_a_profile_that_no_name_could_be_is_refused(platform: Platform, pair: tuple[Owner, Owner]) -> None:
    wrong = platform.cli("plan", "--set", f"{PARAMETER}=[Not_A_Name]", check=False)
    assert wrong.code == 2 and "codeServer" in wrong.out + wrong.err
