"""What is said to be supported is in the catalogue, and what is in the catalogue is said."""

from __future__ import annotations

import pytest
from contract_data import CATALOGUE, ROOT
from pydantic import ValidationError

from mlstack.cli.reference_support import FILE, support_page
from mlstack.core.supportfile import Support, System
from mlstack.core.yamldoc import load, validate

SUPPORT = validate(Support, load((ROOT / FILE).read_text(encoding="utf-8"), FILE))


def test_every_stack_and_addon_has_a_row_and_every_row_a_stack() -> None:
    named = {system.stack for system in SUPPORT.systems if system.stack}
    assert named == set(CATALOGUE.names())


def test_a_system_is_there_once() -> None:
    names = [system.name for system in SUPPORT.systems]
    assert len(names) == len(set(names))


def test_the_page_says_version_profiles_and_what_to_use() -> None:
    rows = {
        line.split(" | ")[0].strip("| "): line for line in support_page(ROOT, "").splitlines() if line.startswith("| ")
    }
    assert "`katib` 0.19.0 | tuning, full |" in rows["Kubeflow Katib"]
    assert "| - | - | - | use Argo Workflows |" in rows["Tekton"]


@pytest.mark.parametrize("row", [{}, {"stack": "minio"}])
def test_a_row_says_what_to_use_or_where_it_was_tried(row: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="says"):
        System.model_validate({"name": "x", **row})
