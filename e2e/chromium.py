"""A real Chromium for tests: found, or fetched from Debian's archive into the user's cache without touching the system.

``python -m e2e.chromium`` fetches it where ``apt-get`` and ``dpkg-deb`` are (Debian, Ubuntu with a chromium package); elsewhere
install Chromium or set MLSTACK_CHROMIUM to its path.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlstack-dev" / "chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome")
ABSENT = "no Chromium: set MLSTACK_CHROMIUM, install Debian's chromium, or run `python -m e2e.chromium`"


@dataclass(frozen=True)
class Chromium:
    """A browser's program; env: what it needs to find its own libraries and fonts."""

    program: str
    env: dict[str, str] = field(default_factory=dict)


def find_chromium() -> Chromium | None:
    """MLSTACK_CHROMIUM, PATH, what ``fetch`` left in the cache, Playwright's own; None when there is none."""
    named = os.environ.get("MLSTACK_CHROMIUM")
    found = named or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found:
        return Chromium(found)
    if (CACHE / "usr/lib/chromium/chromium").is_file():
        return Chromium(str(CACHE / "usr/lib/chromium/chromium"), _surroundings())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return Chromium(own) if Path(own).is_file() else None


def _surroundings() -> dict[str, str]:
    """Libraries of the unpacked packages behind those of the system, and fonts from both."""
    libraries = [str(path) for path in (CACHE / "usr/lib").glob("*-linux-gnu*")]
    return {
        "LD_LIBRARY_PATH": ":".join([*libraries, *(f"{path}/pulseaudio" for path in libraries)]),
        "FONTCONFIG_FILE": str(CACHE / "fonts.conf"),
    }


def fetch() -> Path:
    """Downloads Debian's chromium with the packages it lacks here and unpacks them into the cache; installs nothing."""
    simulated = ["apt-get", "install", "--simulate", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
    plan = subprocess.run(simulated, capture_output=True, text=True, check=True).stdout
    packages = re.findall(r"^Inst (\S+)", plan, re.M)
    archives = CACHE.with_name("archives")
    archives.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-q", *packages], cwd=archives, check=True)
    unpacked = CACHE.with_name("unpacked")
    shutil.rmtree(unpacked, ignore_errors=True)
    for archive in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(archive), str(unpacked)], check=True)
    places = "".join(f"<dir>{path}</dir>" for path in ("/usr/share/fonts", CACHE / "usr/share/fonts"))
    (unpacked / "fonts.conf").write_text(
        f'<?xml version="1.0"?><fontconfig>{places}<cachedir>{CACHE}/fontcache</cachedir>'
        "<alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>"
        "<alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias></fontconfig>\n"
    )
    shutil.rmtree(CACHE, ignore_errors=True)
    unpacked.rename(CACHE)
    shutil.rmtree(archives)
    return CACHE


@contextmanager
def browser(chromium: Chromium, *arguments: str) -> Iterator[Any]:
    """A headless browser of Playwright's. arguments: further flags of Chromium."""
    from playwright.sync_api import sync_playwright

    # a sandbox of its own needs rights that test machines and containers rarely give
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", *arguments]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium.program, args=flags, env={**os.environ, **chromium.env}
        )
        yield started
        started.close()


if __name__ == "__main__":
    found = find_chromium()
    print(found.program if found else fetch(), file=sys.stdout)
