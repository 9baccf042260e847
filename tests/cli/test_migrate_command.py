"""``mlstack migrate``: what it prints, in both ways, and what it ends with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml

from mlstack.__main__ import main
from mlstack.core.errors import ExitCode

JOB = """apiVersion: kubeflow.org/v1
kind: {kind}
metadata: {{name: {name}}}
spec:
  {replicas}:
    Worker:
      replicas: 2
      restartPolicy: Never
      template: {{spec: {{containers: [{{name: {container}, image: "reg/x:1", command: [torchrun, a.py]}}]}}}}
"""
TORCH = JOB.format(kind="PyTorchJob", name="mine", replicas="pytorchReplicaSpecs", container="pytorch")
MPI = JOB.format(kind="MPIJob", name="theirs", replicas="mpiReplicaSpecs", container="mpi")


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.yaml"
    path.write_text(f"{TORCH}---\n{MPI}")
    return path


def test_what_is_printed_can_be_given_to_kubectl(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(jobs)]) == ExitCode.FAILED, "one has no TrainJob"
    out = capsys.readouterr().out
    (made,) = [one for one in yaml.safe_load_all(out) if one]
    assert (made["kind"], made["metadata"], made["spec"]["trainer"]["numNodes"]) == ("TrainJob", {"name": "mine"}, 2)
    assert f"# PyTorchJob mine ({jobs}:1) as a TrainJob" in out
    assert f"# MPIJob theirs ({jobs}:11) has no TrainJob" in out and "mlPolicy.mpi" in out


def test_with_json_every_job_is_an_item(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--json", str(jobs)]) == ExitCode.FAILED
    (line,) = capsys.readouterr().out.splitlines()
    said = json.loads(line)
    assert (said["v"], said["type"]) == (1, "Migration")
    one, two = said["items"]
    assert (one["kind"], one["name"], one["namespace"], one["file"], one["line"]) == (
        "PyTorchJob",
        "mine",
        "",
        str(jobs),
        1,
    )
    assert one["trainjob"]["kind"] == "TrainJob" and two["trainjob"] is None
    assert all({*hint} == {"path", "line", "what", "why", "remedy"} for hint in [*one["hints"], *two["hints"]])


def test_the_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(TORCH))
    assert main(["migrate", "-"]) == ExitCode.OK
    assert "# PyTorchJob mine (-:1)" in capsys.readouterr().out


def test_all_that_is_wrong_in_all_files_is_told_and_nothing_printed(
    tmp_path: Path, jobs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, empty, binary = tmp_path / "other.yaml", tmp_path / "empty.yaml", tmp_path / "binary"
    other.write_text(f"{TORCH}---\nkind: Pod\n---\na: [\n")
    empty.write_text("# nothing\n---\n")
    binary.write_bytes(b"\xff\xfe\x00")
    gone = tmp_path / "gone.yaml"
    assert main(["migrate", *map(str, (jobs, other, empty, binary, gone, tmp_path))]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == "" and "6 problems" in said.err
    for file, code in (
        (f"{other}:11", "migrate.foreign"),
        (f"{other}:14", "yaml.syntax"),
        (f"{empty}", "migrate.foreign"),
        (f"{binary}", "migrate.unreadable"),
        (f"{gone}", "migrate.unreadable"),
        (f"{tmp_path}:", "migrate.unreadable"),
    ):
        assert any(line.startswith(file) and f"[{code}]" in line for line in said.err.splitlines()), (file, said.err)
    assert said.err.count("do:") == 6


def test_with_json_an_error_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--json", str(tmp_path / "gone.yaml")]) == ExitCode.USAGE
    said = json.loads(capsys.readouterr().out)
    assert (said["type"], said["code"], said["problems"][0]["code"]) == ("Error", "migrate.input", "migrate.unreadable")
