"""Bentos are served by KServe's rules; the program that serves one says in its last line why it does not. BentoML is acted here."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from contract_data import CATALOGUE, FACTS, Workshop

from mlstack.core.sample import sample_object

NAME, VERSION = "bentoml", "1.4.39"
TOLD = {"name": "iris", "version": "one", "bentoml_version": VERSION}
ACTED = """
import sys, time
with open(sys.argv[2] + "/src/service.py") as file:
    exec(file.read())
"""
"""In the place of ``python -m bentoml serve DIRECTORY``: runs the service's file."""


@pytest.fixture(scope="module")
def runtime(workshop: Workshop) -> dict[str, Any]:
    objects = workshop.render(NAME, VERSION).objects
    (one,) = [obj for obj in objects if obj["kind"] == "ClusterServingRuntime"]
    return dict(one)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program out of the image's recipe, beside packages as the image has them."""
    images = CATALOGUE.entry(NAME, VERSION).document.spec.images
    build = next(image.build for image in images if image.ref.startswith("mlstack.local/bento:"))
    assert build is not None
    (file,) = build.files
    path = tmp_path / "serve.py"
    path.write_text(str(file.content))
    package = tmp_path / "packages" / "bentoml"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(ACTED)
    for name, version in {"bentoml": VERSION, "scikit_learn": "1.9.1"}.items():
        info = tmp_path / "packages" / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    return path


def store(folder: Path, files: dict[str, str]) -> Path:
    """A place like the one that a Bento is fetched to, with the exported one."""
    folder.mkdir()
    with tarfile.open(folder / "iris.bento", "w:xz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return folder


def bento(told: dict[str, str] | None = None, needs: str = "", service: str = "pass") -> dict[str, str]:
    return {
        "./bento.yaml": yaml.safe_dump(told or TOLD),
        "./env/python/requirements.in": needs,
        "./env/python/requirements.txt": "locked==1.0\n",
        "./src/service.py": service,
    }


def start(program: Path, source: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(program.parent / "packages"), *(entry for entry in sys.path if entry)])
    argv = [sys.executable, str(program), str(source), str(program.parent / "unpacked"), "8080"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}, text=True, **pipes)


def said(program: Path, source: Path) -> str:
    """The last line of one that does not serve."""
    process = start(program, source)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1, out
    return out.splitlines()[-1]


NEEDS = "scikit-learn==1.5.0\nxgboost>=2  # trees\nnumpy ; python_version < '3'\n-i elsewhere\nbentoml==1.4.1\n"
BROKEN = "print('ValueError: weights are of another model'); print('RuntimeError: no process'); sys.exit(3)"
LATER = "print('KeyError: first'); print('Service Iris initialized'); sys.exit(4)"
CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "packages": (
        bento(needs=NEEDS),
        ["iris:one needs scikit-learn==1.5.0 (the image has 1.9.1), xgboost>=2 (not in the image); build it with"],
    ),
    "series": (bento({**TOLD, "bentoml_version": "1.3.22"}), ["was built by BentoML 1.3.22", "build it with 1.4.39"]),
    "no version": (bento({**TOLD, "bentoml_version": "new"}), ["was built by BentoML new"]),
    "not described": (bento({"name": "iris"}), ["its bento.yaml cannot be read (KeyError: 'version')"]),
    "no Bento": ({"readme": "hello"}, ["iris.bento has no bento.yaml; store what 'bentoml export"]),
    "leaves": ({**bento(), "../outside": "x"}, ["names that leave its directory"]),
    "fails": (bento(service=BROKEN), ["iris:one does not run: ValueError: weights are of another model; correct"]),
    "ends": (bento(service=LATER), ["iris:one does not run: its server ended with 4"]),
    "ends well": (bento(), ["iris:one does not run: its server ended with 0"]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_served_is_said_in_the_last_line(program: Path, tmp_path: Path, case: str) -> None:
    files, words = CASES[case]
    line = said(program, store(tmp_path / "models", files))
    assert line.startswith("no Bento: ") and "; " in line
    assert all(word in line for word in words), line
    assert not (tmp_path / "outside").exists()


def test_what_is_no_archive_or_not_one_is_said(program: Path, tmp_path: Path) -> None:
    assert "there is nothing" in said(program, tmp_path / "nowhere")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "model.joblib").write_text("no archive")
    assert "model.joblib is no archive that can be read (ReadError); store" in said(program, folder)
    (folder / "other.joblib").touch()
    assert "there is model.joblib, other.joblib; store" in said(program, folder)


@pytest.mark.parametrize("unpacked", [False, True])
def test_one_that_serves_goes_on_until_it_is_told_to_end(program: Path, tmp_path: Path, unpacked: bool) -> None:
    service = "assert __import__('os').environ['BENTOML_CONTAINERIZED']; print('up', sys.argv[1:], flush=True); time.sleep(60)"
    source = store(tmp_path / "models", bento(needs="scikit-learn>=1.9\nbentoml==1.4.1\n", service=service))
    if unpacked:
        with tarfile.open(source / "iris.bento") as tar:
            tar.extractall(source, filter="data")
    process = start(program, source)
    assert process.stdout is not None
    where = source if unpacked else tmp_path / "unpacked"
    assert process.stdout.readline().strip() == f"up {['serve', str(where), '--host=0.0.0.0', '--port=8080']}"
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0 and time.monotonic() - begin < 20
    process.stdout.close()


def test_its_server_is_of_all_profiles_and_meets_the_strictest_pod_security_level(runtime: dict[str, Any]) -> None:
    assert "namespace" not in runtime["metadata"]
    spec = runtime["spec"]
    assert [one["name"] for one in spec["supportedModelFormats"]] == ["bento"] and "protocolVersions" not in spec
    (container,) = spec["containers"]
    security = container["securityContext"]
    assert security["runAsNonRoot"] is True and security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError", "why it ended is told from there"
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys() and container["resources"]["limits"]["memory"]
    assert container["command"] == ["python3", "/opt/start/serve.py"] and len(container["ports"]) == 1


def test_parameters_reach_the_server(workshop: Workshop) -> None:
    objects = workshop.render(NAME, VERSION, cpu="1", memoryLimit="4Gi", unpackedSize="20Gi").objects
    spec = next(obj["spec"] for obj in objects if obj["kind"] == "ClusterServingRuntime")
    resources = spec["containers"][0]["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["memory"]) == ("1", "4Gi")
    assert spec["volumes"][0]["emptyDir"] == {"sizeLimit": "20Gi"}


def test_the_sample_serves_what_it_stored(workshop: Workshop) -> None:
    flow, _ = sample_object(workshop.offer(NAME, VERSION, "serve-bento"), "serve-bento", {}, FACTS, "ann")
    steps = {one["name"]: one for one in flow["spec"]["templates"]}
    (artifact,) = steps["build"]["outputs"]["artifacts"]
    given = {one["name"]: one["value"] for one in steps["serve"]["script"]["env"]}
    assert given["KEY"] == artifact["s3"]["key"] and artifact["archive"] == {"none": {}}
    for step in ("build", "serve"):
        compile(steps[step]["script"]["source"], step, "exec")
