"""An app without a platform: it plays a recorded run, so that the command line can be tested and looked at.

As a script it is the command line with this app: ``python tests/cli/fakeapp.py up`` shows a run of about 8 seconds.
"""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

from mlstack.app import unchanged
from mlstack.core import events as ev
from mlstack.core.accessresults import CertificateInfo, Connection, Trust, TrustStep
from mlstack.core.accounts import ContributorInfo, ProfileInfo, TokenInfo, UserChanged, UserInfo
from mlstack.core.actions import Apply, ObtainImage, Outcome, Plan, Report, Result, Wait
from mlstack.core.authzresult import Answer, Decision, Explanation, Step
from mlstack.core.configlayers import Given, resolve
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import ClusterState, LogFile, ResourceId
from mlstack.core.results import (
    CaseResult,
    Change,
    Check,
    CheckState,
    Credential,
    EndpointInfo,
    ImageInfo,
    ObjectDiff,
    ObjectState,
    ParamInfo,
    PruneResult,
    SampleInfo,
    SampleResult,
    StackInfo,
    StackStatus,
    Status,
    TestReport,
    VersionInfo,
)

CANARY = "Canary7SecretValue42xyzQ"
HOST_CHANGES = ("install the container engine (package docker.io)", "set fs.inotify.max_user_instances=1024")

STEPS = (
    ev.StepInfo(id="host:prepare", title="prepare this machine", group="host", estimate=1.5),
    ev.StepInfo(id="image:node", title="build kindest/node:v1.36.3", group="images", estimate=3),
    ev.StepInfo(id="image:minio", title="build quay.io/minio/minio", group="images", estimate=2.5),
    ev.StepInfo(
        id="image:argo", title="build quay.io/argoproj/workflow-controller:v3.7.18", group="images", estimate=30
    ),
    ev.StepInfo(id="cluster:create", title="create the cluster", group="cluster", estimate=1.5),
    *(ev.StepInfo(id=f"apply:minio:{n}", title=f"apply ConfigMap/minio/part-{n}", group="minio") for n in range(12)),
    ev.StepInfo(id="wait:minio", title="wait for Deployment/minio/minio", group="minio", estimate=2),
    *(ev.StepInfo(id=f"apply:argo:{n}", title=f"apply Role/argo/part-{n}", group="argo-workflows") for n in range(30)),
    ev.StepInfo(
        id="wait:argo", title="wait for Deployment/argo/workflow-controller", group="argo-workflows", estimate=1
    ),
)


def recorded(fails: bool = False) -> Iterator[tuple[float, ev.Event]]:
    """(seconds since the start, event) of a run; times in the events count from 1000."""

    def at(when: float, kind: Callable[..., ev.Event], **values: object) -> tuple[float, ev.Event]:
        return when, kind(time=1000 + when, **values)

    yield at(0, ev.RunStarted, command="up", instance="lab", steps=STEPS, estimate=9)
    yield at(0.1, ev.StepStarted, step="host:prepare")
    for task in range(1, 11):
        yield at(
            0.1 + task * 0.1,
            ev.StepProgress,
            step="host:prepare",
            done=task,
            total=10,
            unit="tasks",
            message=f"task {task}",
        )
    yield at(1.3, ev.StepDone, step="host:prepare", seconds=1.2, detail="2 changes")
    yield at(1.3, ev.Message, text="no registry answers quay.io: images are built instead", level="warning")
    for image in ("node", "minio", "argo"):
        yield at(1.4, ev.StepStarted, step=f"image:{image}")
    for part in range(1, 13):
        when = 1.4 + part * 0.2
        yield at(when, ev.StepProgress, step="image:node", done=part * 50e6, total=600e6, unit="B", message="layers")
        yield at(when, ev.StepProgress, step="image:argo", done=part * 41, unit="packages", message="compiling")
        yield at(when, ev.LogLine, source="go build", text=f"compiled package {part}", step="image:argo")
    yield at(3.9, ev.StepDone, step="image:node", seconds=2.5)
    yield at(3.9, ev.StepStarted, step="cluster:create")
    yield at(4.2, ev.StepDone, step="image:minio", seconds=2.8, changed=False)
    yield at(5.2, ev.StepDone, step="cluster:create", seconds=1.3)
    yield at(5.4, ev.StepDone, step="image:argo", seconds=4.0)
    for n in range(12):
        yield at(5.5, ev.StepStarted, step=f"apply:minio:{n}")
        yield at(5.5 + n * 0.02, ev.StepDone, step=f"apply:minio:{n}", seconds=0.02)
    yield at(5.8, ev.StepStarted, step="wait:minio")
    pending = ev.Pending(
        resource="Pod/minio/minio-0", reason="pulling image" if not fails else f"password={CANARY} refused"
    )
    yield at(5.9, ev.StepWaiting, step="wait:minio", pending=(pending,))
    if fails:
        error = MlstackError(
            "wait.timeout", "minio is not ready", why="its probe fails", remedy="mlstack logs minio", see="/x.log"
        )
        yield at(7, ev.StepFailed, step="wait:minio", seconds=1.2, error=error.to_dict())
        for n in range(30):
            yield at(7, ev.StepBlocked, step=f"apply:argo:{n}", because="wait:minio")
        yield at(7, ev.StepBlocked, step="wait:argo", because="wait:minio")
        yield at(7.1, ev.RunFinished, outcome="failed", seconds=7.1, done=17, failed=1, blocked=31, changed=16)
        return
    probe = ev.Pending(resource="Pod/minio/minio-0", reason="readiness probe: connection refused")
    yield at(6.6, ev.StepWaiting, step="wait:minio", pending=(probe,))
    yield at(7.2, ev.StepDone, step="wait:minio", seconds=1.4)
    for n in range(30):
        yield at(7.2 + n * 0.01, ev.StepStarted, step=f"apply:argo:{n}")
        yield at(7.2 + n * 0.01, ev.StepDone, step=f"apply:argo:{n}", seconds=0.01)
    yield at(7.5, ev.StepStarted, step="wait:argo")
    yield at(8.0, ev.StepDone, step="wait:argo", seconds=0.5)
    yield at(8.0, ev.RunFinished, outcome="ok", seconds=8.0, done=len(STEPS), changed=len(STEPS) - 1)


