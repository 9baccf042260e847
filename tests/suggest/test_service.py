"""Over a real connection, with Katib's own message types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import katib_api_pb2 as api
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mlstack_suggest.service import PROBE, make_server

SERVICE = "/api.v1.beta1.Suggestion/"


class Client:
    """Katib's side of the service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel

    def call(self, name: str, request: Any, reply: Any) -> Any:
        call = self.channel.unary_unary(
            SERVICE + name, request_serializer=lambda each: each.SerializeToString(), response_deserializer=reply
        )
        return call(request, timeout=20)

    def suggest(self, experiment: Any, total: int, count: int, *trials: Any) -> list[dict[str, str]]:
        request = api.GetSuggestionsRequest(
            experiment=experiment, trials=trials, current_request_number=count, total_request_number=total
        )
        reply = self.call("GetSuggestions", request, api.GetSuggestionsReply.FromString)
        return [{each.name: each.value for each in one.assignments} for one in reply.parameter_assignments]

    def validate(self, experiment: Any) -> None:
        request = api.ValidateAlgorithmSettingsRequest(experiment=experiment)
        self.call("ValidateAlgorithmSettings", request, api.ValidateAlgorithmSettingsReply.FromString)


@pytest.fixture
def client() -> Iterator[Client]:
    server, port = make_server("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Client(channel)
    server.stop(None).wait()


def experiment(algorithm: str, **settings: str) -> Any:
    space = [
        api.ParameterSpec(
            name="lr", parameter_type=api.DOUBLE, feasible_space=api.FeasibleSpace(min="0.01", max="0.03", step="0.01")
        ),
        api.ParameterSpec(
            name="kind", parameter_type=api.CATEGORICAL, feasible_space=api.FeasibleSpace(list=["a", "b"])
        ),
    ]
    return api.Experiment(
        name="digits",
        spec=api.ExperimentSpec(
            parameter_specs=api.ExperimentSpec.ParameterSpecs(parameters=space),
            objective=api.ObjectiveSpec(type=api.MAXIMIZE, objective_metric_name="accuracy"),
            algorithm=api.AlgorithmSpec(
                algorithm_name=algorithm,
                algorithm_settings=[api.AlgorithmSetting(name=name, value=value) for name, value in settings.items()],
            ),
            max_trial_count=6,
        ),
    )


def trial(name: str, point: dict[str, str], value: str, condition: int = api.TrialStatus.SUCCEEDED) -> Any:
    assignments = [api.ParameterAssignment(name=key, value=each) for key, each in point.items()]
    return api.Trial(
        name=name,
        spec=api.TrialSpec(parameter_assignments=api.TrialSpec.ParameterAssignments(assignments=assignments)),
        status=api.TrialStatus(
            condition=condition, observation=api.Observation(metrics=[api.Metric(name="accuracy", value=value)])
        ),
    )


def test_a_grid_is_handed_out_point_by_point(client) -> None:
    first = client.suggest(experiment("grid"), 2, 2)
    rest = client.suggest(experiment("grid"), 6, 4)
    points = {(point["lr"], point["kind"]) for point in [*first, *rest]}
    assert points == {(lr, kind) for lr in ("0.01", "0.02", "0.03") for kind in "ab"}


def test_results_are_taken_in(client) -> None:
    asked = experiment("multivariate-tpe", random_state="3", n_startup_trials="1")
    points = client.suggest(asked, 3, 3)
    ended = [trial(f"t{number}", point, "0.9") for number, point in enumerate(points)]
    ended[1] = trial("t1", points[1], "unavailable", api.TrialStatus.METRICSUNAVAILABLE)
    running = trial("t9", points[0], "", api.TrialStatus.RUNNING)
    assert len(client.suggest(asked, 5, 2, *ended, running)) == 2


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (experiment("simplex"), "algorithm simplex is not one of"),
        (experiment("grid", seed="1"), "no setting seed"),
        (experiment("tpe", n_startup_trials="many"), "setting n_startup_trials: 'many' is not a number"),
    ],
)
def test_what_cannot_be_searched_is_an_invalid_argument(client, asked, told) -> None:
    for call in (client.validate, lambda each: client.suggest(each, 1, 1)):
        with pytest.raises(grpc.RpcError) as caught:
            call(asked)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert told in caught.value.details()


def test_a_good_one_is_accepted(client) -> None:
    client.validate(experiment("grid"))


def test_the_probes_of_katib_find_it_healthy(client) -> None:
    stub = health_pb2_grpc.HealthStub(client.channel)
    for name in ("", PROBE):
        reply = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=20)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
