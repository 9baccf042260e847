"""The benchmark's own catalogue: the objects of ``bench.objects`` as stacks, so that the real command works on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from bench.objects import Object

ROOT = Path(__file__).resolve().parent.parent
API = "mlstack/v1alpha1"
RELEASE = "2026.11"


def write_catalogue(data: Path, stacks: dict[str, list[Object]], kubernetes: str = "1.36.3") -> None:
    """Makes ``data`` a data root (``MLSTACK_DATA_DIR``) whose only release holds exactly these stacks."""
    (data / "stacks" / "releases").mkdir(parents=True, exist_ok=True)
    for shared in ("nodes", "bases", "locks"):
        link = data / "stacks" / shared
        if not link.exists():
            link.symlink_to(ROOT / "stacks" / shared)
    if not (data / "playbooks").exists():
        (data / "playbooks").symlink_to(ROOT / "playbooks")
    for name, objects in stacks.items():
        write_stack(data, name, objects)
    profile = {
        "summary": "The objects of the benchmark",
        "stacks": list(stacks),
        "budget": {"cpu": "1m", "memory": "1Mi"},
        **{"hostMemory": "1Gi", "hostCpus": 1, "diskBuild": "1G", "diskRun": "1G"},
    }
    spec = {
        "kubernetes": kubernetes,
        "node": "kind-1.36.3",
        "stacks": dict.fromkeys(stacks, "1.0.0"),
        "profiles": {"minimal": profile},
    }
    metadata = {"name": RELEASE, "summary": "Benchmark"}
    _write(data / "stacks" / "releases" / f"{RELEASE}.yaml", _document("Release", metadata, spec))


def write_stack(data: Path, name: str, objects: list[Object]) -> None:
    """Writes one stack whose template holds the objects."""
    directory = data / "stacks" / name / "1.0.0"
    (directory / "templates").mkdir(parents=True, exist_ok=True)
    homepage = "https://bench.example"
    metadata = {"name": name, "version": "1.0.0", "summary": "Benchmark", "license": "Apache-2.0", "homepage": homepage}
    spec = {
        "kubernetes": ">=1.30",
        "namespace": name,
        "podSecurity": "privileged",
        "manifests": [{"templates": "templates"}],
        "budget": {"cpu": "1m", "memory": "1Mi"},
    }
    _write(directory / "stack.yaml", _document("Stack", metadata, spec))
    _write(directory / "templates" / "objects.yaml.j2", yaml.safe_dump_all(objects, sort_keys=False, width=1000))


def write_list(path: Path, stacks: dict[str, list[Object]]) -> None:
    """The same objects, namespaces and definitions first, as one List that kubectl can apply."""
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in stacks]
    rest = [obj for objects in stacks.values() for obj in objects]
    rest.sort(key=lambda obj: obj["kind"] != "CustomResourceDefinition")
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*spaces, *rest]}))


def _document(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> str:
    return yaml.safe_dump({"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}, sort_keys=False)


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
