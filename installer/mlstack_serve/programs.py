"""Programs of the user's that come with a model: ``model.py`` and ``transformer.py``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from mlstack_serve.errors import BadModel


def module_of(file: Path, *functions: str) -> ModuleType:
    """The file as a module; what lies beside it can be imported by it. Raises BadModel, also where a function is missing."""
    if not file.is_file():
        raise BadModel(f"{file} does not exist")
    directory = str(file.parent)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    spec = importlib.util.spec_from_file_location(f"served_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise BadModel(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadModel(f"{file.name} cannot be run: {type(error).__name__}: {error}") from error
    missing = [name for name in functions if not callable(getattr(module, name, None))]
    if missing:
        raise BadModel(f"{file.name} has no function {' and no function '.join(missing)}")
    return module
