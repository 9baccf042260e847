"""Upstream text at a pinned hash: files of Go module zips and of archives at URLs, read by path or glob. Nothing is executed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from mlstack.artifacts.disk import make_directory
from mlstack.artifacts.goproxy import GoProxy, split_module
from mlstack.artifacts.store import Store
from mlstack.artifacts.untar import TARS, read_tar
from mlstack.artifacts.zips import open_zip
from mlstack.core.errors import MlstackError, did_you_mean
from mlstack.core.ports import Cancelled, Download
from mlstack.core.stackfile import Source

Progress = Callable[[int, int], None]
"""Gets bytes done and total (0 unknown)."""
_ZIPS = (".zip", ".whl", ".jar")


class Sources:
    """Fetches sources once, verifies them at each read. locks: the store, so that two processes do not fetch the same."""

    def __init__(self, proxy: GoProxy, download: Download, directory: Path, locks: Store) -> None:
        self._proxy = proxy
        self._download = download
        self._directory = directory
        self._locks = locks

    def path(
        self, source: Source, cancelled: Cancelled = lambda: False, progress: Progress = lambda _done, _total: None
    ) -> Path:
        """The verified archive of a source on disk. Raises source.*, download.*, disk.*, run.interrupted."""
        if source.go:
            split_module(source.go)
            with self._locks.lock(f"source-{_safe(source.go)}", cancelled):
                return self._proxy.zip(source.go, source.h1, cancelled, progress)
        with self._locks.lock(f"source-{source.sha256}", cancelled):
            return self._url(source, cancelled, progress)

    def _url(self, source: Source, cancelled: Cancelled, progress: Progress) -> Path:
        import hashlib

        name = _safe(Path(urlsplit(source.url).path).name or "download")
        target = make_directory(self._directory / "url") / f"{source.sha256[:16]}-{name}"
        if target.is_file():
            with target.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == source.sha256:
                    return target
            self._locks.warn(f"{target.name} in the downloads cache was damaged; it is fetched again")
        return self._download.fetch(source.url, target, sha256=source.sha256, on_progress=progress, cancelled=cancelled)

    def read(
        self,
        source: Source,
        patterns: Sequence[str],
        cancelled: Cancelled = lambda: False,
        progress: Progress = lambda _done, _total: None,
    ) -> dict[str, bytes]:
        """Files matching any of the globs (``*`` within a directory, ``**`` across), by path, sorted.

        Paths are relative to the module's or the archive's root. Raises source.no-match when a glob matches nothing.
        """
        archive = self.path(source, cancelled, progress)
        files = _contents(archive, source, [_compile(pattern) for pattern in patterns])
        for pattern in patterns:
            expression = _compile(pattern)
            if not any(expression.fullmatch(name) for name in files):
                raise _no_match(pattern, archive, source)
        return dict(sorted(files.items()))


def _contents(archive: Path, source: Source, wanted: Sequence[re.Pattern[str]]) -> dict[str, bytes]:
    def match(name: str) -> bool:
        return any(expression.fullmatch(name) for expression in wanted)

    if source.go or archive.name.endswith(_ZIPS):
        prefix = f"{source.go}/" if source.go else ""
        with open_zip(archive) as reader:
            names = {name.removeprefix(prefix): name for name in reader.names()}
            return {short: reader.read(name) for short, name in names.items() if match(short)}
    if archive.name.endswith(TARS):
        return {name: data for name, data in read_tar(archive).items() if match(name)}
    name = Path(urlsplit(source.url).path).name
    return {name: archive.read_bytes()} if match(name) else {}


def _no_match(pattern: str, archive: Path, source: Source) -> MlstackError:
    every = _contents_names(archive, source)
    return MlstackError(
        "source.no-match",
        f"'{pattern}' matches no file of {source.go or source.url}",
        why=did_you_mean(pattern, every)
        if len(every) < 5000 and "*" not in pattern
        else f"it holds {len(every)} files",
        remedy="correct the stack's list of files",
    )


def _contents_names(archive: Path, source: Source) -> list[str]:
    if source.go:
        with open_zip(archive) as reader:
            return [name.removeprefix(f"{source.go}/") for name in reader.names()]
    return list(_contents(archive, source, [re.compile(".*", re.DOTALL)]))


def _compile(pattern: str) -> re.Pattern[str]:
    out = []
    for token in re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]*\])", pattern):
        special: Mapping[str, str] = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        if token in special:
            out.append(special[token])
        elif token.startswith("[") and token.endswith("]"):
            out.append(token.replace("[!", "[^"))
        else:
            out.append(re.escape(token))
    return re.compile("".join(out), re.DOTALL)


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.@+-]", "_", text)[-150:]
