"""Runs the command line in this process with the played app."""

import json
import sys

import pytest

sys.path.insert(0, str(__import__("pathlib").Path(__file__).parent))
from fakeapp import install

from mlstack.__main__ import main


class Ran:
    """What a command left: exit code, both streams, and the calls the app got."""

    def __init__(self, code, out, err, calls):
        self.code, self.out, self.err, self.calls = code, out, err, calls

    @property
    def lines(self):
        """The JSON lines of stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def mlstack(monkeypatch, capsys, tmp_path):
    """``mlstack("up", "--json", fails=True)`` runs a command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLSTACK_STATE_DIR", str(tmp_path / "state"))

    def run(*arguments, **behaviour):
        modules = {}
        calls = install(modules, **behaviour)
        monkeypatch.setitem(sys.modules, "mlstack.app", modules["mlstack.app"])
        capsys.readouterr()
        code = main([*map(str, arguments)])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err, calls)

    return run
