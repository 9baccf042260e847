"""Stacks whose images only a registry has are refused before anything is changed, where nothing in force has them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mlstack.app.published import published_problems
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
