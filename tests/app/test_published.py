"""Stacks whose images only a registry has are refused before anything is changed, where nothing in force has them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mlstack.app import lifecycle
from mlstack.app.published import published_problems
from mlstack.core.actions import Apply, Plan
from mlstack.core.desired import Facts, HostFacts
from mlstack.core.errors import ExitCode, Problems
from mlstack.core.model import ClusterFacts, ClusterState
from mlstack.core.stackfile import Stack

NEW, OTHER, OWN = "ghcr.io/team/new:2", "ghcr.io/team/other:2", "mlstack.local/own:1"


def entry(name: str, availability: str, *refs: str) -> SimpleNamespace:
    body = {
        "kubernetes": ">=1.32",
        "namespace": name,
        "manifests": [{"templates": "templates"}],
        "budget": {"cpu": "1m", "memory": "1Mi"},
        "availability": availability,
        "images": [{"ref": OWN, "build": {}}, *({"ref": ref} for ref in refs)],
    }
    meta = {"name": name, "version": "2.0.0", "summary": "s", "license": "MIT", "homepage": "h"}
    head = {"apiVersion": "mlstack/v1alpha1", "kind": "Stack", "metadata": meta, "spec": body}
    return SimpleNamespace(entry=SimpleNamespace(document=Stack.model_validate(head), name=name, version="2.0.0"))


class Session(SimpleNamespace):
    """What is asked of a session. lacking: reference -> why nothing has it."""

    def __init__(self, lacking: dict[str, str], *, loads: bool = True) -> None:
        self.asked: list[str] = []
        chosen = (entry("new", "registry", NEW, OTHER), entry("old", "built"))
        super().__init__(
            abilities=SimpleNamespace(loads_images=loads),
            selection=SimpleNamespace(stacks=chosen),
            artifacts=SimpleNamespace(images=SimpleNamespace(lacking=lambda ref: self._lacking(lacking, ref))),
        )

    def _lacking(self, lacking: dict[str, str], ref: str) -> str:
        self.asked.append(ref)
        return lacking.get(ref, "")


def test_nothing_is_said_where_all_can_be_had() -> None:
    session = Session({OWN: "is of no interest: it is built"})
    assert published_problems(session) == []
    assert session.asked and OWN not in session.asked


@pytest.mark.parametrize("ref", [NEW, OTHER])
def test_an_image_that_cannot_be_had_is_named_with_the_reason(ref: str) -> None:
    (one,) = published_problems(Session({ref: "no registry: ghcr.io: it does not answer"}))
    assert one.code == "config.registry-only"
    assert f"{ref}: no registry: ghcr.io: it does not answer" in one.why and "new 2.0.0" in one.what
    assert "artifacts.mirrors" in one.remedy and "artifacts.bundle" in one.remedy


def test_one_reason_is_said_once() -> None:
    (one,) = published_problems(Session({NEW: "no answer", OTHER: "no answer"}))
    assert one.why.count("no answer") == 1


def test_nodes_that_are_not_ours_take_images_themselves() -> None:
    session = Session({NEW: "no answer"}, loads=False)
    assert published_problems(session) == [] and session.asked == []


RUNNING = Facts(host=HostFacts(), cluster=ClusterFacts(ClusterState.RUNNING))
STEP = Apply(id="a", title="a", group="new", object={}, stack="new")


def acting(session: Session) -> Session:
    session.provider = SimpleNamespace(preflight=lambda _spec: [])
    session.spec = None
    session.config = SimpleNamespace(auth=SimpleNamespace(provider=""))
    session.render_facts = SimpleNamespace(auth=None)
    return session


def test_up_ends_before_anything_is_changed_and_a_platform_that_is_as_wanted_is_left_alone() -> None:
    session = acting(Session({NEW: "no registry: ghcr.io: it does not answer"}))
    with pytest.raises(Problems) as caught:
        lifecycle._preflight(session, Plan("x", "up", (STEP,)), RUNNING)  # type: ignore[arg-type]
    assert [one.code for one in caught.value.problems] == ["config.registry-only"]
    assert caught.value.exit_code == ExitCode.PREFLIGHT
    lifecycle._preflight(session, Plan("x", "up", ()), RUNNING)  # type: ignore[arg-type]
    lifecycle._preflight(acting(Session({})), Plan("x", "up", (STEP,)), RUNNING)  # type: ignore[arg-type]


@pytest.mark.parametrize(("command", "notes"), [("up", 1), ("start", 0)])
def test_a_plan_notes_what_up_would_refuse(monkeypatch: pytest.MonkeyPatch, command: str, notes: int) -> None:
    session = Session({NEW: "no answer"})
    monkeypatch.setattr(lifecycle.observing, "observe_cluster", lambda _: ClusterFacts(ClusterState.ABSENT))
    monkeypatch.setattr(lifecycle, "make_plan", lambda *_: (Plan("x", command, (STEP,)), RUNNING))
    found = lifecycle.show_plan(session, command).notes  # type: ignore[arg-type]
    assert len(found) == notes and all(note.startswith("up refuses: images of stack new 2.0.0") for note in found)
