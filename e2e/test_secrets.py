"""No generated secret shows anywhere but where it belongs: canaries are the platform's real ones."""

from __future__ import annotations

import base64
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import kubernetes

from e2e.platform import Platform
from mlstack.adapters.paths import find_paths

TEXT_LIMIT = 50_000_000
NOT_SECRET = frozenset({"username", "accesskey", "database", "host", "port"})
"""Keys of generated Secrets that hold names."""


def canaries(core: kubernetes.client.CoreV1Api) -> dict[str, str]:
    """Every generated secret value, by where it is kept."""
    found = {}
    for secret in core.list_secret_for_all_namespaces(label_selector="mlstack.dev/stack").items:
        if secret.type == "mlstack.dev/inventory":
            continue
        for key, value in (secret.data or {}).items():
            text = base64.b64decode(value).decode(errors="replace").strip()
            if key not in NOT_SECRET and not key.endswith(".crt") and len(text) >= 16:
                found[f"{secret.metadata.namespace}/{secret.metadata.name}:{key}"] = text
    return found


def processes() -> Iterator[tuple[str, str]]:
    """The command lines of all processes of the host, those of the nodes included."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield str(path), path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile


def files(*roots: Path) -> Iterator[tuple[str, str]]:
    """The small files among some paths and below them."""
    for root in roots:
        for path in (root, *root.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < TEXT_LIMIT:
                yield str(path), path.read_text(errors="replace")


def test_no_generated_secret_is_in_events_logs_argv_or_the_support_bundle(
    platform: Platform, core: kubernetes.client.CoreV1Api, tmp_path: Path
) -> None:
    values = canaries(core)
    assert len(values) >= 4, list(values)
    texts = {"up": platform.up(), "plan": platform.cli("plan", "--json"), "diff": platform.cli("diff")}
    shown = [(name, run.out + run.err) for name, run in texts.items()]
    bundle = tmp_path / "bundle.tar.gz"
    platform.cli("support-bundle", "-o", str(bundle))
    with tarfile.open(bundle) as archive:
        archive.extractall(tmp_path / "bundle", filter="data")
    paths = find_paths(os.environ)
    state = paths.instance(platform.name)
    # volumes are the servers' own, the store and Go's caches hold no text of ours
    own = [one for one in state.iterdir() if one.name != "volumes"]
    roots = [tmp_path / "bundle", paths.state / "ansible", paths.cache / "logs", paths.cache / "rendered"]
    shown += [*files(*roots, *own), *processes()]
    leaks = [f"{where} in {place}" for place, text in shown for where, value in values.items() if value in text]
    assert not leaks, leaks
    told = platform.cli("credentials", "--json").out
    assert any(value in told for value in values.values()), "the search finds nothing"
