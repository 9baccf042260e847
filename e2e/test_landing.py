"""The landing page of a real ``up`` that fails, in a real Chromium: the error with its remedy, the log, Resume, and the portal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes
import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from e2e.chromium import ABSENT, browser, find_chromium
from e2e.platform import SHELL_IMAGE, Platform, finished

ROOT = Path(__file__).resolve().parents[1]
OUT = Path(__file__).parent / "out" / "landing"
NAME = "needs-settings"
SECONDS = 300
STACK = {
    "apiVersion": "mlstack/v1alpha1",
    "kind": "Addon",
    "metadata": {
        "name": NAME,
        "version": "1.0.0",
        "summary": "Ends while it has no settings",
        "license": "Apache-2.0",
        "homepage": "https://example.org",
    },
    "spec": {
        "kubernetes": ">=1.32",
        "namespace": NAME,
        "manifests": [{"templates": "templates"}],
        # found out sooner than by the default of five minutes
        "wait": [{"resource": f"Deployment/{NAME}", "condition": "Available", "timeout": 45}],
        "images": [{"ref": SHELL_IMAGE, "build": {"base": "busybox", "command": ["sh"]}}],
        "budget": {"cpu": "10m", "memory": "16Mi"},
    },
}
SCRIPT = '[ -e /given/settings ] || { echo "there is no file settings in /given"; exit 1; }; exec sleep 3600'


def deployment() -> dict[str, Any]:
    labels = {"app": NAME}
    container = {
        "name": "main",
        "image": SHELL_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", SCRIPT],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "given", "mountPath": "/given"}],
        # without it the moment between start and end would count as ready
        "readinessProbe": {"exec": {"command": ["test", "-e", "/given/settings"]}, "periodSeconds": 2},
    }
    confined = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": confined,
        "containers": [container],
        "volumes": [{"name": "given", "configMap": {"name": "given", "optional": True}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": spec}


@pytest.fixture
def broken(platform: Platform, core: kubernetes.client.CoreV1Api, tmp_path: Path) -> Iterator[Platform]:
    """The platform with an addon whose pod cannot start; afterwards as it was."""
    if not platform.door()[0]:
        pytest.skip("the platform has no gateway to hand over to: it runs a profile without a login")
    forget_settings(core)
    for part in ("stacks", "addons", "playbooks"):
        shutil.copytree(ROOT / part, tmp_path / part)
    directory = tmp_path / "addons" / NAME / "1.0.0"
    (directory / "templates").mkdir(parents=True)
    (directory / "stack.yaml").write_text(yaml.safe_dump(STACK))
    (directory / "templates" / "server.yaml.j2").write_text(yaml.safe_dump(deployment()))
    for path in (tmp_path / "stacks" / "releases").glob("*.yaml"):
        release = yaml.safe_load(path.read_text())
        release["spec"]["addons"][NAME] = "1.0.0"
        path.write_text(yaml.safe_dump(release))
    environ = {"MLSTACK_DATA_DIR": str(tmp_path), "TERM": "xterm", "NO_COLOR": "1"}
    yield Platform(platform.name, platform.extra, {**platform.env, **environ})
    forget_settings(core)
    assert finished(platform.up())["failed"] == 0


def forget_settings(core: kubernetes.client.CoreV1Api) -> None:
    """What a test made by itself, not by ``up``: with it the addon would not be broken."""
    with contextlib.suppress(ApiException):
        core.delete_namespaced_config_map("given", NAME)


class Terminal:
    """A process at a terminal of its own."""

    def __init__(self, platform: Platform, *arguments: str) -> None:
        self.ours, theirs = pty.openpty()
        environ = {name: value for name, value in platform.environment().items() if name not in ("CI", "DISPLAY")}
        self.process = subprocess.Popen(
            platform.argv(*arguments),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={name: value for name, value in environ.items() if name not in ("WAYLAND_DISPLAY", "MLSTACK_UI")},
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self.ours, 4096):
                self.text += data.decode(errors="replace")

    def wait_for(self, pattern: str, seconds: float) -> re.Match[str]:
        until = time.monotonic() + seconds
        while not (match := re.search(pattern, self.text)):
            assert time.monotonic() < until, f"never said {pattern!r}: {self.text[-3000:]}"
            assert self.process.poll() is None or re.search(pattern, self.text), f"it ended: {self.text[-3000:]}"
            time.sleep(0.05)
        return match


@pytest.fixture
def terminal(broken: Platform) -> Iterator[Terminal]:
    up = Terminal(broken, "up", "--yes", "--plain", "--set", f"addons.{NAME}.enabled=true")
    yield up
    if up.process.poll() is None:
        up.process.kill()
        up.process.wait()
    os.close(up.ours)


@pytest.fixture
def complaints() -> list[str]:
    """Errors of the page's scripts."""
    return []


@pytest.fixture
def page(broken: Platform, complaints: list[str]) -> Iterator[Any]:
    found = find_chromium()
    if found is None:
        pytest.skip(ABSENT)
    host = urlsplit(broken.door()[0]).hostname
    with browser(found, f"--host-resolver-rules=MAP {host} 127.0.0.1") as started:
        context = started.new_context(viewport={"width": 1280, "height": 900}, ignore_https_errors=True)
        opened = context.new_page()
        opened.set_default_timeout(60_000)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
        context.close()


def keep(page: Any, name: str) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / f"{name}.png", full_page=True)


def test_a_failed_up_is_mended_and_resumed_from_the_page_which_hands_over_to_the_portal(
    page: Any, complaints: list[str], terminal: Terminal, core: kubernetes.client.CoreV1Api, platform: Platform
) -> None:
    address = terminal.wait_for(r"http://127\.0\.0\.1:\d+/#key=[\w-]+", 60)[0]
    page.goto(address)
    failed = page.get_by_role("alert")
    failed.get_by_role("heading", name="What went wrong").wait_for(timeout=SECONDS * 1000)
    told = failed.inner_text()
    assert NAME in told and "What to do" in told and f"mlstack logs {NAME}" in told, told
    keep(page, "failed")

    page.locator(f'button[data-log="{NAME}"]').click()
    text = page.locator("#log-text")
    text.filter(has_text="there is no file settings in /given").wait_for(timeout=30_000)
    keep(page, "log")
    page.get_by_role("button", name="Close").click()

    core.create_namespaced_config_map(NAME, {"metadata": {"name": "given"}, "data": {"settings": "yes"}})
    core.delete_collection_namespaced_pod(NAME, label_selector=f"app={NAME}")  # the next try comes at once
    page.get_by_role("button", name="Resume").click()
    terminal.wait_for("Resumed from the page", 30)
    page.locator("input[name=login]").wait_for(timeout=SECONDS * 1000)
    assert page.url.startswith(platform.door()[0]), page.url
    assert not complaints
    keep(page, "handed-over")
    assert terminal.process.wait(60) == 0, terminal.text[-3000:]
