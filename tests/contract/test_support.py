"""What is said to be supported is in the catalogue, and what is in the catalogue is said."""

from __future__ import annotations

import pytest
from contract_data import CATALOGUE, ENTRIES, ROOT
from pydantic import ValidationError

from mlstack.cli.reference_support import FILE, support_page
from mlstack.core.fitting import from_registry_only
from mlstack.core.supportfile import Support, System
from mlstack.core.yamldoc import load, validate

SUPPORT = validate(Support, load((ROOT / FILE).read_text(encoding="utf-8"), FILE))


def test_every_stack_and_addon_has_a_row_and_every_row_a_stack() -> None:
    named = {system.stack for system in SUPPORT.systems if system.stack}
    assert named == set(CATALOGUE.names())


def test_every_version_that_only_a_registry_has_has_a_row_that_says_it_never_ran() -> None:
    rows = {(one.stack, one.version): one for one in SUPPORT.systems if one.version}
    wanted = [pair for pair in ENTRIES if from_registry_only(CATALOGUE.entry(*pair))]
    assert wanted, "else this test shows nothing"
    for pair in wanted:
        assert "never" in rows[pair].verified
    page = support_page(ROOT, "").splitlines()
    for stack, version in rows:
        (row,) = [line for line in page if f"| `{stack}` {version}" in line]
        assert ("images from a registry only" in row) == ((stack, version) in wanted)
        assert row.split(" | ")[2] == "-", "no profile has it by itself"


def test_a_system_is_there_once() -> None:
    names = [system.name for system in SUPPORT.systems]
    assert len(names) == len(set(names))


def test_the_page_says_version_profiles_and_what_to_use() -> None:
    rows = {
        line.split(" | ")[0].strip("| "): line for line in support_page(ROOT, "").splitlines() if line.startswith("| ")
    }
    assert "`katib` 0.19.0 | tuning, full |" in rows["Kubeflow Katib"]
    assert "| - | - | - | use KServe |" in rows["Seldon Core"]


@pytest.mark.parametrize("row", [{}, {"stack": "minio"}, {"version": "1", "use": "x"}])
def test_a_row_says_what_to_use_or_where_it_was_tried(row: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"says|say which"):
        System.model_validate({"name": "x", **row})
