"""``connect`` and ``auth explain``: what they show, refuse and read."""

import io

import pytest
from fakeapp import CANARY

from mlstack.core.errors import ExitCode


def test_connect_shows_a_secret_only_when_asked(mlstack):
    for line in ("connect", "connect s3", "connect s3 --json"):
        assert CANARY not in mlstack(*line.split()).out
    assert CANARY in mlstack("connect", "s3", "--print", "env", "--json").lines[-1]["text"]
    assert mlstack("connect", "--print", "env").code == ExitCode.USAGE
    assert mlstack("connect", "s3", "--seconds", "5").code == ExitCode.USAGE


@pytest.mark.parametrize(
    "line", ["--as a --check", "--as a --token t", "-H nocolon", "--token -", "--nonsense"], ids=lambda line: line
)
def test_auth_explain_refuses_what_makes_no_sense(mlstack, monkeypatch, line):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert mlstack("auth", "explain", "/", *line.split()).code == ExitCode.USAGE


def test_auth_explain_reads_a_token_from_standard_input(mlstack, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{CANARY}\n"))
    ran = mlstack("auth", "explain", "/", "--token", "-", "-H", "Accept: a: b")
    ((_, question),) = [call for call in ran.calls if call[0] == "explain"]
    assert (question.token, dict(question.headers)) == (CANARY, {"Accept": "a: b"})
    assert CANARY not in repr(question) + ran.out
