"""The program in its image: nothing but Python's own library is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "installer"
CODE = """
import sys
import mlstack_inference.__main__, mlstack_inference.client
print(*sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"__main__"}))
"""


def test_it_needs_nothing_that_its_image_has_not() -> None:
    argv = [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{CODE}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["mlstack_inference", "mlstack_pod"]
