"""Notebooks: a kernel that computes, clients that need no address, nobody else gets in, files outlive the pod, sleep and waking."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import kubernetes
import pytest

from e2e.asking import asked
from e2e.notebooks import Owner, owners, pods
from e2e.platform import Platform, finished, until
from e2e.tenants import needs

HEALTHY = "http://minio.minio.svc.cluster.local:9000/minio/health/live"


@pytest.fixture(scope="module")
def pair(platform: Platform) -> Iterator[tuple[Owner, Owner]]:
    """Two users who have nothing in common, both with a notebook that answers."""
    needs(platform, "profile full has them", "notebooks", "login")
    with owners(platform, "note", "other") as found:
        for one in found:
            assert pods(platform, one.name) == 0, "it is made asleep"
            one.open()
        yield found


def test_a_kernel_computes(pair: tuple[Owner, Owner]) -> None:
    one, _ = pair
    assert "<title>JupyterLab</title>" in one.open().text
    assert one.run("1+1") == "2"


def test_the_page_of_links_has_ones_own(pair: tuple[Owner, Owner]) -> None:
    one, other = pair
    text = one.browser.get("/my-notebooks/").text
    assert f'href="{one.path}/lab"' in text and other.name not in text


def test_another_profiles_notebook_is_refused(platform: Platform, pair: tuple[Owner, Owner]) -> None:
    one, other = pair
    assert one.ask("GET", "api/status").status_code == 200
    for path in ("api/status", "lab", ""):
        assert one.ask("GET", path, name=other.name).status_code == 403, path
    assert one.ask("POST", "api/kernels", {"name": "python3"}, name=other.name).status_code == 403
    assert other.ask("GET", "api/kernels").json() == [], "nothing was started"
    platform.cli("profiles", "share", other.name, one.name, "--role", "view")
    assert one.ask("GET", "api/status", name=other.name).status_code == 403, "a viewer may not act as an editor"
    platform.cli("profiles", "share", other.name, one.name, "--role", "edit")
    until(lambda: one.ask("GET", "api/status", name=other.name).status_code == 200, 60)
    platform.cli("profiles", "share", other.name, one.name, "--remove")
    until(lambda: one.ask("GET", "api/status", name=other.name).status_code == 403, 60)


def test_without_a_login_there_is_none(platform: Platform, pair: tuple[Owner, Owner]) -> None:
    one, _ = pair
    one.browser.client.cookies, kept = type(one.browser.client.cookies)(), one.browser.client.cookies
    try:
        answer = one.browser.get(f"{one.path}/api/status", accept="application/json")
        assert answer.status_code == 401, answer.text
    finally:
        one.browser.client.cookies = kept
    assert one.ask("GET", "api/status").status_code == 200


def test_pods_of_the_same_profile_do_not_get_past_the_gateway(
    platform: Platform, core: kubernetes.client.CoreV1Api, pair: tuple[Owner, Owner]
) -> None:
    one, _ = pair
    alone = {"sidecar.istio.io/inject": "false"}
    url = f"http://notebook.{one.name}.svc.cluster.local{one.path}/api"
    ((good, _), (status, text)) = asked(core, one.name, HEALTHY, HEALTHY, url, labels=alone)
    assert (good, status) == (200, 0), text


def test_clients_need_neither_address_nor_token(platform: Platform, pair: tuple[Owner, Owner]) -> None:
    one, other = pair
    code = f"""
import json, os
from kubernetes import client, config
config.load_config()
core = client.CoreV1Api()
found = [pod.metadata.name for pod in core.list_namespaced_pod({one.name!r}).items]
try:
    core.list_namespaced_pod({other.name!r})
    status = 200
except client.ApiException as error:
    status = error.status
import minio, urllib.parse
store = minio.Minio(urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc, os.environ["AWS_ACCESS_KEY_ID"],
                    os.environ["AWS_SECRET_ACCESS_KEY"], secure=False)
print(json.dumps([found, status, [one.object_name for one in store.list_objects(os.environ["BUCKET"])]]))
"""
    found, status, objects = json.loads(
        one.run(code).splitlines()[-1]
    )  # the client says before what it does without a file
    assert "notebook-0" in found and status == 403 and objects == []
    if platform.provides("pipelines"):
        code = "import kfp, warnings; warnings.simplefilter('ignore')\nc = kfp.Client()\n"
        code += "print(c.list_pipelines().total_size or 0, c.get_user_namespace())"
        assert one.run(code).split() == ["0", one.name]
    if platform.provides("tuning"):
        assert one.run("from kubeflow.optimizer import OptimizerClient\nprint(OptimizerClient().list_jobs())") == "[]\n"
    if platform.provides("model-serving"):
        code = "from kserve import KServeClient\nprint(KServeClient().get()['items'])"
        assert one.run(code) == "[]\n"


def test_it_sleeps_and_wakes_with_its_files_and_no_up_wakes_it(platform: Platform, pair: tuple[Owner, Owner]) -> None:
    one, _ = pair
    text = secrets.token_hex(8)
    made = one.ask("PUT", "api/contents/kept.txt", {"type": "file", "format": "text", "content": text})
    assert made.status_code == 201, made.text
    # what JupyterLab does by itself when nobody has used it for a while
    assert one.ask("POST", "api/shutdown").status_code == 200
    until(lambda: pods(platform, one.name) == 0, 60)
    gone = until(lambda: _asleep(one), 90)
    assert "asleep" in gone["error"]
    assert pods(platform, one.name) == 0, "a request in the background does not wake it"
    assert finished(platform.up())["changed"] == 0
    assert pods(platform, one.name) == 0
    one.open()
    assert pods(platform, one.name) == 1
    assert one.ask("GET", "api/contents/kept.txt").json()["content"] == text


def _asleep(one: Owner) -> dict[str, str]:
    answer = one.ask("GET", "api/status")
    known = answer.status_code == 503 and "application/json" in answer.headers["content-type"]
    return dict(answer.json()) if known else {}
