"""A browser's part of a login: cookies, redirects and the identity provider's form, over verified TLS to the gateway."""

from __future__ import annotations

import re
import ssl
from html import unescape
from urllib.parse import urljoin

import httpx

FORM = re.compile(r'<form[^>]*action="([^"]*)"', re.IGNORECASE)
ADDRESS = re.compile(r"[0-9.]+")
FIELDS = {"dex": ("login", "password"), "keycloak": ("username", "password")}


class Loopback(httpx.HTTPTransport):
    """Takes every host name for this host, as browsers do with ``*.localhost``, whatever the resolver says; not addresses."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if ADDRESS.fullmatch(request.url.host):
            return super().handle_request(request)
        here = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1"),
            headers=request.headers,  # Host among them, as it was asked for
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return super().handle_request(here)


class Browser:
    """One user's browser. url: the platform's external address; authority: PEM of the CA that signed its certificate."""

    def __init__(self, url: str, authority: str, provider: str = "dex") -> None:
        self.url = url.rstrip("/")
        self.fields = FIELDS[provider]
        context = ssl.create_default_context(cadata=authority)
        self.client = httpx.Client(transport=Loopback(verify=context), timeout=30, trust_env=False)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """One request with the browser's cookies, no redirect followed. Header names are written with underscores."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.client.get(self.url + path, headers=named)

    def follow(self, response: httpx.Response, at_most: int = 10) -> list[httpx.Response]:
        """The responses along redirects, the given one first. Fails when there are more than ``at_most``: a loop."""
        seen = [response]
        while seen[-1].is_redirect:
            assert len(seen) <= at_most, [one.headers.get("location") for one in seen]
            accept = {"Accept": response.request.headers["accept"]}
            seen.append(
                self.client.get(urljoin(str(seen[-1].request.url), seen[-1].headers["location"]), headers=accept)
            )
        return seen

    def login(self, user: str, password: str, path: str = "/") -> httpx.Response:
        """Opens a path, logs in at the form that comes and returns where that ends."""
        page = self.follow(self.get(path))[-1]
        found = FORM.search(page.text)
        assert found, f"no login form at {page.url}: {page.status_code} {page.text[:300]}"
        action = urljoin(str(page.request.url), unescape(found.group(1)))
        answer = self.client.post(action, data=dict(zip(self.fields, (user, password), strict=True)))
        return self.follow(answer)[-1]
