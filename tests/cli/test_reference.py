"""The reference pages are those the code makes; every error code is explained and has a remedy."""

import re
from pathlib import Path

import pytest

import mlstack
from mlstack.cli.commands import modules
from mlstack.cli.reference import pages
from mlstack.cli.reference_errors import collect
from mlstack.cli.reference_support import PAGE
from mlstack.core.config import json_schema

ROOT = Path(__file__).parents[2]
PACKAGE = Path(mlstack.__file__).parent
SHIPPED = ROOT / "docs" / "reference"
CODES = collect(PACKAGE)
STALE = "run 'mlstack dev docs' and commit docs/reference"


@pytest.fixture(scope="module")
def made():
    return pages(ROOT)


@pytest.mark.parametrize("name", ["cli.md", "config.md", "events.md", "mlstack.schema.json", "stacks.md", PAGE])
def test_page_is_current(made, name):
    assert (SHIPPED / name).read_text(encoding="utf-8") == made[name], STALE


def test_every_error_code_is_on_its_page():
    """Texts may be reworded without a new page; a code may not come or go."""
    on_page = re.findall(r'^## <a id="([^"]+)"', (SHIPPED / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert on_page == [found.code for found in CODES], STALE


@pytest.mark.parametrize("found", CODES, ids=lambda found: found.code)
def test_every_error_code_has_a_text_and_a_remedy(found):
    assert found.whats and all(found.whats)
    assert found.remedies, "give it a remedy where it is raised, or general advice in core/remedies.py"


def test_every_code_literal_is_collected():
    """A cross-check by a cruder rule: the first argument of MlstackError and Problems wherever it is a plain string."""
    crude = set()
    for path in PACKAGE.rglob("*.py"):
        crude |= set(re.findall(r'(?:MlstackError|Problems)\(\s*"([^"]+)"', path.read_text(encoding="utf-8")))
    assert crude and crude <= {found.code for found in CODES}


def test_every_command_and_field_is_on_its_page(made):
    for name in modules():
        assert f"## mlstack {name}" in made["cli.md"]
    for name in json_schema()["properties"]:
        assert f"| `{name}" in made["config.md"]


def test_check_finds_a_stale_page(tmp_path):
    from mlstack.__main__ import main

    assert main(["dev", "docs", "-o", str(tmp_path)]) == 0
    assert main(["dev", "docs", "-o", str(tmp_path), "--check"]) == 0
    (tmp_path / "cli.md").write_text("old")
    assert main(["dev", "docs", "-o", str(tmp_path), "--check"]) == 1
