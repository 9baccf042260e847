"""The log files that the landing page may show."""

from types import SimpleNamespace

from mlstack.app.logfiles import log_files
from mlstack.cli.landing.view import TOOLS
from mlstack.core.model import Paths


def test_only_logs_of_tools_are_named_and_no_links(tmp_path):
    paths = Paths(cache=tmp_path / "cache", state=tmp_path / "state", data=tmp_path)
    session = SimpleNamespace(paths=paths, directory=tmp_path / "state" / "lab")
    assert log_files(session) == []
    for place in (
        "state/ansible/host.log",
        "cache/logs/go-x.log",
        "state/lab/logs/kind.log",
        "state/lab/kubeconfig",
        "cache/logs/x.txt",
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("x")
    (tmp_path / "cache/logs/link.log").symlink_to(tmp_path / "state/lab/kubeconfig")
    (tmp_path / "cache/logs/directory.log").mkdir()
    found = log_files(session)
    assert [(file.group, file.name) for file in found] == [
        ("host", "host.log"),
        ("images", "go-x.log"),
        ("cluster", "kind.log"),
    ]
    assert {file.group for file in found} == set(TOOLS)
