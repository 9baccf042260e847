"""Every command with the played app: what it asks of the app, what it prints where, and its exit code."""

import stat
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakeapp import CANARY

from mlstack.cli.commands import help_text, modules
from mlstack.core.accessrequests import Question
from mlstack.core.errors import ExitCode, MlstackError, Place, Problems


@dataclass(frozen=True)
class Case:
    line: str
    call: tuple
    shows: tuple = ()
    json_type: str = ""
    code: int = 0
    behaviour: dict = field(default_factory=dict)


CASES = [
    Case("up --yes", ("up", True), ("'lab' is running", "http://127.0.0.1:9001/", "credentials minio", "mlstack run hello")),
    Case("up --no-host-changes", ("up", False), ("'lab' is running",)),
    Case("up --set host.changes=false", ("up", False)),
    Case("up", ("up", True), code=1, behaviour={"fails": True}),
    Case("up --dry-run", ("plan", "up"), ("build minio", "not cached", "1 object to apply, 1 unchanged", "takes long"), "Plan"),
    Case("plan", ("plan", "up"), ("apply ConfigMap/minio/x", "missing"), "Plan"),
    Case("plan down", ("plan", "down"), (), "Plan"),
    Case("down", ("down", False, False), ("'mlstack' is removed; its data is kept",)),
    Case("down --purge --yes", ("down", True, False), ("removed, with its data",)),
    Case("down --undo-host --yes", ("down", False, True), ("removed; its data is kept",)),
    Case("start", ("start",), ("'lab' is running",)),
    Case("stop", ("stop",), ("mlstack start",)),
    Case("status", ("status",), ("running (kind, Kubernetes 1.36.3, 1 node)", "2/2", "ready"), "Status"),
    Case("status", ("status",), ("Pod/argo/server: pulling image", "1/2"), "Status", 4, {"fails": True}),
    Case("diff", ("diff",), ("update ConfigMap/minio/x", "+a: 2", "1 object to change"), "Diff"),
    Case("logs minio", ("logs", "minio", False, 100), ("minio/main | line 2",)),
    Case("logs minio -f --tail 0", ("logs", "minio", True, 0)),
    Case("run --list", ("samples",), ("hello: Says hello", "message", "What is said."), "Samples"),
    Case("run hello -p message=a=b --watch", ("run", "hello", {"message": "a=b"}, True), ("0.97", "s3://artifacts/model.joblib")),
    Case("run hello", ("run", "hello", {}, False), code=1, behaviour={"fails": True}),
    Case("run hello --profile ann", ("run", "hello", {}, False, "ann")),
    Case("users list", ("users",), ("ann@lab.localhost", "readers", "declared, made by the next 'up'"), "Users"),
    Case("users add ann --group readers", ("add_user", "ann", "", ("readers",), None), (CANARY, "Profile 'ann' is ready")),
    Case("users add ann --email a@b", ("add_user", "ann", "a@b", (), None), ("is added",), "User", 0, {"fails": True}),
    Case("users passwd ann", ("passwd", "ann", None), (CANARY, "is changed"), "User"),
    Case("users remove ann", ("remove_user", "ann"), ("'ann' is removed", "Kept: profile ann"), "User"),
    Case("users token ann --duration 30m", ("token", "ann", "", "", 1800), (CANARY,), "Token"),
    Case("profiles list", ("profiles",), ("bob@lab (edit), group team (view)", "ready"), "Profiles"),
    Case("profiles add ann", ("add_profile", "ann", "ann", {}), ("Profile 'ann' is ready",)),
    Case("profiles add p --owner ann --quota cpu=2", ("add_profile", "p", "ann", {"cpu": "2"})),
    Case("profiles share ann bob --role edit", ("share", "ann", "bob", "edit", False), ("is shared with bob (edit)",)),
    Case("profiles share ann team --group --remove", ("share", "ann", "team", None, True), ("no longer shared",)),
    Case("profiles remove ann --yes", ("remove_profile", "ann", False), ("its data is kept",)),
    Case("profiles remove ann --purge --yes", ("remove_profile", "ann", True), ("deleted with its data",)),
    Case("credentials", ("credentials", None), ("username  admin", CANARY), "Credentials"),
    Case("credentials minio", ("credentials", "minio"), (CANARY,), "Credentials"),
    Case("credentials --rotate login-cookie --yes", ("rotate_credential", "login-cookie"), ("has new values",)),
    Case("certs show", ("certificates",), ("lab.localhost", "2027-11-01", "CC:DD"), "Certificates"),
    Case("certs show", ("certificates",), ("it ended 3 days ago", "mlstack certs rotate"), "Certificates", 4, {"fails": True}),
    Case("certs rotate", ("rotate", False), ("New certificates",)),
    Case("certs rotate --ca", ("rotate", True), ("trust it anew", "mlstack certs trust")),
    Case("certs trust", ("trust", None), ("/state/ca.crt", "AA:BB", "Plan 9 (old):", "undo: distrust"), "Trust"),
    Case("certs trust --export my.crt", ("trust", Path("my.crt")), ("my.crt",), "Trust"),
    Case("connect", ("connections",), ("s3", "https://s3.lab.localhost/", "credential"), "Connections"),
    Case("connect s3", ("connect", "s3", "", "", "", 3600), ("through the gateway", "mlstack credentials minio"), "Connection"),
    Case("connect s3 --print env", ("connect", "s3", "env", "", "", 3600), (f"export KEY={CANARY}",), "Connection"),
    Case("connect s3 --print curl --via host --account a/b --seconds 600", ("connect", "s3", "curl", "host", "a/b", 600)),
    Case("auth explain /x", ("explain", Question(url="/x")), ("AuthorizationPolicy/gate/login", "302 (login)"), "Explanation"),
    Case("auth explain /x --check", ("explain", Question(url="/x", check=True)), ("does NOT hold",), "Explanation", 1),
    Case("doctor", ("doctor", False), ("cores: 2", "do: x", "0 failed, 1 warning"), "Checks"),
    Case("doctor --fix", ("doctor", True), ("taken by nginx", "do: free it", "1 failed"), "Checks", 3, {"fails": True}),
    Case("stack list", ("stacks",), ("minio", "Objects"), "Stacks"),
    Case("stack show minio", ("stacks",), ("0.9, 2 (images from a registry only)", "Parameters:", "What is said."), "Stack"),
    Case("stack params minio", ("stacks",), ("message", "string"), "Params"),
    Case("addon list", ("addons",), ("grafana", "12 (registry)", "off"), "Addons"),
    Case("addon enable grafana", ("addon", "grafana", True), ("grafana is installed",)),
    Case("addon disable grafana", ("addon", "grafana", False), ("grafana is removed",)),
    Case("images list", ("images",), ("quay.io/minio/minio:1", "114 MiB", "1 image, 1 cached"), "Images"),
    Case("images build a b", ("build", ("a", "b"))),
    Case("images load", ("load", ())),
    Case("images prune --all", ("prune", True), ("go build cache", "4.7 GiB freed"), "Pruned"),
    Case("test --stack argo", ("test", "argo", None), ("passed", "1 check, 0 failed")),
    Case("test", ("test", None, None), ("FAILED", "no answer"), code=1, behaviour={"fails": True}),
    Case("verify --auth", ("verify", ("auth", "tenants"), None), ("passed", "1 check, 0 failed")),
    Case("verify --auth", ("verify", ("auth", "tenants"), None), ("FAILED", "path trick"), code=1, behaviour={"fails": True}),
    Case("verify --tenants", ("verify", ("tenants",), None), ("passed",)),
    Case("version", ("version",), ("2026.11", "1.36.3", "minio"), "Version"),
    Case("dev new stack demo 1.0", ("new", "stack", "demo", "1.0"), ("demo",), "Path"),
    Case("dev lock minio", ("lock", "minio"), ("lock.yaml",), "Paths"),
    Case("dev golden minio", ("golden", "minio"), ("Nothing to change",), "Paths"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.line}-{case.code}")
def test_command(mlstack, case):
    ran = mlstack(*case.line.split(), **case.behaviour)
    assert ran.code == case.code, ran.err
    assert case.call in ran.calls
    for text in case.shows:
        assert text in ran.out


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.line}-{case.code}")
def test_command_with_json(mlstack, case):
    ran = mlstack(*case.line.split(), "--json", **case.behaviour)
    assert ran.code == case.code, ran.err
    assert case.call in ran.calls
    assert ran.lines and all(line["v"] == 1 and line["type"] for line in ran.lines)
    if case.json_type:
        assert [line["type"] for line in ran.lines] == [case.json_type]


