"""The median stopping rule, and its service over a real connection with Katib's own message types."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent import futures
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import katib_api_pb2 as api
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstack_suggest.rpc import handler
from mlstack_suggest.space import BadExperiment
from mlstack_suggest.stopping import MEDIANSTOP, Medians, Settings, settings_of
from mlstack_suggest.stopservice import make_stop_server
from mlstack_suggest.trials import mark_stopped, stopped_early

VALUES = {"a": ["0.1", "0.3", "9"], "b": ["0.5", "0.7"], "c": ["0.9", "1.1"], "odd": ["unavailable", "nan"]}


def test_settings_have_defaults() -> None:
    assert settings_of(MEDIANSTOP, {}) == Settings(3, 4)
    assert settings_of(MEDIANSTOP, {"min_trials_required": "1", "start_step": "2"}) == Settings(1, 2)


@pytest.mark.parametrize(
    ("algorithm", "given", "said"),
    [
        ("other", {}, "other is not medianstop"),
        (MEDIANSTOP, {"start": "1"}, "no setting start"),
        (MEDIANSTOP, {"start_step": "0"}, "from 1 on"),
        (MEDIANSTOP, {"min_trials_required": "x"}, "'x' is not a whole number"),
        (MEDIANSTOP, {"min_trials_required": "²"}, "is not a whole number"),
    ],
)
def test_settings_that_mean_nothing_are_named(algorithm: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(BadExperiment, match=said):
        settings_of(algorithm, given)


def test_nobody_is_stopped_before_enough_trials_have_succeeded() -> None:
    medians = Medians(Settings(2, 2))
    medians.add("a", [1.0, 3.0, 100.0])
    medians.add("silent", [])
    assert medians.threshold() is None and medians.missing(["a", "silent", "b"]) == ["silent", "b"]
    medians.add("b", [5.0])
    assert medians.threshold() == 3.5


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6), min_size=1, max_size=8))
def test_the_threshold_lies_among_what_was_seen(trials: list[list[float]]) -> None:
    medians = Medians(Settings(1, 3))
    for number, values in enumerate(trials):
        medians.add(str(number), values)
    threshold = medians.threshold()
    seen = [value for values in trials for value in values[:3]]
    assert threshold is not None and min(seen) - 1e-6 <= threshold <= max(seen) + 1e-6


# -- the service


@pytest.fixture
def manager() -> Iterator[tuple[str, list[str]]]:
    """Katib's database manager: its address, and the trials that it was asked for."""
    asked: list[str] = []

    def log(request: Any, context: grpc.ServicerContext) -> Any:
        assert request.metric_name == "accuracy"
        asked.append(request.trial_name)
        lines = [api.MetricLog(metric=api.Metric(name="accuracy", value=value)) for value in VALUES[request.trial_name]]
        return api.GetObservationLogReply(observation_log=api.ObservationLog(metric_logs=lines))

    server = grpc.server(futures.ThreadPoolExecutor(2))
    calls = {"GetObservationLog": handler(log, api.GetObservationLogRequest)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("api.v1.beta1.DBManager", calls),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", asked
    server.stop(None).wait()


class Client:
    def __init__(self, channel: grpc.Channel, stopped: list[tuple[str, list[dict[str, str]]]]) -> None:
        self.channel, self.stopped = channel, stopped

    def call(self, name: str, request: Any, reply: Any) -> Any:
        call = self.channel.unary_unary(
            f"/api.v1.beta1.EarlyStopping/{name}",
            request_serializer=lambda each: each.SerializeToString(),
            response_deserializer=reply.FromString,
        )
        return call(request, timeout=20)

    def rules(self, address: str, kind: int, *trials: Any, **settings: str) -> list[Any]:
        spec = api.ExperimentSpec(
            objective=api.ObjectiveSpec(type=kind, objective_metric_name="accuracy"),
            early_stopping=stopping(**settings),
        )
        request = api.GetEarlyStoppingRulesRequest(
            experiment=api.Experiment(spec=spec), trials=trials, db_manager_address=address
        )
        return list(self.call("GetEarlyStoppingRules", request, api.GetEarlyStoppingRulesReply).early_stopping_rules)


def stopping(**settings: str) -> Any:
    given = [api.EarlyStoppingSetting(name=name, value=value) for name, value in settings.items()]
    return api.EarlyStoppingSpec(algorithm_name="medianstop", algorithm_settings=given)


def trial(name: str, condition: str = "SUCCEEDED") -> Any:
    return api.Trial(name=name, status=api.TrialStatus(condition=getattr(api.TrialStatus, condition)))


@pytest.fixture
def client() -> Iterator[Client]:
    stopped: list[tuple[str, list[dict[str, str]]]] = []

    def stop(name: str, metrics: list[dict[str, str]]) -> None:
        if name == "gone":
            raise OSError("HTTP Error 404: Not Found")
        stopped.append((name, metrics))

    server, port = make_stop_server("127.0.0.1:0", stop)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Client(channel, stopped)
    server.stop(None).wait()


@pytest.mark.parametrize(("kind", "comparison"), [(api.MAXIMIZE, api.LESS), (api.MINIMIZE, api.GREATER)])
def test_a_trial_is_held_against_the_median_of_those_before(
    client: Client, manager: Any, kind: int, comparison: int
) -> None:
    address, asked = manager
    settings = {"min_trials_required": "3", "start_step": "2"}
    first = [trial("a"), trial("b"), trial("running", "RUNNING"), trial("failed", "FAILED")]
    assert client.rules(address, kind, *first, **settings) == []
    (rule,) = client.rules(address, kind, *first, trial("c"), **settings)
    assert (rule.name, float(rule.value), rule.comparison, rule.start_step) == ("accuracy", 0.6, comparison, 2)
    assert asked == ["a", "b", "c"], "what is known is not asked for again"


def test_values_that_are_no_numbers_say_nothing(client: Client, manager: Any) -> None:
    address, _ = manager
    assert client.rules(address, api.MAXIMIZE, trial("odd"), min_trials_required="1") == []


def test_settings_are_checked_when_the_experiment_is_made(client: Client) -> None:
    ask = "ValidateEarlyStoppingSettings", api.ValidateEarlyStoppingSettingsReply
    client.call(ask[0], api.ValidateEarlyStoppingSettingsRequest(early_stopping=stopping(start_step="3")), ask[1])
    with pytest.raises(grpc.RpcError) as caught:
        client.call(ask[0], api.ValidateEarlyStoppingSettingsRequest(early_stopping=stopping(start_step="-1")), ask[1])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT and "start_step" in caught.value.details()


def test_a_stopped_trial_is_marked_or_the_collector_hears_why_not(client: Client) -> None:
    client.call("SetTrialStatus", api.SetTrialStatusRequest(trial_name="t1"), api.SetTrialStatusReply)
    assert client.stopped == [("t1", [])], "nothing is known of an experiment that did not ask for rules"
    with pytest.raises(grpc.RpcError) as caught:
        client.call("SetTrialStatus", api.SetTrialStatusRequest(trial_name="gone"), api.SetTrialStatusReply)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE and "404" in caught.value.details()


def test_the_mark_comes_with_what_was_observed(client: Client, manager: Any) -> None:
    """Without it Katib waits for values that nobody writes any more, and starts no further trial."""
    client.rules(manager[0], api.MAXIMIZE)
    client.call("SetTrialStatus", api.SetTrialStatusRequest(trial_name="a"), api.SetTrialStatusReply)
    client.call("SetTrialStatus", api.SetTrialStatusRequest(trial_name="odd"), api.SetTrialStatusReply)
    assert client.stopped == [("a", [{"name": "accuracy", "latest": "9", "min": "0.1", "max": "9"}]), ("odd", [])]


def test_the_condition_has_its_time_in_utc() -> None:
    condition = stopped_early(datetime(2026, 11, 1, 12, 0, tzinfo=timezone(timedelta(hours=2))))
    assert condition["lastTransitionTime"] == "2026-11-01T10:00:00Z"
    assert (condition["type"], condition["status"]) == ("EarlyStopped", "True")


def test_the_mark_is_a_patch_with_the_pods_own_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tok\n")
    (tmp_path / "namespace").write_text("ann")
    seen: list[tuple[str, Any, dict[str, str]]] = []

    class Api(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.path, body, dict(self.headers)))
            self.send_response(404 if "gone" in self.path else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        mark_stopped("t1", [], tmp_path, base)
        mark_stopped("t1", [{"name": "accuracy", "latest": "1", "min": "1", "max": "1"}], tmp_path, base)
        with pytest.raises(OSError, match="404"):
            mark_stopped("gone", [], tmp_path, base)
        server.shutdown()
    path, body, headers = seen[0]
    assert path == "/apis/kubeflow.org/v1beta1/namespaces/ann/trials/t1/status"
    assert headers["Authorization"] == "Bearer tok" and headers["Content-Type"] == "application/json-patch+json"
    assert [(one["op"], one["path"], one["value"]["type"]) for one in body] == [
        ("add", "/status/conditions/-", "EarlyStopped")
    ]
    assert [one["path"] for one in seen[1][1]] == ["/status/observation", "/status/conditions/-"]
    assert seen[1][1][0]["value"]["metrics"][0]["latest"] == "1"
    assert datetime.fromisoformat(body[0]["value"]["lastUpdateTime"]).tzinfo == UTC
