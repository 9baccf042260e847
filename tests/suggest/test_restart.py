"""The suggestion service as a process of its own, killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import katib_api_pb2 as api
import pytest

from tests.suggest.katibside import Client, experiment, trial

PROGRAM = """
from mlstack_suggest.service import make_server
server, port = make_server("127.0.0.1:0")
server.start()
print(port, flush=True)
server.wait_for_termination()
"""
SPACE = (
    api.ParameterSpec(
        name="lr",
        parameter_type=api.DOUBLE,
        feasible_space=api.FeasibleSpace(min="0.0001", max="1", distribution=api.LOG_UNIFORM),
    ),
    api.ParameterSpec(name="n", parameter_type=api.INT, feasible_space=api.FeasibleSpace(min="1", max="9")),
    api.ParameterSpec(
        name="size", parameter_type=api.DISCRETE, feasible_space=api.FeasibleSpace(list=["8", "16", "32"])
    ),
    api.ParameterSpec(name="kind", parameter_type=api.CATEGORICAL, feasible_space=api.FeasibleSpace(list=["a", "b"])),
)


@contextmanager
def process() -> Iterator[Client]:
    """A service that has just begun; it is killed afterwards."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=env) as run:
        try:
            assert run.stdout is not None
            with grpc.insecure_channel(f"127.0.0.1:{int(run.stdout.readline())}") as channel:
                yield Client(channel)
        finally:
            run.kill()


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_nothing_unknown() -> None:
    asked = experiment("bayesianoptimization", *SPACE, most=20, n_initial_points="3", random_state="2")
    with process() as client:
        client.validate(asked)
        begun = client.suggest(asked, 4, 4)
        ended = [
            trial("t0", begun[0], "0.7", ended="2026-01-01T00:00:01Z"),
            trial("t1", begun[1], "", api.TrialStatus.FAILED, "2026-01-01T00:00:02Z"),
            trial("t2", begun[2], "0.4", api.TrialStatus.EARLYSTOPPED, "2026-01-01T00:00:03Z"),
            trial("t3", begun[3], "", api.TrialStatus.RUNNING),
        ]
        points = client.suggest(asked, 7, 3, *ended)
    for point in [*begun, *points]:
        assert 0.0001 <= float(point["lr"]) <= 1 and int(point["n"]) in range(1, 10)
        assert point["size"] in ("8", "16", "32") and point["kind"] in ("a", "b")
    assert len({tuple(point.items()) for point in [*begun, *points]}) == 7
    with process() as client:
        assert client.suggest(asked, 7, 3, *reversed(ended)) == points, "whatever order the trials come in"
