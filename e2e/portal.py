"""What a user does in the portal, in a real Chromium: logs in, runs samples, logs out. Each page leaves a screenshot."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e.browser import FIELDS
from e2e.chromium import ABSENT, browser, find_chromium
from e2e.platform import Platform

OUT = Path(__file__).parent / "out" / "portal"
LIMIT = 420
"""Seconds a sample may take."""


@contextmanager
def browser_at(address: str) -> Iterator[Any]:
    """A Chromium for the platform at that address; skips where there is none."""
    found = find_chromium()
    if found is None:
        pytest.skip(ABSENT)
    # the name must lead here whatever the resolver of this host makes of it
    with browser(found, f"--host-resolver-rules=MAP {urlsplit(address).hostname} 127.0.0.1") as started:
        yield started


@contextmanager
def first_page(chromium: Any) -> Iterator[Any]:
    """A visitor's first page: no session, and the platform's authority unknown, as in a browser that was never here."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, ignore_https_errors=True)
    yield context.new_page()
    context.close()


def keep(page: Any, name: str) -> None:
    """Takes a screenshot."""
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / f"platform-{name}.png", full_page=True)


def sign_in(page: Any, address: str, values: dict[str, str], provider: str = "dex") -> None:
    """Logs in at the provider's form and waits for the portal's first page."""
    page.goto(address + "/")
    for field, value in zip(FIELDS[provider], (values["email"], values["password"]), strict=True):
        page.locator(f"input[name={field}]").fill(value)
    keep(page, f"login-{provider}")
    page.locator("[type=submit]").click()
    page.get_by_role("heading", name=re.compile("^Platform ")).wait_for()


@dataclass
class Person:
    """A user with a profile of the same name, who is no administrator."""

    name: str
    email: str
    password: str


@contextmanager
def person(platform: Platform) -> Iterator[Person]:
    """One that goes with all data afterwards."""
    name, password = f"e2e-{secrets.token_hex(3)}", secrets.token_urlsafe(16)
    added = platform.cli("users", "add", name, "--password-stdin", "--json", stdin=f"{password}\n").lines()
    made = next(line for line in added if line["type"] == "User")
    try:
        yield Person(name, made["user"]["email"], password)
    finally:
        platform.cli("profiles", "remove", name, "--purge", "--yes", check=False)
        platform.cli("users", "remove", name, check=False)


def run(page: Any, address: str, sample: str, **params: str) -> str:
    """Runs a sample by its form to its end; returns the run's name."""
    start(page, address, sample, **params)
    return finish(page, sample)


def start(page: Any, address: str, sample: str, **params: str) -> None:
    """Starts a sample by its form, in the only or the first profile of whoever is signed in; its page is open then."""
    page.goto(f"{address}/samples")
    page.get_by_role("link", name=sample, exact=True).click()
    for name, value in params.items():
        field = page.get_by_label(name, exact=True)
        if field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.get_by_role("button", name=f"Run {sample}").click()
    page.wait_for_url(re.compile(rf"/runs/[a-z0-9-]+/([a-z]+/)?{sample}-"))


def finish(page: Any, sample: str) -> str:
    """Waits for the good end of the run whose page is open; returns its name."""
    page.get_by_role("status").filter(has_text="The run ended:").wait_for(timeout=LIMIT * 1000)
    keep(page, f"run-{sample}")
    assert page.get_by_role("status").inner_text() == "The run ended: Succeeded."
    return str(page.url.rsplit("/", 1)[-1])


def train_iris(page: Any, address: str) -> None:
    """Runs the training and reads accuracy and the model's place off its page."""
    run(page, address, "train-iris")
    said = page.get_by_role("main").inner_text()
    assert 0.85 <= float(re.search(r"accuracy\s+([0-9.]+)", said)[1]) <= 1.0  # type: ignore[index]
    assert re.search(r"s3://\S+/model\.joblib", said)


def sign_out(page: Any, address: str) -> None:
    """Logs out; afterwards a page of the portal asks for the password again and shows nothing of it."""
    page.get_by_role("banner").get_by_role("link", name="Log out").click()
    page.locator("input[name=password]").wait_for()
    keep(page, "logged-out")
    page.goto(f"{address}/runs")
    page.locator("input[name=password]").wait_for()
    assert "/runs/" not in page.content()
