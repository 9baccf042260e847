"""MLflow asks nobody who they are: only the gateway gets in, and what it can be told to fetch it does not reach."""

from __future__ import annotations

from typing import Any

import pytest
from callers import only_the_gateway_gets_in
from contract_data import CATALOGUE, FACTS, Workshop

from mlstack.core.resolve import Choice, profile_of, resolve

NAME, VERSION = "mlflow", "3.17.2"


@pytest.fixture(scope="module")
def objects(workshop: Workshop) -> list[dict[str, Any]]:
    return list(workshop.render(NAME, VERSION).objects)


def of(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in objects if one["kind"] == kind]


def test_only_the_gateway_gets_in_and_nothing_out_but_to_tables_and_files(objects: list[dict[str, Any]]) -> None:
    assert only_the_gateway_gets_in(objects) == {"kube-system": [53, 53], "minio": [9000], "mysql": [3306]}


def test_it_answers_to_the_platforms_name_and_pages_only(objects: list[dict[str, Any]], workshop: Workshop) -> None:
    (deployment,) = of(objects, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value", "") for one in container["env"]}
    hosts = env["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert hosts == [FACTS.external.host, f"{FACTS.external.host}:*"] and "*" not in hosts
    assert env["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == FACTS.external.url
    assert "$(DATABASE_PASSWORD)" in env["MLFLOW_BACKEND_STORE_URI"]
    (point,) = workshop.render(NAME, VERSION).endpoints
    assert point.auth == "required" and point.route is not None and point.route.rewrite == "/"


def test_behind_sidecars_only_the_gateways_name_gets_in(workshop: Workshop) -> None:
    choices = {"istio": Choice(params={"mesh": "sidecar"}), NAME: Choice(version=VERSION, enabled=True)}
    selection = resolve(CATALOGUE, workshop.release, profile_of(workshop.release, NAME), choices=choices)
    objects = list(next(one for one in workshop.renderer.render(selection, FACTS) if one.name == NAME).objects)
    (policy,) = of(objects, "AuthorizationPolicy")
    assert policy["spec"]["action"] == "ALLOW" and policy["spec"]["rules"][0]["from"][0]["source"]["principals"]
    (deployment,) = of(objects, "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"
