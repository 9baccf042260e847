"""Over a real connection, with Katib's own message types."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import katib_api_pb2 as api
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mlstack_suggest.service import PROBE, make_server
from tests.suggest.katibside import Client, experiment, trial


@pytest.fixture
def client() -> Iterator[Client]:
    server, port = make_server("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Client(channel)
    server.stop(None).wait()


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
    ended[2] = trial("t2", points[2], "nan")
    running = trial("t9", points[0], "", api.TrialStatus.RUNNING)
    assert len(client.suggest(asked, 5, 2, *ended, running)) == 2


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (experiment("simplex"), "algorithm simplex is not one of"),
        (experiment("grid", seed="1"), "no setting seed"),
        (experiment("tpe", n_startup_trials="many"), "setting n_startup_trials: 'many' is not a number"),
        (
            experiment(
                "bayesianoptimization",
                api.ParameterSpec(
                    name="x", parameter_type=api.DOUBLE, feasible_space=api.FeasibleSpace(min="2", max="1")
                ),
                api.ParameterSpec(name="y", parameter_type=api.DISCRETE),
                base_estimator="SVM",
                kappa="2",
            ),
            "parameter x: feasibleSpace: min 2 is above max 1; parameter y: feasibleSpace.list has no values; "
            "setting base_estimator: 'SVM' is not one of GP, RF, ET, GBRT; algorithm bayesianoptimization has no setting kappa",
        ),
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
