"""kind's output as progress and reasons, and listings of a node's runtime."""

from __future__ import annotations

import pytest

from mlstack.core.events import StepProgress
from mlstack.providers.kindcli import Progress, plain, reason
from mlstack.providers.nodes import parse_images

CREATE = """\
cgroup v1 is deprecated in Kubernetes and will not be supported in a future kind release
Creating cluster "lab" ...
 • Ensuring node image (node:1) 🖼  ...
 ✓ Ensuring node image (node:1) 🖼
 • Preparing nodes 📦   ...
 ✓ Preparing nodes 📦
 • Waiting ≤ 3m0s for control-plane = Ready ⏳  ...
 ✓ Waiting ≤ 3m0s for control-plane = Ready ⏳
 • Ready after 6s 💚
Set kubectl context to "kind-lab"
"""


def test_each_step_begins_and_ends() -> None:
    events: list[StepProgress] = []
    progress = Progress(events.append, "create", total=6)
    for line in CREATE.splitlines():
        progress.take(line)
    assert [(event.message, event.done) for event in events] == [
        ("Ensuring node image (node:1)", 0),
        ("Ensuring node image (node:1)", 1),
        ("Preparing nodes", 1),
        ("Preparing nodes", 2),
        ("Waiting ≤ 3m0s for control-plane = Ready", 2),
        ("Waiting ≤ 3m0s for control-plane = Ready", 3),
    ]
    assert {(event.total, event.unit) for event in events} == {(6, "steps")}


def test_more_steps_than_expected_do_not_exceed_the_total() -> None:
    events: list[StepProgress] = []
    progress = Progress(events.append, "create", total=1)
    for _ in range(3):
        progress.take(" ✓ Done 📦")
    assert [event.done for event in events] == [1, 1, 1]


def test_the_reason_begins_at_the_error_and_is_short() -> None:
    output = "\n".join(["WARNING: Here be dragons!", "ERROR: failed", *(f"line {n}" for n in range(50))])
    lines = reason(output).splitlines()
    assert lines[0] == "ERROR: failed"
    assert lines[-1] == "line 49"
    assert len(lines) == 12
    assert reason("") == ""


@pytest.mark.parametrize(("text", "expected"), [(" Installing CNI 🔌  ...", "Installing CNI"), ("", "")])
def test_pictographs_are_left_out(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_images_are_read_from_the_runtimes_table() -> None:
    digest = "sha256:" + "a" * 64
    listing = (
        "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
        f"docker.io/library/x:1 application/vnd {digest} 1 MiB linux/amd64 io.cri\n"
        f"docker.io/library/x@{digest} application/vnd {digest} 1 MiB linux/amd64 -\n"
        f"{digest} application/vnd {digest} 1 MiB linux/amd64 -\n"
        "\n"
        "cut\n"
    )
    assert parse_images(listing) == {"docker.io/library/x:1": digest}
    assert parse_images("") == {}
