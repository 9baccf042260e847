"""Katib's gRPC service Suggestion: messages in, messages out. The message types are those of Katib's published package."""

from __future__ import annotations

import logging
import threading
from concurrent import futures
from typing import Any

import grpc
import katib_api_pb2 as api

from mlstack_suggest.rpc import handler, healthy
from mlstack_suggest.search import Experiment, Search, Seen, check
from mlstack_suggest.space import BadExperiment, Kind, Parameter, parameter

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
    """The experiment that a message describes. Raises BadExperiment."""
    spec = message.spec
    return Experiment(
        algorithm=spec.algorithm.algorithm_name,
        space=tuple(_parameter(one) for one in spec.parameter_specs.parameters),
        settings={one.name: one.value for one in spec.algorithm.algorithm_settings},
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
    value = None
    for one in message.status.observation.metrics:
        if one.name == metric:
            try:
                value = float(one.value)
            except ValueError:
                value = None  # "unavailable", which is what Katib writes for a trial without metrics
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
                seen = [seen_of(trial, metric) for trial in request.trials if _ended(trial)]
                running = [point_of(trial) for trial in request.trials if not _ended(trial)]
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
