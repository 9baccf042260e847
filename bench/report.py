"""docs/benchmarks.md from the results of the parts; a part that was not run again keeps its last figures."""

from __future__ import annotations

import json
from pathlib import Path

from bench.measure import RESULTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
HEAD = """<!-- Made by `make bench` from bench/results; run it again instead of editing. -->

# Benchmarks

Each figure stands beside its peer or goal, measured in one run on one machine; a part that was not measured again keeps its older
figures, with their date. `make bench` measures all but the cold build, `make bench ARGS=cold` that one (half an hour on 2 cores).
"""
NOTES = {
    "apply": """
How P1 and P4 are met, and what bounds them: [decision 8](adr/0008-where-p1-and-p4-end.md).
""",
    "cold": """
What made it short: one lock (`stacks/locks/go/cluster`) for Kubernetes, etcd, containerd, the CNI plugins, kube-router, CoreDNS,
metrics-server and the volume provisioner, so that what they share compiles once; nothing is resolved at build time; no
profile-guided optimisation (`-pgo=off`) and no debugging data; one compile at a time on all cores with the next one's downloads
and the Debian roots beside it; the cluster is made as soon as the node image is there, and stacks start while later images are
still being built.
""",
}
TITLES = {
    "start": "Start of the command",
    "apply": "Applying, against kubectl on the platform's API server",
    "ready": "Time to ready, against the critical path",
    "lifecycle": "Life of the platform, profile `minimal`",
    "door": "The front door, profile `standard`",
    "samples": "Pipelines and tuning, profile `full`",
    "serving": "Models and services, profile `full`",
    "cold": "Cold `up`: nothing cached, no image registry in reach, profile `minimal`",
    "cold-full": "Cold `up`: the same of profile `full`",
    "presets": "Profiles, images cached",
}


def write(page: Path = PAGE) -> None:
    """Writes the page."""
    parts = [
        json.loads((RESULTS / f"{part}.json").read_text()) for part in TITLES if (RESULTS / f"{part}.json").exists()
    ]
    page.write_text("\n".join([HEAD, *map(_section, parts)]))


def _section(part: dict[str, object]) -> str:
    rows = part["rows"]
    assert isinstance(rows, list)
    lines = [f"## {TITLES[str(part['part'])]}", "", f"{part['date']}, `{part['command']}`: {part['conditions']}.", ""]
    lines += ["| goal | what | measured | beside | target | met | note |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        met = {True: "yes", False: "**no**", None: ""}[row["met"]]
        cells = (row["goal"], row["what"], row["measured"], row["peer"], row["target"], met, row["note"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, NOTES.get(str(part["part"]), "")])