def test_verify_wants_to_know_what(mlstack):
    ran = mlstack("verify")
    assert ran.code == ExitCode.USAGE and "--auth or --tenants" in ran.err and ran.calls == []


def test_every_command_is_tried():
    tried = {case.line.split()[0] for case in CASES} | {"support-bundle", "completion", "config", "migrate"}
    assert tried == set(modules())


def test_general_options_before_and_after_the_command(mlstack):
    (tmp := __import__("pathlib").Path("x.yaml")).write_text("")
    for line in (
        f"-f {tmp} --name lab status --json",
        f"status -f {tmp} --name lab --json",
        f"--json status --name lab -f {tmp}",
    ):
        assert mlstack(*line.split()).lines[0]["type"] == "Status"
    ran = mlstack("--name", "lab", "config", "show", "--set", "provider.kind.nodes=2", "--origin")
    assert "flag --name" in ran.out and "flag --set" in ran.out


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("upp", "did you mean 'up'?"),
        ("stat", "'start'"),
        ("config shw", "show"),
        ("up --yess", "--yes"),
        ("run hello -p x", "NAME=VALUE"),
        ("stack show mino", "did you mean 'minio'?"),
        ("logs", "STACK"),
        ("images prune --nope", "--nope"),
        ("plan sideways", "sideways"),
    ],
)
def test_wrong_usage_is_exit_2_with_a_hint(mlstack, line, hint):
    ran = mlstack(*line.split())
    assert ran.code == 2 and hint in ran.err


