"""Users of Kubeflow Pipelines, each with a profile and a token of their own, for the tests of runs and of what keeps them apart."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from e2e.browser import Loopback
from e2e.platform import Platform
from e2e.tenants import needs

API = "/pipeline/apis/v2beta1"


@dataclass
class Member:
    """A user with a profile of the same name, and a program that holds the profile's token."""

    platform: Platform
    name: str
    client: httpx.Client

    def run(self, sample: str, *params: str, check: bool = True) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """(the result, all events) of a sample that runs in the profile."""
        args = [part for param in params for part in ("--param", param)]
        done = self.platform.cli(
            "run", sample, "--profile", self.name, "--watch", "--json", *args, timeout=600, check=check
        )
        events = done.lines()
        assert events[-1]["type"] == "SampleResult", events[-1]
        return events[-1], events

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def steps(self, namespace: str, run: str) -> list[dict[str, Any]]:
        answer = self.get(f"/pipeline/lineage/{namespace}/runs/{run}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["steps"]
        return found

    def bucket(self) -> tuple[str, dict[str, str]]:
        values = self.platform.credential(f"profile-{self.name}")
        return values["bucket"], {"access_key": values["accesskey"], "secret_key": values["secretkey"]}


def members(platform: Platform) -> Iterator[tuple[Member, Member]]:
    """Two users who have nothing in common. The body of a fixture."""
    needs(platform, "profile pipelines has it", "pipelines", "profiles", "login")
    url, authority = platform.door()
    context = ssl.create_default_context(cadata=authority)
    made = []
    for word in ("one", "two"):
        name = f"e2e-{word}-{secrets.token_hex(2)}"
        platform.cli("users", "add", name, "--password-stdin", stdin=secrets.token_urlsafe(16))
        token = platform.cli("users", "token", name, "--duration", "2h").out.strip()
        headers = {"Authorization": f"Bearer {token}"}
        client = httpx.Client(
            base_url=url, headers=headers, transport=Loopback(verify=context), timeout=60, trust_env=False
        )
        made.append(Member(platform, name, client))
    yield made[0], made[1]
    for member in made:
        member.client.close()
        platform.cli("profiles", "remove", member.name, "--purge", "--yes", check=False)
        platform.cli("users", "remove", member.name, check=False)


def experiment(member: Member) -> str:
    found = member.get(f"{API}/experiments?namespace={member.name}").json()["experiments"]
    return str(found[0]["experiment_id"])
