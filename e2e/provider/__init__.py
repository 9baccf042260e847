"""Tests of the cluster providers on real nodes. They share the contract suite with the tests on fakes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "providers" / "contract"))
