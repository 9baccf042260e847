"""Katib's side of the suggestion service, with its own message types."""

from __future__ import annotations

from typing import Any

import grpc
import katib_api_pb2 as api

SERVICE = "/api.v1.beta1.Suggestion/"


class Client:
    """Asks as Katib's controller does."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel

    def call(self, name: str, request: Any, reply: Any) -> Any:
        call = self.channel.unary_unary(
            SERVICE + name, request_serializer=lambda each: each.SerializeToString(), response_deserializer=reply
        )
        return call(request, timeout=60)

    def suggest(self, experiment: Any, total: int, count: int, *trials: Any) -> list[dict[str, str]]:
        request = api.GetSuggestionsRequest(
            experiment=experiment, trials=trials, current_request_number=count, total_request_number=total
        )
        reply = self.call("GetSuggestions", request, api.GetSuggestionsReply.FromString)
        return [{each.name: each.value for each in one.assignments} for one in reply.parameter_assignments]

    def validate(self, experiment: Any) -> None:
        request = api.ValidateAlgorithmSettingsRequest(experiment=experiment)
        self.call("ValidateAlgorithmSettings", request, api.ValidateAlgorithmSettingsReply.FromString)


def experiment(algorithm: str, *space: Any, most: int = 6, **settings: str) -> Any:
    """An experiment that maximizes ``accuracy``. space: its parameters, a number and a word where none are given."""
    given = space or (
        api.ParameterSpec(
            name="lr", parameter_type=api.DOUBLE, feasible_space=api.FeasibleSpace(min="0.01", max="0.03", step="0.01")
        ),
        api.ParameterSpec(
            name="kind", parameter_type=api.CATEGORICAL, feasible_space=api.FeasibleSpace(list=["a", "b"])
        ),
    )
    return api.Experiment(
        name="digits",
        spec=api.ExperimentSpec(
            parameter_specs=api.ExperimentSpec.ParameterSpecs(parameters=given),
            objective=api.ObjectiveSpec(type=api.MAXIMIZE, objective_metric_name="accuracy"),
            algorithm=api.AlgorithmSpec(
                algorithm_name=algorithm,
                algorithm_settings=[api.AlgorithmSetting(name=name, value=value) for name, value in settings.items()],
            ),
            max_trial_count=most,
        ),
    )


def trial(
    name: str, point: dict[str, str], value: str, condition: int = api.TrialStatus.SUCCEEDED, ended: str = ""
) -> Any:
    """A trial as Katib tells of it. ended: the moment, as text."""
    assignments = [api.ParameterAssignment(name=key, value=each) for key, each in point.items()]
    return api.Trial(
        name=name,
        spec=api.TrialSpec(parameter_assignments=api.TrialSpec.ParameterAssignments(assignments=assignments)),
        status=api.TrialStatus(
            condition=condition,
            completion_time=ended,
            observation=api.Observation(metrics=[api.Metric(name="accuracy", value=value)]),
        ),
    )
