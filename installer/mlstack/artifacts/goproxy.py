"""Go modules without a Go toolchain: the GOPROXY protocol, and the ``h1:`` hash of a module zip computed by ourselves."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlstack.artifacts.disk import guard, make_directory, temporary_name
from mlstack.artifacts.zips import open_zip
from mlstack.core.errors import MlstackError, interrupted
from mlstack.core.ports import Cancelled, Download, Shell

DEFAULT_PROXY = "https://proxy.golang.org,direct"
_LIMIT = 500 << 20
"""Go's own limit of a module zip."""


def escape(path: str) -> str:
    """Module path or version as it stands in URLs and file names: ``A`` becomes ``!a``."""
    return re.sub(r"[A-Z]", lambda letter: "!" + letter[0].lower(), path)


def split_module(spec: str) -> tuple[str, str]:
    """``path@version`` in its parts. Raises source.bad-module."""
    path, _, version = spec.partition("@")
    if not path or not version or ".." in spec or not re.fullmatch(r"[A-Za-z0-9._~/!+-]+", path + version):
        raise MlstackError(
            "source.bad-module", f"'{spec}' is not a module with its version", remedy="write it as path@v1.2.3"
        )
    return path, version


def dirhash(archive: Path) -> str:
    """The ``h1:`` hash of a module zip, as go.sum holds it. Raises artifact.hostile-archive."""
    lines = hashlib.sha256()
    with open_zip(archive) as reader:
        for name in sorted(reader.names(), key=lambda each: each.encode()):
            digest = hashlib.sha256()
            for data in reader.chunks(name):
                digest.update(data)
            lines.update(f"{digest.hexdigest()}  {name}\n".encode())
    return "h1:" + base64.b64encode(lines.digest()).decode()


def proxy_list(setting: str) -> list[tuple[str, bool]]:
    """GOPROXY's entries: (URL, go on after any error). After ``,`` only not-found falls through, after ``|`` every error."""
    parts = re.split(r"([,|])", setting or DEFAULT_PROXY)
    found = []
    for index in range(0, len(parts), 2):
        separator = parts[index + 1] if index + 1 < len(parts) else ","
        if parts[index].strip():
            found.append((parts[index].strip().rstrip("/"), separator == "|"))
    return found


class GoProxy:
    """Fetches module zips. setting: a GOPROXY list, empty: the environment's, ``go env``'s or Go's default.

    cache: a GOMODCACHE whose downloads are used when their hash is right.
    """

    def __init__(self, download: Download, shell: Shell, downloads: Path, cache: Path, setting: str = "") -> None:
        self._download = download
        self._shell = shell
        self._directory = downloads / "go"
        self._cache = cache
        self._setting = setting

    def setting(self) -> str:
        """The GOPROXY list in use."""
        if not self._setting:
            self._setting = os.environ.get("GOPROXY", "") or self._go_env() or DEFAULT_PROXY
        return self._setting

    def _go_env(self) -> str:
        go = self._shell.which("go")
        if go is None:
            return ""
        result = self._shell.run([str(go), "env", "GOPROXY"], timeout=20)
        return result.output.strip() if result.code == 0 else ""

    def zip(
        self,
        spec: str,
        h1: str,
        cancelled: Cancelled = lambda: False,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Path:
        """The verified zip of ``path@version``, kept in the downloads directory. Its hash is checked at each call.

        Raises download.hash-mismatch, source.unavailable (naming each proxy tried and why), disk.*.
        """
        module, version = split_module(spec)
        relative = f"{escape(module)}/@v/{escape(version)}.zip"
        kept = self._directory / f"{escape(module)}@{escape(version)}.zip"
        for candidate in (kept, self._cache / "cache" / "download" / relative):
            if candidate.is_file() and _matches(candidate, h1):
                return candidate
        part = temporary_name(make_directory(kept.parent), "zip")
        try:
            self._fetch(spec, relative, part, cancelled, on_progress)
            found = dirhash(part)
            if found != h1:
                raise MlstackError(
                    "download.hash-mismatch",
                    f"Module {spec} is not what the recipe pins",
                    why=f"expected {h1}, got {found}",
                    remedy="do not use it; try another GOPROXY, and if it stays so tell the recipe's maintainer",
                )
            with guard(kept):
                part.replace(kept)
        finally:
            part.unlink(missing_ok=True)
        return kept

    def _fetch(
        self, spec: str, relative: str, part: Path, cancelled: Cancelled, on_progress: Callable[[int, int], None]
    ) -> None:
        reasons: list[str] = []
        for base, any_error in proxy_list(self.setting()):
            if cancelled():
                raise interrupted(f"fetching {spec}")
            if base in ("direct", "off"):
                reasons.append(f"{base}: version control is not used for sources")
                break
            try:
                self._fetch_from(base, relative, part, cancelled, on_progress)
                return
            except MlstackError as error:
                if not error.code.startswith("download."):
                    raise
                reasons.append(f"{urlsplit(base).hostname or base}: {error.why or error.what}")
                if error.code != "download.not-found" and not any_error:
                    break
        raise MlstackError(
            "source.unavailable",
            f"Module {spec} could not be fetched",
            why="; ".join(reasons) or "GOPROXY is off",
            remedy="set GOPROXY to a module proxy that serves it, or place its zip in the downloads cache",
        )

    def _fetch_from(
        self, base: str, relative: str, part: Path, cancelled: Cancelled, on_progress: Callable[[int, int], None]
    ) -> None:
        if not base.startswith("file://"):
            self._download.fetch(f"{base}/{relative}", part, limit=_LIMIT, cancelled=cancelled, on_progress=on_progress)
            return
        source = Path(url2pathname(urlsplit(base).path)) / relative
        if not source.is_file():
            raise MlstackError("download.not-found", f"{source} does not exist", why="no such file")
        with guard(part):
            part.write_bytes(source.read_bytes())


def _matches(candidate: Path, h1: str) -> bool:
    try:
        return dirhash(candidate) == h1
    except MlstackError:
        return False


def read_sums(text: str) -> Mapping[str, str]:
    """go.sum as ``path@version`` -> h1 of the module's zip (the go.mod hashes are left out)."""
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 3 and not fields[1].endswith("/go.mod"):
            found[f"{fields[0]}@{fields[1]}"] = fields[2]
    return found
