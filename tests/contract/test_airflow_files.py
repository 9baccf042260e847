"""Airflow's workflow files are as the bucket has them; the class out of the image's recipe, with Airflow and the store acted."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from contract_data import CATALOGUE


def program() -> str:
    """The file out of the image's recipe."""
    (image,) = CATALOGUE.entry("airflow", "3.3.2").document.spec.images
    assert image.build is not None
    return next(str(file.content) for file in image.build.files if file.path.endswith("/platform_dags.py"))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The workflows' files out of the image's class, a store that is a dictionary (``store``), and Airflow's part of it."""
    held: dict[str, bytes] = {}
    fetched: list[str] = []

    class Store:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def list_objects(self, name: str, prefix: str, recursive: bool) -> list[Any]:
            assert (name, recursive) == ("airflow", True)
            return [
                SimpleNamespace(object_name=key, size=len(data), etag=str(hash(data)))
                for key, data in held.items()
                if key.startswith(prefix)
            ]

        def fget_object(self, _: str, key: str, target: str) -> None:
            fetched.append(key)
            Path(target).write_bytes(held[key])

    class Bundle:
        def __init__(self, name: str) -> None:
            self.base_dir = tmp_path / "bundles" / name
            self.base_dir.mkdir(parents=True)

        def initialize(self) -> None:
            pass

        def lock(self) -> Any:
            return nullcontext()

    for parent in ("airflow", "airflow.dag_processing", "airflow.dag_processing.bundles"):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    for name, values in {
        "airflow.dag_processing.bundles.base": {"BaseDagBundle": Bundle},
        "minio": {"Minio": Store},
    }.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    for key, value in {"ACCESS_KEY": "a", "SECRET_KEY": "b", "ENDPOINT": "minio:9000", "SCHEME": "http"}.items():
        monkeypatch.setenv(f"STORE_{key}", value)
    space: dict[str, Any] = {}
    exec(compile(program(), "platform_dags.py", "exec"), space)  # noqa: S102 (it is ours)
    return SimpleNamespace(one=space["Bucket"](bucket="airflow", name="bucket"), store=held, fetched=fetched)


def found(bucket: Any) -> dict[str, str]:
    path = bucket.one.path
    return {str(one.relative_to(path)): one.read_text() for one in path.rglob("*") if one.is_file()}


def test_files_are_as_the_bucket_has_them(bucket: Any) -> None:
    bucket.store |= {"dags/mine.py": b"one", "dags/more/its.py": b"two", "else.py": b"not", "dags/../out.py": b"not"}
    bucket.one.initialize()
    assert found(bucket) == {"mine.py": "one", "more/its.py": "two"}
    asked = bucket.one.base_dir.parent / "asked"
    assert asked.exists(), "the probe looks there"
    asked.unlink()
    bucket.one.initialize()
    assert not asked.exists() and len(bucket.fetched) == 2, "a task takes what is there"
    bucket.store["dags/mine.py"] = b"three"
    del bucket.store["dags/more/its.py"]
    bucket.one.refresh()
    assert found(bucket) == {"mine.py": "three"} and asked.exists()
    bucket.one.refresh()
    assert len(bucket.fetched) == 3, "only what changed is fetched"


def test_what_is_too_much_leaves_what_there_was(bucket: Any) -> None:
    bucket.store["dags/mine.py"] = b"one"
    bucket.one.initialize()
    bucket.store |= {"dags/mine.py": b"two", "dags/data.bin": bytes(65 * 2**20)}
    with pytest.raises(ValueError, match="stay as they were"):
        bucket.one.refresh()
    assert found(bucket) == {"mine.py": "one"}
