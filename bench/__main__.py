"""``python -m bench [PART...]``: measures the parts and writes docs/benchmarks.md. Needs a platform that is up for most."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import apply, cold, door, lifecycle, presets, ready, report, samples, serving, start
from bench.measure import Results, mlstack


def _apply(instance: str, rounds: int) -> Results:
    status = json.loads(mlstack("status", "--json", "--name", instance).out)
    with tempfile.TemporaryDirectory() as name:
        kubectl = apply.kubectl_of(f"{instance}-control-plane", Path(name) / "kubectl")
        return apply.measure(Path(status["kubeconfig"]), kubectl, rounds)


def main() -> None:
    """Measures what is asked for; without arguments all but the cold build."""
    usual = ("start", "ready", "apply", "lifecycle")
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        choices=[*usual, "door", "samples", "serving", "presets", "cold", "report"],
        metavar="PART",
        help=", ".join(usual),
    )
    parser.add_argument("--name", default="mlstack", help="the instance that is up")
    parser.add_argument("--rounds", type=int, default=3, help="of the cold apply")
    parser.add_argument("--profile", default=cold.USUAL, help="of the cold build")
    arguments = parser.parse_args()
    parts: dict[str, Callable[[], Results]] = {
        "start": start.measure,
        "ready": ready.measure,
        "apply": lambda: _apply(arguments.name, arguments.rounds),
        "lifecycle": lambda: lifecycle.measure(arguments.name),
        "door": lambda: door.measure(arguments.name),
        "samples": lambda: samples.measure(arguments.name),
        "serving": lambda: serving.measure(arguments.name),
        "presets": presets.measure,
        "cold": lambda: cold.measure(arguments.profile),
    }
    for part in arguments.parts or usual:
        if part != "report":
            parts[part]().save()
    report.write()


if __name__ == "__main__":
    main()
