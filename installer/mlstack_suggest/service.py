"""Katib's gRPC service Suggestion: messages in, messages out. The message types are those of Katib's published package."""

from __future__ import annotations

import logging
import math
import threading
from concurrent import futures
from contextlib import suppress
from typing import Any

import grpc
import katib_api_pb2 as api

from mlstack_suggest.rpc import handler, healthy
from mlstack_suggest.search import Experiment, Search, Seen, check, check_settings
from mlstack_suggest.space import BadExperiment, Kind, Parameter, Problems, parameter

PROBE = "manager.v1beta1.Suggestion"
"""The name under which Katib's probes ask for this service's health."""
KINDS: dict[int, Kind] = {
    api.DOUBLE: "double",
    api.INT: "int",
    api.DISCRETE: "discrete",
    api.CATEGORICAL: "categorical",
}
_log = logging.getLogger(__name__)


def experiment_of(message: Any) -> Experiment:
    """The experiment that a message describes. Raises BadExperiment with all that is wrong with parameters and settings."""
    spec, problems = message.spec, Problems()
    algorithm = spec.algorithm.algorithm_name
    settings = {one.name: one.value for one in spec.algorithm.algorithm_settings}
    space: list[Parameter] = []
    for one in spec.parameter_specs.parameters:
        with problems.noting():
            space.append(_parameter(one))
    if problems:
        with problems.noting():
            check_settings(algorithm, settings)
    problems.raise_any()
    return Experiment(
        name=message.name,
        algorithm=algorithm,
        space=tuple(space),
        settings=settings,
        maximize=spec.objective.type == api.MAXIMIZE,
        most=spec.max_trial_count,
    )


def _parameter(message: Any) -> Parameter:
    kind = KINDS.get(message.parameter_type)
    if kind is None:
        raise BadExperiment(f"parameter {message.name}: its parameterType is not one of {', '.join(KINDS.values())}")
    space = message.feasible_space
    if space.distribution not in (api.DISTRIBUTION_UNSPECIFIED, api.UNIFORM, api.LOG_UNIFORM):
        raise BadExperiment(f"parameter {message.name}: feasibleSpace.distribution must be uniform or logUniform")
    log = space.distribution == api.LOG_UNIFORM
    return parameter(message.name, kind, space.min, space.max, space.step, log, tuple(space.list))


def seen_of(message: Any, metric: str) -> Seen:
    """A trial that ended, with the objective's value where it has one."""
    value: float | None = None
    for one in message.status.observation.metrics:
        if one.name == metric:
            with suppress(ValueError):  # "unavailable", which is what Katib writes for a trial without metrics
                value = float(one.value)
    # what a program prints that has gone astray; no search can do anything with it
    if value is not None and not math.isfinite(value):
        value = None
    return Seen(message.name, point_of(message), value)


def point_of(message: Any) -> dict[str, str]:
    """What a trial tries."""
    return {one.name: one.value for one in message.spec.parameter_assignments.assignments}


class Suggestion:
    """The two calls of the service. One experiment's search is kept; a call at a time changes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._search: Search | None = None

    def validate(self, request: Any, context: grpc.ServicerContext) -> Any:
        """ValidateAlgorithmSettings: INVALID_ARGUMENT with the reason for an experiment that cannot be searched."""
        try:
            check(experiment_of(request.experiment))
        except BadExperiment as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return api.ValidateAlgorithmSettingsReply()

    def suggest(self, request: Any, context: grpc.ServicerContext) -> Any:
        """GetSuggestions: as many points as are asked for."""
        metric = request.experiment.spec.objective.objective_metric_name
        count = request.current_request_number
        try:
            with self._lock:
                if self._search is None:
                    self._search = Search(experiment_of(request.experiment))
                # Katib lists them in any order; what a search says is to follow from them alone
                trials = sorted(request.trials, key=lambda each: (each.status.completion_time, each.name))
                seen = [seen_of(trial, metric) for trial in trials if _ended(trial)]
                running = [point_of(trial) for trial in trials if not _ended(trial)]
                points = self._search.next(seen, request.total_request_number - count, count, running)
        except BadExperiment as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise AssertionError("abort raises") from error
        _log.info("%d trials seen, suggested %s", len(seen), points)
        made = api.GetSuggestionsReply.ParameterAssignments
        return api.GetSuggestionsReply(
            parameter_assignments=[
                made(assignments=[api.ParameterAssignment(name=name, value=value) for name, value in point.items()])
                for point in points
            ]
        )


def _ended(trial: Any) -> bool:
    status = api.TrialStatus
    return trial.status.condition not in (status.CREATED, status.RUNNING, status.UNKNOWN)


def make_server(address: str, threads: int = 4) -> tuple[grpc.Server, int]:
    """The server, not started, and the port that it got."""
    service = Suggestion()
    server = grpc.server(futures.ThreadPoolExecutor(threads))
    name = api.DESCRIPTOR.services_by_name["Suggestion"].full_name
    handlers = {
        "GetSuggestions": handler(service.suggest, api.GetSuggestionsRequest),
        "ValidateAlgorithmSettings": handler(service.validate, api.ValidateAlgorithmSettingsRequest),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    healthy(server, PROBE, name)
    return server, server.add_insecure_port(address)
