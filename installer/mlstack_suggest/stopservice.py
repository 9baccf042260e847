"""Katib's gRPC service EarlyStopping: messages in, messages out. Reads values from Katib's database manager."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable
from concurrent import futures
from typing import Any

import grpc
import katib_api_pb2 as api

from mlstack_suggest.rpc import handler, healthy
from mlstack_suggest.space import BadExperiment
from mlstack_suggest.stopping import Medians, Settings, settings_of

SECONDS = 60.0
"""How long the database manager may take to answer."""
_log = logging.getLogger(__name__)


def settings_in(message: Any) -> Settings:
    """The settings of a message's early stopping. Raises BadExperiment."""
    return settings_of(message.algorithm_name, {one.name: one.value for one in message.algorithm_settings})


def observed(address: str, trial: str, metric: str) -> list[tuple[float, str]]:
    """A trial's values of a metric as numbers and as they were told, in that order. Raises grpc.RpcError."""
    name = api.DESCRIPTOR.services_by_name["DBManager"].full_name
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            f"/{name}/GetObservationLog",
            request_serializer=lambda each: each.SerializeToString(),
            response_deserializer=api.GetObservationLogReply.FromString,
        )
        reply = call(api.GetObservationLogRequest(trial_name=trial, metric_name=metric), timeout=SECONDS)
    told = [one.metric.value for one in reply.observation_log.metric_logs]
    return [(value, text) for text in told if (value := _number(text)) is not None]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def observation(address: str, trial: str, metrics: Iterable[str]) -> list[dict[str, str]]:
    """What Katib's controller writes into a trial's status of the metrics that it has values of. Raises grpc.RpcError."""
    found = []
    for metric in metrics:
        if values := observed(address, trial, metric):
            least, most = min(values)[1], max(values)[1]
            found.append({"name": metric, "latest": values[-1][1], "min": least, "max": most})
    return found


class EarlyStopping:
    """The three calls. stop: marks a trial of the experiment's namespace as stopped early, with what was observed of it."""

    def __init__(self, stop: Callable[[str, list[dict[str, str]]], None]) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._medians: Medians | None = None
        self._records: tuple[str, tuple[str, ...]] = ("", ())

    def validate(self, request: Any, context: grpc.ServicerContext) -> Any:
        """ValidateEarlyStoppingSettings: INVALID_ARGUMENT with the reason for settings that mean nothing."""
        try:
            settings_in(request.early_stopping)
        except BadExperiment as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return api.ValidateEarlyStoppingSettingsReply()

    def rules(self, request: Any, context: grpc.ServicerContext) -> Any:
        """GetEarlyStoppingRules: the rule that trials from now on are held against, none while there are too few before."""
        del context
        spec = request.experiment.spec
        metric, maximize = spec.objective.objective_metric_name, spec.objective.type == api.MAXIMIZE
        good = [one.name for one in request.trials if one.status.condition == api.TrialStatus.SUCCEEDED]
        with self._lock:
            self._records = request.db_manager_address, (metric, *spec.objective.additional_metric_names)
            if self._medians is None:
                self._medians = Medians(settings_in(spec.early_stopping))
            for name in self._medians.missing(good):
                self._medians.add(name, [value for value, _ in observed(request.db_manager_address, name, metric)])
            threshold = self._medians.threshold()
        _log.info("%d trials succeeded, threshold %s", len(good), threshold)
        if threshold is None:
            return api.GetEarlyStoppingRulesReply()
        rule = api.EarlyStoppingRule(
            name=metric,
            value=repr(threshold),
            comparison=api.LESS if maximize else api.GREATER,
            start_step=self._medians.settings.start_step,
        )
        return api.GetEarlyStoppingRulesReply(early_stopping_rules=[rule])

    def mark(self, request: Any, context: grpc.ServicerContext) -> Any:
        """SetTrialStatus: the collector beside a trial says that it has stopped it, and has told its values before.

        Katib's controller deletes the job of a trial with that mark and looks no more for its values (unless the job is to
        be retained); but as long as they are missing it starts no further trial. So they are written together with the mark.
        """
        with self._lock:
            address, metrics = self._records
        try:
            self._stop(request.trial_name, observation(address, request.trial_name, metrics))
        except (OSError, grpc.RpcError) as error:
            _log.error("trial %s cannot be marked: %s", request.trial_name, error)
            context.abort(grpc.StatusCode.UNAVAILABLE, f"trial {request.trial_name} cannot be marked: {error}")
        _log.info("trial %s is stopped early", request.trial_name)
        return api.SetTrialStatusReply()


def make_stop_server(
    address: str, stop: Callable[[str, list[dict[str, str]]], None], threads: int = 4
) -> tuple[grpc.Server, int]:
    """The server, not started, and the port that it got."""
    service = EarlyStopping(stop)
    server = grpc.server(futures.ThreadPoolExecutor(threads))
    name = api.DESCRIPTOR.services_by_name["EarlyStopping"].full_name
    handlers = {
        "GetEarlyStoppingRules": handler(service.rules, api.GetEarlyStoppingRulesRequest),
        "ValidateEarlyStoppingSettings": handler(service.validate, api.ValidateEarlyStoppingSettingsRequest),
        "SetTrialStatus": handler(service.mark, api.SetTrialStatusRequest),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    healthy(server, name)
    return server, server.add_insecure_port(address)
