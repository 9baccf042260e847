"""A model registry behind a gateway, as far as its sample asks it: numbers, conflicts, answers as upstream's server gives them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

API = "/api/model_registry/v1alpha3"


class Registry:
    """The answers of a registry with tables of its own, as far as the sample asks. change: what it makes of an answer."""

    def __init__(self, change: Callable[[str, str, int], int] = lambda method, path, status: status) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.versions: list[dict[str, Any]] = []
        self.files: dict[str, list[dict[str, Any]]] = {}
        self.change = change

    def __call__(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        assert path.startswith(f"{API}/")
        parts = urlsplit(path.removeprefix(f"{API}/"))
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        status, answer = self._answer(method, parts.path.split("/"), query, body or {})
        changed = self.change(method, parts.path, status)
        return changed, answer if changed == status else {"message": "refused"}

    def _answer(self, method: str, path: list[str], query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        match method, path:
            case "POST", ["registered_models"]:
                if body["name"] in self.models:
                    return 409, {"code": "", "message": "already exists"}
                self.models[body["name"]] = {**body, "id": str(len(self.models) + 1)}
                return 201, self.models[body["name"]]
            case "GET", ["registered_model"]:
                return 200, self.models[query["name"]]
            case "POST", ["registered_models", number, "versions"]:
                assert body["registeredModelId"] == number in [one["id"] for one in self.models.values()]
                self.versions.append({**body, "id": str(len(self.versions) + 10)})
                return 201, self.versions[-1]
            case "POST", ["model_versions", number, "artifacts"]:
                self.files.setdefault(number, []).append({**body, "id": "7"})
                return 201, self.files[number][-1]
            case "GET", ["model_version"]:
                wanted = query["name"], query["parentResourceId"]
                return 200, next(v for v in self.versions if (v["name"], v["registeredModelId"]) == wanted)
            case "GET", ["model_versions", number, "artifacts"]:
                return 200, {"items": self.files[number], "size": 1}
        raise AssertionError(f"{method} {path} is none of the API's")


class Connection:
    """One connection to the registry through a gateway that knows the token."""

    def __init__(self, registry: Registry) -> None:
        self.registry, self.status = registry, 0
        self.text = b""

    def request(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> None:
        assert headers["Authorization"] == "Bearer secret" and headers["Host"] == "lab:8443"
        self.status, answer = self.registry(method, path, json.loads(body) if body else None)
        self.text = json.dumps(answer).encode()

    def getresponse(self) -> Connection:
        return self

    def read(self) -> bytes:
        return self.text

    def close(self) -> None:
        """Nothing is open."""
