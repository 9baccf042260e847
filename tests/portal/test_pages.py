"""What the pages show and do, over a cluster in memory."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from portalasks import plain
from portalobjects import deployment, flow, profile, share, stamp, step_pod, waiting_pod
from portalworld import ADMIN, OTHER, USER, Site, make_site, offer_text

from mlstack_portal.advice import advice
from mlstack_portal.cluster import ClusterError
from mlstack_portal.portal import duration
from mlstack_portal.runs import PAGE
from mlstack_portal.snippets import snippets
from mlstack_portal.who import User

pytestmark = pytest.mark.anyio


async def test_home_shows_each_component_with_version_health_and_links(site: Site) -> None:
    for stack in ("minio", "mysql"):
        site.cluster.put(deployment(stack))
    text = (await site.get("/")).text
    said = plain(text)
    assert "minio" in said and "2026.2.12" in said and "mysql" in said and "9.7.4" in said
    assert said.count("✓ ready") == 2
    assert "are ready." in said
    assert 'href="https://golden.localhost:8443/minio/"' in text
    assert 'href="/access#s3"' in text


async def test_home_says_what_is_wrong_and_what_to_do(site: Site) -> None:
    site.cluster.put(deployment("minio", ready=0))
    site.cluster.put(waiting_pod("minio", "ErrImageNeverPull", "no such image"))
    site.cluster.put(deployment("mysql", ready=0))
    site.cluster.put(waiting_pod("mysql", "CrashLoopBackOff", last={"exitCode": 137, "reason": "OOMKilled"}))
    said = plain((await site.get("/")).text)
    assert "2 of" in said and "need attention: minio, mysql." in said
    assert "Pod/minio/minio-abc" in said and "no such image" in said and "mlstack up" in said
    assert "mlstack stack show mysql" in said
    assert "ready" not in said.split("minio", 1)[1].split("mysql", 1)[0].replace("0 of 1 ready", "")


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("container main: ImagePullBackOff: x", "mlstack up"),
        ("container main: CrashLoopBackOff, started 4 times, ended with exit code 1", "mlstack logs minio"),
        ("container main: CrashLoopBackOff, started 4 times, ended with exit code 137 (OOMKilled)", "memory"),
        ("not scheduled: 0/1 nodes are available: 1 Insufficient memory.", "nodes are full"),
        ("volume minio-data: ProvisioningFailed: no space", "disk space"),
        ("something new", "mlstack logs minio"),
    ],
)
def test_advice_fits_the_reason(reason: str, word: str) -> None:
    assert word in advice("minio", reason)


async def test_health_is_read_once_for_pages_that_ask_together(site: Site) -> None:
    await site.get("/")
    await site.get("/")
    assert site.cluster.asked.count("list deployments ") == 1


async def test_a_sample_runs_as_mlstack_run_runs_it(site: Site) -> None:
    token = site.forms.token(User("user@example.org"))
    fields = {"token": token, "namespace": "ml", "param-who": 'O\'Neil & "friends"', "param-times": "2"}
    async with site.client(USER) as client:
        answer = await client.post("/samples/hello", data=fields)
        (made,) = site.cluster.found
        assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/ml/{made['metadata']['name']}")
        assert (await client.get(answer.headers["location"])).status_code == 200
    assert made["metadata"]["annotations"] == {"mlstack.dev/started-by": "user@example.org"}
    assert made["metadata"]["labels"] == {
        "mlstack.dev/instance": "golden", "mlstack.dev/stack": "argo-workflows", "mlstack.dev/sample": "hello",
    }  # fmt: skip
    assert made["spec"]["arguments"]["parameters"] == [
        {"name": "who", "value": 'O\'Neil & "friends"'},
        {"name": "times", "value": "2"},
    ]
    container = made["spec"]["templates"][1]["container"]
    assert container["image"] == "docker.io/library/busybox:1.35"
    assert container["env"][0]["value"] == "{{workflow.parameters.who}}"
    assert "serviceAccountName" not in made["spec"]


async def test_wrong_parameters_are_said_beside_their_fields_all_at_once(site: Site) -> None:
    token = site.forms.token(User("user@example.org"))
    fields = {"token": token, "namespace": "ml", "param-who": "", "param-times": "<99>", "param-whoo": "x"}
    async with site.client(USER) as client:
        answer = await client.post("/samples/hello", data=fields)
    assert answer.status_code == 400
    assert answer.text.count('aria-invalid="true"') == 2
    assert 'aria-describedby="param-times-doc param-times-problem"' in answer.text
    assert "&lt;99&gt;" in answer.text and "<99>" not in answer.text
    assert "whoo" in answer.text
    assert site.cluster.found == []


async def test_an_unknown_sample_is_not_found(site: Site) -> None:
    assert (await site.get("/samples/hallo")).status_code == 404
    assert "there is no such sample" in plain((await site.get("/samples/hallo")).text).lower()


async def test_every_sample_has_a_form_with_its_defaults(site: Site) -> None:
    names = re.findall(r'href="/samples/([\w-]+)"', (await site.get("/samples")).text)
    assert {"hello", "train-iris", "retry"} <= set(names)
    for name in names:
        assert (await site.get(f"/samples/{name}")).status_code == 200
    text = (await site.get("/samples/train-iris")).text
    assert re.search(r'name="param-testShare" type="number" value="0.3" step="any" min="0.1" max="0.9"', text)


async def test_a_run_shows_steps_lines_and_result(site: Site) -> None:
    site.cluster.put(flow())
    site.cluster.put(step_pod())
    site.cluster.logs["ml", "hello-1-pod"] = ["first line", "last line"]
    answer = await site.get("/runs/ml/hello-1")
    said = plain(answer.text)
    assert "The run ended: Succeeded." in said
    assert "greeting Hello, you!" in said and "first line last line" in said and "12 s" in said
    assert "data-live" not in answer.text, "an ended run does not change"


async def test_artifacts_are_named_by_place(site: Site) -> None:
    run = flow("iris-1")
    run["metadata"]["labels"]["mlstack.dev/sample"] = "train-iris"
    node = run["status"]["nodes"]["iris-1-n1"]
    node |= {
        "displayName": "train",
        "outputs": {"artifacts": [{"name": "model", "s3": {"key": "ml/iris-1/model.joblib"}}]},
    }
    run["status"]["artifactRepositoryRef"] = {"artifactRepository": {"s3": {"bucket": "workflows"}}}
    site.cluster.put(run)
    assert "s3://workflows/ml/iris-1/model.joblib" in (await site.get("/runs/ml/iris-1")).text


async def test_runs_are_listed_newest_first_in_pages(site: Site) -> None:
    for number in range(PAGE + 3):
        site.cluster.put(flow(f"hello-{number:02}", age=100 + number, phase="Failed" if number == 2 else "Succeeded"))
    text = (await site.get("/runs")).text
    names = re.findall(r'href="/runs/ml/(hello-\d+)"', text)
    assert names == [f"hello-{number:02}" for number in range(PAGE)]
    assert "✕ Failed" in plain(text) and 'href="/runs?page=2"' in text
    older = (await site.get("/runs?page=2")).text
    assert re.findall(r'href="/runs/ml/(hello-\d+)"', older) == ["hello-20", "hello-21", "hello-22"]
    assert 'href="/runs?page=3"' not in older
    for odd in ("0", "-1", "x", "99999999", "²"):
        assert (await site.get(f"/runs?page={odd}")).status_code == 200


@pytest.fixture
def team(site: Site) -> Site:
    """Two profiles: ``alpha`` of the user, ``beta`` of somebody else, each with a run."""
    site.cluster.put(profile("alpha", "user@example.org"))
    site.cluster.put(profile("beta", "other@example.org"))
    site.cluster.put(flow("a-1", "alpha"))
    site.cluster.put(flow("b-1", "beta"))
    site.cluster.put(flow("m-1", "ml"))
    return site


async def test_users_see_their_own_profiles_runs_only(team: Site) -> None:
    text = (await team.get("/runs", USER)).text
    assert "a-1" in text and "b-1" not in text and "m-1" not in text
    assert (await team.get("/runs/alpha/a-1", USER)).status_code == 200
    for path in ("/runs/beta/b-1", "/runs/ml/m-1", "/live/runs/beta/b-1"):
        hidden, absent = await team.get(path, USER), await team.get(path.replace("-1", "-9"), USER)
        assert (hidden.status_code, absent.status_code) == (404, 404)
        assert re.sub("/([bm])-1", r"/\1-9", hidden.text) == absent.text, "what is hidden looks like what is not there"
    assert not [asked for asked in team.cluster.asked if "beta" in asked]
    nobody = {"kubeflow-userid": "nobody@example.org"}
    assert "you have none" in (await team.get("/runs", nobody)).text


async def test_administrators_see_all_runs(team: Site) -> None:
    text = (await team.get("/runs", ADMIN)).text
    assert all(name in text for name in ("a-1", "b-1", "m-1"))


async def run_in(site: Site, headers: dict[str, str], namespace: str) -> int:
    token = site.forms.token(User(headers["kubeflow-userid"]))
    async with site.client(headers) as client:
        answer = await client.post("/samples/hello", data={"token": token, "namespace": namespace, "param-who": "x"})
        return answer.status_code


async def test_samples_run_in_the_own_profile(team: Site) -> None:
    assert await run_in(team, USER, "alpha") == 303
    made = team.cluster.found[-1]
    assert (made["metadata"]["namespace"], "serviceAccountName" in made["spec"]) == ("alpha", False)
    before = len(team.cluster.found)
    for namespace in ("beta", "ml", "kube-system", ""):
        assert await run_in(team, USER, namespace) == 400
    assert len(team.cluster.found) == before


async def test_roles_decide_who_runs(team: Site) -> None:
    team.cluster.put(share("alpha", "other@example.org", "view"))
    assert await run_in(team, OTHER, "alpha") == 400
    assert (await team.get("/runs/alpha/a-1", OTHER)).status_code == 200
    team.cluster.put(share("alpha", "other@example.org", "edit"))
    assert await run_in(team, OTHER, "alpha") == 303
    said = plain((await team.get("/profile", OTHER)).text)
    assert "alpha edit user@example.org" in said and "beta owner other@example.org" in said


@pytest.mark.parametrize(
    ("who", "kind", "role", "seen"),
    [
        ("crew", "Group", "edit", True),
        ("other@example.org", "Group", "edit", False),
        ("crew", "User", "edit", False),
        ("other@example.org", "ServiceAccount", "edit", False),
        ("other@example.org", "User", "something", False),
    ],
)
async def test_bindings_count_by_kind_and_role(team: Site, who: str, kind: str, role: str, seen: bool) -> None:
    team.cluster.put(share("alpha", who, role, kind))
    answer = await team.get("/runs/alpha/a-1", {**OTHER, "kubeflow-groups": "crew"})
    assert (answer.status_code == 200) is seen


async def test_a_token_of_a_profile_sees_that_profile(team: Site) -> None:
    team.cluster.put(share("alpha", "default-editor", "edit", "ServiceAccount"))
    machine = {"kubeflow-userid": "system:serviceaccount:alpha:default-editor"}
    assert (await team.get("/runs/alpha/a-1", machine)).status_code == 200
    assert (await team.get("/runs/beta/b-1", machine)).status_code == 404
    assert (await team.get("/runs/alpha/a-1", {"kubeflow-userid": "default-editor"})).status_code == 404


async def test_a_removed_profile_is_nobodys(team: Site) -> None:
    gone = profile("alpha", "")
    del gone["metadata"]["annotations"]
    team.cluster.put(gone)
    assert (await team.get("/runs/alpha/a-1", USER)).status_code == 404
    assert (await team.get("/runs/alpha/a-1", ADMIN)).status_code == 200


async def test_the_login_names_the_headers(tmp_path: Path) -> None:
    site = make_site(tmp_path, offer_text(userHeader="x-user", groupsHeader="x-groups"))
    assert (await site.get("/profile", ADMIN)).status_code == 401
    said = plain((await site.get("/profile", {"x-user": "a@example.org", "x-groups": "admins"})).text)
    assert "a@example.org" in said and "administrator" in said


async def test_who_has_no_profile_is_told_what_to_do(team: Site) -> None:
    said = plain((await team.get("/samples/hello", {"kubeflow-userid": "new@example.org"})).text)
    assert "mlstack profiles add" in said
    assert "<form" not in (await team.get("/samples/hello", {"kubeflow-userid": "new@example.org"})).text
    assert await run_in(team, {"kubeflow-userid": "new@example.org"}, "ml") == 400


async def test_an_administrator_without_profiles_uses_the_shared_namespace(team: Site) -> None:
    assert await run_in(team, ADMIN, "ml") == 303
    assert await run_in(team, ADMIN, "alpha") == 400


async def test_figures_are_offered_to_administrators_only(site: Site) -> None:
    for path in ("/", "/access"):
        assert "argo-metrics" in (await site.get(path)).text
        others = (await site.get(path, USER)).text
        assert "argo-metrics" not in others and "minio-console" in others
    assert "for machines with the role <code>metrics</code>" in (await site.get("/access")).text


async def test_an_access_snippet_is_a_program(site: Site) -> None:
    text = (await site.get("/access")).text
    assert "mlstack connect minio-console --print python" in text
    assert "mlstack users token NAME" in text
    for address in site.portal.offer().addresses:
        cli, curl, python = snippets(address)
        compile(python.text, address.name, "exec")
        for shell in (cli, curl):
            subprocess.run(["bash", "-n", "-c", shell.text], check=True)
        assert ("Authorization" in curl.text) is (address.auth == "required")
        assert ("MLSTACK_TOKEN" in python.text) is (address.auth == "required")
        assert ("aws-sigv4" in curl.text) is (address.scheme == "s3")
    assert "portal" not in [address.name for address in site.portal.offer().addresses]


@pytest.mark.parametrize(("status", "shown"), [(0, 502), (500, 502), (403, 403), (422, 400)])
async def test_the_clusters_refusals_become_pages(site: Site, status: int, shown: int) -> None:
    site.cluster.failure = ClusterError(status, "its own words <b>")
    answer = await site.get("/runs")
    assert answer.status_code == shown
    assert "its own words &lt;b&gt;" in answer.text
    assert (await site.get("/healthz", {})).status_code == 200


async def test_a_new_offer_needs_no_restart(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    assert "golden" in (await site.get("/")).text
    (tmp_path / "new").write_text(offer_text(instance="silver"))
    (tmp_path / "new").replace(tmp_path / "offer.json")
    assert "Platform silver" in (await site.get("/")).text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.6, "1 min"), (80, "1 min 20 s"), (7500, "2 h 5 min"), (7200, "2 h")]
)
def test_durations_are_said_shortly(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_of_the_tests_are_as_the_api_writes_them() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp(5))
