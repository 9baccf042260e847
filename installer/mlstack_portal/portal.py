"""What every page works with, and how a template becomes an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from importlib import resources
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from mlstack_portal.cluster import Cluster
from mlstack_portal.health import HealthReader
from mlstack_portal.offer import Offer
from mlstack_portal.pipelines import Pipelines
from mlstack_portal.profiles import Reach, reach_of
from mlstack_portal.who import Forms, User

PAGES = (("/", "Home"), ("/samples", "Samples"), ("/runs", "Runs"), ("/access", "Access"), ("/profile", "Profile"))
"""The navigation: path and name."""


@dataclass(frozen=True, slots=True)
class Portal:
    """The application's parts. offer: gives the newest offer at each call."""

    cluster: Cluster
    offer: Callable[[], Offer]
    forms: Forms
    health: HealthReader
    pipelines: Pipelines
    templates: jinja2.Environment = field(default_factory=lambda: environment())

    def text(self, template: str, **names: Any) -> str:
        """A template or a part of a page."""
        return self.templates.get_template(template).render(names)

    def page(self, request: Request, template: str, status: int = 200, **names: Any) -> HTMLResponse:
        """A whole page for the user who asks."""
        user, offer = user_in(request), self.offer()
        always = {"user": user, "offer": offer, "path": request.url.path, "pages": PAGES, "status": status}
        text = self.text(template, **always, **names)
        return HTMLResponse(text, status)

    async def reach(self, user: User) -> Reach:
        """What the user may see and do. Raises ClusterError."""
        offer = self.offer()
        return await reach_of(self.cluster, user, offer.admin_group, offer.namespace)


def portal_in(request: Request) -> Portal:
    """The parts that ``app.make_app`` put into the application."""
    found: Portal = request.app.state.portal
    return found


def user_in(request: Request) -> User:
    """The user whom the gate in ``app`` let in."""
    found: User = request.state.user
    return found


def environment() -> jinja2.Environment:
    """Templates with escaping on; a name that is not given is an error, not an empty place."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("mlstack_portal"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"duration": duration, "moment": moment, "commands": commands, "segment": segment}
    made.globals["version_of"] = {name: _hash(name) for name in ("portal.css", "portal.js")}
    return made


def _hash(name: str) -> str:
    """Start of a static file's hash, so that browsers may keep it until it changes."""
    return sha256((resources.files("mlstack_portal") / "static" / name).read_bytes()).hexdigest()[:12]


def duration(seconds: float) -> str:
    """``4 s``, ``1 min``, ``1 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    most, less, units = (
        (whole // 60, whole % 60, "min s") if whole < 3600 else (whole // 3600, whole % 3600 // 60, "h min")
    )
    large, small = units.split()
    return f"{most} {large}" + (f" {less} {small}" if less else "")


def moment(text: str) -> Markup:
    """A time of the API as an element whose text a script turns into the reader's own time zone."""
    when = datetime.fromisoformat(text)
    return Markup('<time datetime="{}">{}</time>').format(text, when.strftime("%Y-%m-%d %H:%M UTC"))


def commands(text: str) -> Markup:
    """Text with what stands between backquotes shown as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped before


def segment(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="")


def problem(portal: Portal, request: Request, status: int, title: str, why: str, remedy: str) -> HTMLResponse:
    """The page of something that went wrong; ``user`` may be missing."""
    names = {"title": title, "why": why, "remedy": remedy}
    user = getattr(request.state, "user", None)
    if user is None:
        return HTMLResponse(portal.text("stranger.html", **names, status=status), status)
    return portal.page(request, "problem.html", status, **names)