ENDPOINT = EndpointInfo(name="MinIO console", stack="minio", url="http://127.0.0.1:9001/", credential="minio")
USER = UserInfo(name="ann", email="ann@lab.localhost", groups=("readers",), profiles=("ann",))
PARAMS = (ParamInfo(name="message", type="string", default="hello", doc="What is said.", allowed="any"),)


class FakeApp:
    """The use cases, played. speed: 0 plays at once, 1 in real time; fails: ``up`` fails; host: ``up`` asks for changes."""

    def __init__(self, load, emit, cancelled, *, speed=0.0, fails=False, host=(), raises=None, calls=None):
        self.load, self.emit, self.cancelled = load, emit, cancelled
        self.speed, self.fails, self.host, self.raises = speed, fails, host, raises
        self.calls = calls if calls is not None else []
        flags = {"name": load.name, **load.flags}
        self.config = resolve(Given(environ={}, sets=load.sets, flags=flags))

    def _play(self) -> Report:
        begun, interrupted = time.time(), False
        for when, event in recorded(self.fails):
            while self.speed and time.time() - begun < when * self.speed and not self.cancelled():
                time.sleep(0.01)
            if self.cancelled():
                interrupted = True
                self.emit(ev.RunFinished(outcome="interrupted", seconds=time.time() - begun, done=3, blocked=40))
                break
            if self.speed:
                object.__setattr__(event, "time", time.time())
            self.emit(event)
        error = {"code": "wait.timeout", "what": "minio is not ready", "remedy": "mlstack logs minio"}
        outcomes = [Outcome("a", Result.DONE, 1.0, True)]
        if self.fails:
            outcomes += [
                Outcome("wait:minio", Result.FAILED, error=error),
                Outcome("b", Result.BLOCKED, because="wait:minio"),
            ]
        return Report(tuple(outcomes), interrupted=interrupted)

    def _called(self, *what):
        self.calls.append(what)
        if self.raises is not None:
            raise self.raises

    def up(self, confirm, host_changes):
        self._called("up", host_changes)
        if self.host and not confirm(self.host):
            raise MlstackError(
                "host.changes-refused", "this machine needs changes", remedy="--yes", exit_code=ExitCode.PREFLIGHT
            )
        return self._play()

    def settle(self, asked, told):
        self._called("settle", asked, told)

    def down(self, purge, undo_host):
        self._called("down", purge, undo_host)
        return Report((Outcome("delete", Result.DONE),))

    def start(self):
        self._called("start")
        return Report((Outcome("start", Result.DONE),))

    def stop(self):
        self._called("stop")
        return Report((Outcome("stop", Result.DONE),))

    def plan(self, command="up"):
        self._called("plan", command)
        apply = Apply(id="a", title="apply ConfigMap/minio/x", group="minio", why="missing", object={}, stack="minio")
        wait = Wait(id="w", title="wait for x", group="minio", needs=frozenset({"a"}), resource=ResourceId("Pod", "x"))
        image = ObtainImage(id="i", title="build minio", group="images", why="not cached", ref="minio")
        return Plan("lab", command, (image, apply, wait), (ResourceId("Secret", "s", "minio"),), ("takes long",))

    def diff(self):
        self._called("diff")
        return [ObjectDiff(resource="ConfigMap/minio/x", stack="minio", change=Change.UPDATE, text="-a: 1\n+a: 2\n")]

    def status(self):
        self._called("status")
        waiting = ObjectState(resource="Pod/argo/server", reason="pulling image")
        stacks = (
            StackStatus(name="minio", version="1", ready=2, total=2),
            *([StackStatus(name="argo", version="3", ready=1, total=2, pending=(waiting,))] if self.fails else []),
        )
        return Status(
            instance="lab", provider="kind", cluster=ClusterState.RUNNING, kubernetes="1.36.3", nodes=("n",),
            kubeconfig="/state/kubeconfig", stacks=stacks, endpoints=(ENDPOINT,), samples=("artifacts", "hello"),
        )  # fmt: skip

    def logs(self, stack, follow, tail):
        self._called("logs", stack, follow, tail)
        for n in range(3):
            yield ev.LogLine(source=f"{stack}/main", text=f"line {n}", time=1000.0)

    def log_files(self):
        directory = Path(self.load.environ.get("MLSTACK_STATE_DIR", ".")) / "logs"
        return [LogFile("images", path.name, path) for path in sorted(directory.glob("*.log"))]

    def samples(self):
        self._called("samples")
        return [SampleInfo(name="hello", stack="argo-workflows", summary="Says hello", seconds=10, params=PARAMS)]

    def users(self):
        self._called("users")
        return [USER, UserInfo(name="admin", email="admin@lab.localhost", admin=True, source="declared", there=False)]

    def add_user(self, name, email, groups, password):
        self._called("add_user", name, email, tuple(groups), password)
        return UserChanged(user=USER, password="" if password else CANARY, profile_possible=not self.fails)

    def set_password(self, name, password):
        self._called("passwd", name, password)
        return UserChanged(user=USER, password="" if password else CANARY)

    def remove_user(self, name):
        self._called("remove_user", name)
        return USER

    def user_token(self, name, profile, audience, seconds):
        self._called("token", name, profile, audience, seconds)
        return TokenInfo(
            user=name, profile="ann", account="sa", audience="gw", expires="2026-01-01T00:00:00Z", token=CANARY
        )

    def profiles(self):
        self._called("profiles")
        shares = (ContributorInfo(name="bob@lab", role="edit"), ContributorInfo(name="team", role="view", group=True))
        return [
            ProfileInfo(name="ann", owner="ann@lab", state="ready", source="command", bucket="b", contributors=shares)
        ]

    def add_profile(self, name, owner, quota):
        self._called("add_profile", name, owner, dict(quota))
        return Report((Outcome("x", Result.DONE),))

    def share_profile(self, name, person, role, group):
        self._called("share", name, person, role, group)
        return Report((Outcome("x", Result.DONE),))

    def remove_profile(self, name, purge):
        self._called("remove_profile", name, purge)
        return Report((Outcome("x", Result.DONE),))

    def run_sample(self, name, params, watch, profile=""):
        self._called("run", name, dict(params), watch, *([profile] if profile else []))
        self.emit(ev.LogLine(source="hello/main", text="hello, world"))
        return SampleResult(
            sample=name, run="hello-1", namespace="argo", phase="Failed" if self.fails else "Succeeded", seconds=4,
            results={"accuracy": "0.97"}, artifacts={"model": "s3://artifacts/model.joblib"}, url="http://127.0.0.1:2746/x",
        )  # fmt: skip

    def credentials(self, name):
        self._called("credentials", name)
        return [
            Credential(name="minio", stack="minio", url=ENDPOINT.url, values={"username": "admin", "password": CANARY})
        ]

    def rotate_credential(self, name):
        self._called("rotate_credential", name)
        return Report((Outcome("secret:login/login-cookie", Result.DONE, changed=True),))

    def certificates(self):
        self._called("certificates")
        common = {
            "begins": "2026-11-01T00:00:00+00:00",
            "ends": "2027-11-01T00:00:00+00:00",
            "issuer": "CN=mlstack lab",
        }
        return [
            CertificateInfo(name="authority", stack="", names=(), fingerprint="AA:BB", **common),
            CertificateInfo(
                name="Secret/gate/tls", stack="gate", names=("lab.localhost",), fingerprint="CC:DD",
                fault="it ended 3 days ago" if self.fails else "", **common,
            ),
        ]  # fmt: skip

    def rotate_certificates(self, authority):
        self._called("rotate", authority)
        return Report((Outcome("certificate:gate/tls", Result.DONE, changed=True),))

    def trust(self, target):
        self._called("trust", target)
        steps = (TrustStep(system="Plan 9", commands=("trust ca.crt",), undo="distrust ca.crt", note="old"),)
        return Trust(
            authority=target or Path("/state/ca.crt"), bundle=Path("/state/all.crt"), fingerprint="AA:BB",
            ends="2036-11-01T00:00:00+00:00", steps=steps,
        )  # fmt: skip

    def connections(self):
        self._called("connections")
        return [self._connection("")]

    def connect(self, ask):
        self._called("connect", ask.name, ask.form, ask.via, ask.account, ask.seconds)
        return self._connection(ask.form)

    def _connection(self, form):
        return Connection(
            name="s3", stack="minio", scheme="s3", url="https://s3.lab.localhost/", via="gateway", login="credential",
            credential="minio", authority="/state/ca.crt", form=form, text=f"export KEY={CANARY}" if form else "",
            environment={"KEY": CANARY} if form else {}, doc="S3 API",
        )  # fmt: skip

    def explain(self, question):
        self._called("explain", question)
        answer = Answer(status=200, by_service=True) if question.check else None
        return Explanation(
            url=question.url, path="/x", decision=Decision.LOGIN, status=302,
            steps=(Step(by="AuthorizationPolicy/gate/login", text="no token -> login page"),), answer=answer,
        )  # fmt: skip

    def doctor(self, fix):
        self._called("doctor", fix)
        failed = Check(
            name="port 9001", group="host", state=CheckState.FAILED, detail="taken by nginx", remedy="free it"
        )
        good = Check(name="cores", group="host", state=CheckState.OK, detail="2")
        return [
            good,
            *([failed] if self.fails else []),
            Check(name="engine", group="engine", state=CheckState.WARNING, remedy="x"),
        ]

    def stacks(self):
        self._called("stacks")
        return [
            StackInfo(
                name="minio",
                version="1",
                versions=("1", "0.9", "2"),
                registry_only=("2",),
                summary="Objects",
                enabled=True,
                params=PARAMS,
            )
        ]

    def addons(self):
        self._called("addons")
        return [
            StackInfo(
                name="grafana", version="12", versions=("12",), summary="Charts", enabled=False, registry_only=("12",)
            )
        ]

    def set_addon(self, name, enabled):
        self._called("addon", name, enabled)
        return Report((Outcome("x", Result.DONE),))

    def images(self):
        self._called("images")
        return [
            ImageInfo(
                ref="quay.io/minio/minio:1", stack="minio", cached=True, size=120_000_000, source="build", loaded=True
            )
        ]

    def build_images(self, refs):
        self._called("build", refs)
        return self._play()

    def load_images(self, refs):
        self._called("load", refs)
        return Report((Outcome("x", Result.DONE),))

    def prune_images(self, all):
        self._called("prune", all)
        return PruneResult(removed=("go build cache",), freed=5_000_000_000, left=1_000_000)

    def test(self, stack, junit):
        self._called("test", stack, junit)
        cases = (CaseResult(name="hello", stack="argo", seconds=1.0, error="no answer" if self.fails else ""),)
        return TestReport(cases=cases, seconds=1.0, junit=junit)

    def verify(self, what, junit):
        self._called("verify", what, junit)
        error = "path trick (GET //): 200" if self.fails else ""
        return TestReport(
            cases=(CaseResult(name="/: 9 attacks", stack="login", seconds=1.0, error=error),), seconds=1.0, junit=junit
        )

    def support_bundle(self, path):
        self._called("bundle", path)
        return path

    def version(self):
        self._called("version")
        return VersionInfo(mlstack="0.1.0", release="2026.11", kubernetes="1.36.3", components={"minio": "1"})

    def dev_new(self, kind, name, version):
        self._called("new", kind, name, version)
        return Path("stacks") / name

    def dev_lock(self, stack):
        self._called("lock", stack)
        return [Path("lock.yaml")]

    def dev_golden(self, stack):
        self._called("golden", stack)
        return []


def install(modules: dict, **behaviour: object) -> list[tuple[object, ...]]:
    """Puts the fake in the place of ``mlstack.app``; the calls it gets."""
    calls: list[tuple[object, ...]] = []
    module = types.ModuleType("mlstack.app")
    module.__path__ = [str(Path(unchanged.__file__).parent)]  # what is real in it can still be imported
    module.open_app = lambda load, emit, cancelled: FakeApp(load, emit, cancelled, calls=calls, **behaviour)  # type: ignore[attr-defined]
    modules["mlstack.app"] = module
    return calls


if __name__ == "__main__":
    from mlstack.__main__ import main

    own = {"--fails", "--host", "--fast"} & {*sys.argv}
    speed = 0.1 if "--fast" in own else 1.0
    install(sys.modules, speed=speed, fails="--fails" in own, host=HOST_CHANGES if "--host" in own else ())
    sys.exit(main([argument for argument in sys.argv[1:] if argument not in own]))
