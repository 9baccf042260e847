"""What tests of the portal ask of it as a user, and how they read its pages."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from portalobjects import profile
from portalworld import USER, Site, make_site, offer_of_all

from mlstack_portal.who import User


def site_of_all(directory: Path) -> Site:
    """A platform with samples of every kind and two profiles: ``alpha`` of the user, ``beta`` of somebody else."""
    made = make_site(directory, offer_of_all())
    made.cluster.put(profile("alpha", "user@example.org"))
    made.cluster.put(profile("beta", "other@example.org"))
    return made


def plain(text: str) -> str:
    """What a reader sees, roughly."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


async def start(
    site: Site, sample: str, namespace: str = "alpha", headers: dict[str, str] = USER, **params: str
) -> httpx.Response:
    """The answer to a sent form."""
    token = site.forms.token(User(headers["kubeflow-userid"]))
    values = {f"param-{name}": value for name, value in params.items()}
    async with site.client(headers) as client:
        return await client.post(f"/samples/{sample}", data={"token": token, "namespace": namespace, **values})
