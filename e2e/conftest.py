"""Fixtures: the platform under test (the one that is up, else one made for the run and taken down after it)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import kubernetes
import pytest

from e2e.browser import Browser
from e2e.choice import HalfUp, chosen, usable
from e2e.platform import COMMAND, Platform

PREFLIGHT = 3
"""The exit code of a host that is not ready."""
UP_SECONDS = 4500
"""How long a cold build may take before the run gives it up, so that 90 minutes suffice for everything."""
OUT = Path(__file__).parent / "out"


def _usable(platform: Platform) -> bool:
    run = platform.cli("status", "--json", check=False)
    try:
        return usable(json.loads(run.out))
    except HalfUp as error:
        pytest.exit(str(error), returncode=PREFLIGHT)


def pytest_configure() -> None:
    """As in tests/conftest.py: programs that the tests start can be interrupted."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that replace or stop the platform run last, in the order of their ``last`` mark."""
    items.sort(key=lambda item: getattr(item.get_closest_marker("last"), "args", (0,))[0])


@pytest.fixture(scope="session")
def platform(uncaptured: Callable[[], AbstractContextManager[None]]) -> Iterator[Platform]:
    """The instance MLSTACK_E2E_NAME (``mlstack``) when it is ready, else one named ``e2e``, removed at the end. One that is there
    and not ready ends the run: a second platform beside it would take its ports.

    ``e2e.choice`` tells the profile of one that is made; tests of what a profile has not skip and say so. A host that mlstack's
    preflight refuses (exit 3) skips the suite; where CI is set that is a failure.
    """
    wanted = Platform(os.environ.get("MLSTACK_E2E_NAME", "mlstack"))
    if _usable(wanted):
        yield wanted
        return
    made = Platform(os.environ.get("MLSTACK_E2E_NAME", "e2e"))
    profile, why = chosen()
    with uncaptured():
        print(f"\nthe suite makes a platform of profile {profile}: {why}", flush=True)
        # Its progress goes to the terminal of the run: a long build must not look dead.
        code = subprocess.run(
            made.argv("up", "--yes", "--plain", "--profile", profile),
            stdin=subprocess.DEVNULL,
            timeout=UP_SECONDS,
            check=False,
        ).returncode
    if code == PREFLIGHT and not os.environ.get("CI"):
        pytest.skip("this host cannot run the platform; what is missing is said above")
    assert code == 0, f"{' '.join(COMMAND)} up ended with {code}"
    yield made
    made.cli("down", "--purge", "--yes", timeout=300)


@pytest.fixture(scope="session")
def uncaptured(pytestconfig: pytest.Config) -> Callable[[], AbstractContextManager[None]]:
    """Lets output through while something long goes on."""
    manager = pytestconfig.pluginmanager.getplugin("capturemanager")
    found: Callable[[], AbstractContextManager[None]] = manager.global_and_fixture_disabled
    return found


@pytest.fixture(scope="session")
def core(platform: Platform) -> kubernetes.client.CoreV1Api:
    """The cluster's core API."""
    return platform.core()


@pytest.fixture(scope="module")
def browser(platform: Platform) -> Browser:
    """A client of the gateway that nobody has logged in with."""
    return Browser(*platform.door())


@pytest.fixture(scope="module")
def custom(platform: Platform) -> kubernetes.client.CustomObjectsApi:
    """The cluster's API of custom objects."""
    return kubernetes.client.CustomObjectsApi(platform.api())


@pytest.fixture(autouse=True)
def _support_bundle(request: pytest.FixtureRequest) -> Iterator[None]:
    """A failed test leaves the platform's logs and events under ``e2e/out``."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed and "platform" in request.fixturenames:
        OUT.mkdir(exist_ok=True)
        platform: Platform = request.getfixturevalue("platform")
        platform.cli("support-bundle", "-o", str(OUT / f"{request.node.name}.tar.gz"), check=False)
