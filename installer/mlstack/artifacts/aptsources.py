"""Which Debian mirror this host's apt uses, so that builds go where the host's administrator said. Reads files only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlstack.core.recipe import DebianSuite

DEFAULT_MIRROR = "http://deb.debian.org/debian"
DEFAULT_SECURITY = "http://deb.debian.org/debian-security"
_KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp")


@dataclass(frozen=True, slots=True)
class AptSource:
    """One source of the host: where and which suites."""

    uri: str
    suites: tuple[str, ...]
    signed_by: str = ""


def parse_one_line(text: str) -> list[AptSource]:
    """Sources of a ``sources.list`` in one-line style; other types than ``deb`` are left out."""
    found = []
    for line in text.splitlines():
        match = re.match(r"^\s*deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)", line)
        if match:
            signed = re.search(r"signed-by=(\S+)", match["options"] or "")
            found.append(AptSource(match["uri"].rstrip("/"), (match["suite"],), signed[1] if signed else ""))
    return found


def parse_deb822(text: str) -> list[AptSource]:
    """Sources of a ``.sources`` file; disabled ones are left out."""
    found = []
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields = {
            key.lower(): value.strip()
            for key, value in re.findall(r"(?m)^([A-Za-z-]+):((?:.*)(?:\n[ \t]+.*)*)", stanza)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        signed = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            keyring = signed if signed.startswith("/") and "\n" not in signed else ""
            found.append(AptSource(uri.rstrip("/"), tuple(fields.get("suites", "").split()), keyring))
    return found


def host_sources(etc: Path = Path("/etc/apt")) -> list[AptSource]:
    """Every enabled source of the host, Debian's or not."""
    found: list[AptSource] = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        try:
            if path.suffix == ".list":
                found += parse_one_line(path.read_text(encoding="utf-8"))
            elif path.suffix == ".sources":
                found += parse_deb822(path.read_text(encoding="utf-8"))
        except OSError:
            continue
    return found


def _is_debian(source: AptSource) -> bool:
    return re.search(r"debian(-security)?$", source.uri) is not None


def mirror_of(suite: DebianSuite, sources: Iterable[AptSource]) -> str:
    """The mirror for a suite: its own, that of the host's source with this suite, the host's main one, Debian's default."""
    if suite.mirror:
        return suite.mirror
    debian = [source for source in sources if _is_debian(source)]
    security = suite.suite.endswith("-security")
    for source in debian:
        if suite.suite in source.suites:
            return source.uri
    for source in debian:
        if source.uri.endswith("-security") == security:
            return source.uri
    return DEFAULT_SECURITY if security else DEFAULT_MIRROR


def source_lines(suites: Iterable[DebianSuite], sources: Iterable[AptSource], architecture: str) -> list[str]:
    """One-line apt sources for suites; signatures are always checked."""
    known = list(sources)
    keyring = next((path for path in _KEYRINGS if Path(path).is_file()), "")
    lines = []
    for suite in suites:
        options = [f"arch={architecture}"]
        options += [f"signed-by={keyring}"] if keyring else []
        options += [] if suite.check_valid_until else ["check-valid-until=no"]
        lines.append(f"deb [{' '.join(options)}] {mirror_of(suite, known)} {suite.suite} {' '.join(suite.components)}")
    return lines