def test_problems_all_show_and_decide_the_exit_code(mlstack):
    problems = [
        MlstackError("config.a", "first", remedy="mend it", place=Place("mlstack.yaml", 3, "a.b[2].c")),
        MlstackError("host.disk", "second", why="full"),
    ]
    error = Problems("preflight.failed", "2 problems", problems, ExitCode.PREFLIGHT)
    ran = mlstack("up", raises=error)
    assert ran.code == 3 and "mlstack.yaml:3 a.b[2].c: first" in ran.err and "why: full" in ran.err
    data = mlstack("up", "--json", raises=error).lines[-1]
    assert data["type"] == "Error" and data["exitCode"] == 3
    assert [problem["code"] for problem in data["problems"]] == ["config.a", "host.disk"]
    assert data["problems"][0]["place"] == "mlstack.yaml:3 a.b[2].c"


def test_an_unexpected_exception_is_a_report_not_a_traceback(mlstack, tmp_path):
    ran = mlstack("up", raises=RuntimeError(f"connection to http://u:{CANARY}@h failed, password={CANARY}, {CANARY}"))
    assert ran.code == 70 and "Traceback" not in ran.out + ran.err and CANARY not in ran.out + ran.err
    reports = list((tmp_path / "state" / "bugs").iterdir())
    assert len(reports) == 1 and str(reports[0]) in ran.err
    text = reports[0].read_text()
    assert "Traceback" in text and "RuntimeError" in text and CANARY not in text
    assert stat.S_IMODE(reports[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(reports[0].parent.stat().st_mode) == 0o700


def test_a_report_survives_a_state_directory_that_cannot_be_written(mlstack, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLSTACK_STATE_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    ran = mlstack("up", raises=RuntimeError("x"))
    assert ran.code == 70 and "mlstack-bugs" in ran.err


def test_interrupts_end_with_130(mlstack):
    ran = mlstack("status", raises=KeyboardInterrupt())
    assert ran.code == 130 and "Traceback" not in ran.err


SHOWING = ("credentials", "users add", "users passwd", "users token", "connect s3 --print")
"""Commands that are there to print a secret once."""


def test_only_credentials_prints_a_credential(mlstack):
    for case in CASES:
        for extra in ((), ("--json",), ("--verbose",)):
            ran = mlstack(*case.line.split(), *extra, **{"fails": True, **case.behaviour})
            if not case.line.startswith(SHOWING):
                assert CANARY not in ran.out + ran.err, case.line


def test_support_bundle_has_a_dated_default_name(mlstack):
    ran = mlstack("support-bundle")
    assert ran.code == 0 and "mlstack-support-2" in ran.out
    assert mlstack("support-bundle", "-o", "x.tgz").calls == [("bundle", __import__("pathlib").Path("x.tgz"))]


def test_config_commands(mlstack, tmp_path):
    shown = mlstack("config", "show", "--json", "--name", "lab").lines[0]["items"]
    assert {"path": "name", "value": "lab", "origin": "flag", "where": "--name"} in shown
    assert "valid" in mlstack("config", "validate").out
    assert mlstack("config", "validate", "--set", "provider.kind.nodes=0").code == 2
    assert mlstack("config", "schema", "-o", "s.json").code == 0 and (tmp_path / "s.json").is_file()
    proxy = mlstack("config", "show", "--set", f"network.proxy.http=http://u:{CANARY}@proxy:1")
    assert proxy.code == 0 and CANARY not in proxy.out and "proxy:1" in proxy.out


def test_version_works_with_a_broken_configuration(mlstack):
    ran = mlstack("version", raises=MlstackError("config.invalid", "broken"))
    assert ran.code == 0 and "mlstack" in ran.out and "broken" in ran.err


def test_help_lists_every_command_in_both_ways_of_asking(mlstack):
    for line in (["--help"], ["-h"], ["--plain", "--help"]):
        ran = mlstack(*line)
        assert ran.code == 0 and ran.out == help_text() + "\n"
    assert max(map(len, help_text().splitlines())) <= 80


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(mlstack, shell):
    ran = mlstack("completion", shell)
    assert ran.code == 0 and "_MLSTACK_COMPLETE" in ran.out
