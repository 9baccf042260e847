"""What an instance remembers besides its configuration file: profile and addons chosen by command, host ports of its cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlstack.core.errors import ExitCode, MlstackError

FILE = "choices.json"
"""Its name in the instance's directory."""


class Choices:
    """A small JSON file in the instance's directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any]:
        """Everything remembered. Raises choices.damaged: an addon that is forgotten would be removed by the next ``up``."""
        try:
            data = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._damaged(str(error)) from None
        if not isinstance(data, dict):
            raise self._damaged(f"it holds a {type(data).__name__}")
        return data

    def _damaged(self, why: str) -> MlstackError:
        return MlstackError(
            "choices.damaged",
            f"cannot read {self._path}, which remembers the profile, enabled addons and host ports",
            why=why,
            remedy="delete it, then name the profile you had (`mlstack up --profile NAME`) and enable its addons again",
            exit_code=ExitCode.PREFLIGHT,
        )

    def keep(self, **values: Any) -> None:
        """As ``write``, but leaves a file alone that says so already."""
        held = self.read()
        if {**held, **values} != held:
            self.write(**values)

    def write(self, **values: Any) -> None:
        """Adds values and writes the file, all of it or nothing."""
        self._replace({**self.read(), **values})

    def forget_ports(self) -> None:
        """The cluster is gone; what was chosen for the platform stays."""
        data = self.read()
        data.pop("ports", None)
        if data:
            self._replace(data)
        else:
            self._path.unlink(missing_ok=True)

    def _replace(self, data: Mapping[str, Any]) -> None:
        fresh = self._path.with_suffix(".new")
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(data, file)
        fresh.replace(self._path)

    @property
    def ports(self) -> Mapping[str, int]:
        """Endpoint name -> host port of the cluster that was made last."""
        found = self.read().get("ports")
        return {str(name): int(port) for name, port in found.items()} if isinstance(found, dict) else {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Dotted configuration path -> what a command chose."""
        found = {f"addons.{name}.enabled": on for name, on in self.addons.items()}
        profile = self.read().get("profile")
        return {**found, "profile": profile} if isinstance(profile, str) and profile else found

    @property
    def addons(self) -> Mapping[str, bool]:
        """Addon name -> whether it was switched on or off by command."""
        found = self.read().get("addons")
        return {str(name): bool(on) for name, on in found.items()} if isinstance(found, dict) else {}
