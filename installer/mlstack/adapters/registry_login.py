"""Credentials for registries: Docker's configuration file and the credential helpers it names. They are never shown."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io")


@dataclass(frozen=True, slots=True)
class Credential:
    """User and password of a registry; never shown."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Credential(...)"


def credential_of(host: str, docker_config: Path | None = None) -> Credential | None:
    """What Docker's configuration (``docker login``) or its credential helper knows for a registry host."""
    path = docker_config or Path.home() / ".docker" / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    keys = [host, f"https://{host}", f"https://{host}/v1/", *(_HUB_KEYS if host == "docker.io" else ())]
    auths = config.get("auths") or {}
    helpers = config.get("credHelpers") or {}
    for key in keys:
        entry = auths.get(key)
        if isinstance(entry, dict) and entry.get("auth"):
            return _decoded(str(entry["auth"]))
        helper = helpers.get(key) or (config.get("credsStore") if key in auths else "")
        found = _from_helper(str(helper), key) if helper else None
        if found:
            return found
    return None


def _decoded(text: str) -> Credential | None:
    try:
        user, _, password = base64.b64decode(text).decode().partition(":")
    except ValueError:
        return None
    return Credential(user, password)


def _from_helper(helper: str, key: str) -> Credential | None:
    """What Docker's credential helper knows; the registry's name goes in by stdin, the secret comes out by stdout."""
    program = shutil.which(f"docker-credential-{helper}")
    if program is None:
        return None
    try:
        result = subprocess.run([program, "get"], input=key.encode(), capture_output=True, timeout=20, check=True)
        answer = json.loads(result.stdout)
        return Credential(str(answer["Username"]), str(answer["Secret"]))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
