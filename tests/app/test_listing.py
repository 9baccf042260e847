"""Which versions of a stack are told to be of a registry only."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from mlstack.adapters.catalog import DataCatalogue
from mlstack.app.listing import stack_infos
from mlstack.core.resolve import Choice, home_choices, resolve

CATALOGUE = DataCatalogue(Path(__file__).resolve().parents[2])
RELEASE = CATALOGUE.release(CATALOGUE.releases()[-1])
STACK = "kubeflow-pipelines"


def test_versions_of_which_only_a_registry_has_images_are_told_whichever_is_chosen() -> None:
    for version in ("", "2.17.0"):
        choices = home_choices(RELEASE, STACK, Choice(version=version, enabled=True))
        session = SimpleNamespace(
            release=RELEASE, catalogue=CATALOGUE, selection=resolve(CATALOGUE, RELEASE, "pipelines", choices)
        )
        found = {info.name: info for info in stack_infos(session, addons=False)}
        assert found[STACK].version == (version or "2.0.5")
        assert found[STACK].registry_only == ("2.17.0",) and "2.0.5" in found[STACK].versions
        assert found["minio"].registry_only == ()
