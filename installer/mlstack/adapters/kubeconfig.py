"""Reads a kubeconfig into what a client needs: where the API is, how it is trusted, how we log in. Secrets never enter messages.

Client certificates and static tokens are read here; exec plugins and auth providers go through the ``kubernetes`` SDK,
which is imported only then because it is heavy.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlstack.adapters.kube_sdk import load_sdk
from mlstack.core.errors import ExitCode, MlstackError

Headers = Callable[[bool], Mapping[str, str]]
"""Gives the login headers; True asks for fresh ones after the server refused the old."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach and enter one API server. context: None for plain HTTP; proxy: URL of an HTTP proxy, empty for none."""

    host: str
    port: int
    prefix: str
    context: ssl.SSLContext | None
    server_name: str
    headers: Headers
    proxy: str = ""

    @property
    def url(self) -> str:
        """The server as people write it."""
        return f"{'https' if self.context else 'http'}://{self.host}:{self.port}{self.prefix}"


def broken(path: Path, why: str) -> MlstackError:
    """The error for a kubeconfig that cannot be used. why must hold no secret."""
    return MlstackError(
        "kube.config",
        f"The kubeconfig {path} cannot be used",
        why=why,
        remedy="Point to a valid kubeconfig, or make it anew (`mlstack up` does for its own clusters).",
        exit_code=ExitCode.PREFLIGHT,
    )


def load(path: Path, context: str = "") -> Access:
    """Reads the file; context: empty for its current one. Raises MlstackError kube.config."""
    document = _document(path)
    chosen = context or document.get("current-context") or ""
    entry = _named(path, document, "contexts", chosen, "context")
    cluster = _named(path, document, "clusters", str(entry.get("cluster", "")), "cluster")
    user = _named(path, document, "users", str(entry.get("user", "")), "user") if entry.get("user") else {}
    host, port, prefix, secure = _server(path, cluster)
    try:
        tls = _tls(path, cluster, user) if secure else None
    except (OSError, ValueError, binascii.Error) as error:
        raise broken(path, f"its certificates cannot be read: {_reason(error)}") from None
    return Access(
        host=host,
        port=port,
        prefix=prefix,
        context=tls,
        server_name=str(cluster.get("tls-server-name") or ""),
        headers=_login(path, chosen, user, tls),
        proxy=_proxy(cluster, host),
    )


def _reason(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) and error.strerror else type(error).__name__


def _document(path: Path) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - a safe loader either way
    except FileNotFoundError:
        raise broken(path, "there is no such file") from None
    except OSError as error:
        raise broken(path, _reason(error)) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise broken(path, "it is not YAML") from None
    if not isinstance(document, dict):
        raise broken(path, "it is not a mapping")
    return document


def _named(path: Path, document: Mapping[str, Any], section: str, name: str, part: str) -> Mapping[str, Any]:
    entries = document.get(section)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(part), dict):
            found: Mapping[str, Any] = entry[part]
            return found
    raise broken(path, f"it has no {part} named '{name}'")


def _server(path: Path, cluster: Mapping[str, Any]) -> tuple[str, int, str, bool]:
    try:
        parts = urlsplit(str(cluster.get("server") or ""))
        host, port = parts.hostname, parts.port
    except ValueError:
        raise broken(path, "its server is not a URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise broken(path, "its server is not an http(s) URL")
    secure = parts.scheme == "https"
    return host, port or (443 if secure else 80), parts.path.rstrip("/"), secure


def _data(holder: Mapping[str, Any], name: str, base: Path) -> bytes:
    if holder.get(f"{name}-data"):
        return base64.b64decode(str(holder[f"{name}-data"]), validate=True)
    if holder.get(name):
        return (base / str(holder[name])).read_bytes()
    return b""


def _tls(path: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _data(cluster, "certificate-authority", path.parent)
    context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _data(user, "client-certificate", path.parent), _data(user, "client-key", path.parent)
    if certificate and key:
        _load_chain(context, certificate + b"\n" + key)
    return context


def _load_chain(context: ssl.SSLContext, chain: bytes) -> None:
    """OpenSSL takes a certificate only from a file: one of mode 0600 that lives for this call."""
    handle, name = tempfile.mkstemp(prefix="mlstack-", suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(chain)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()


def _login(path: Path, context: str, user: Mapping[str, Any], tls: ssl.SSLContext | None) -> Headers:
    if user.get("token"):
        fixed = {"Authorization": f"Bearer {user['token']}"}
        return lambda _fresh: fixed
    if user.get("exec") or user.get("auth-provider") or user.get("tokenFile") or user.get("username"):
        return _SdkLogin(path, context, tls)
    return lambda _fresh: {}


class _SdkLogin:
    """Login headers from the SDK, which runs exec plugins and refreshes tokens."""

    def __init__(self, path: Path, context: str, tls: ssl.SSLContext | None) -> None:
        self._path, self._context, self._tls = path, context, tls
        self._headers: Mapping[str, str] | None = None

    def __call__(self, fresh: bool) -> Mapping[str, str]:
        if self._headers is None or fresh:
            self._headers = self._read()
        return self._headers

    def _read(self) -> Mapping[str, str]:
        load_sdk()
        from kubernetes.client import Configuration
        from kubernetes.config import ConfigException, load_kube_config

        settings = Configuration()
        try:
            load_kube_config(str(self._path), self._context, client_configuration=settings, persist_config=False)  # type: ignore[no-untyped-call]
        except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
            raise broken(self._path, f"its login failed: {type(error).__name__}") from None
        if self._tls is not None and settings.cert_file:
            self._tls.load_cert_chain(settings.cert_file, settings.key_file)
        token = settings.get_api_key_with_prefix("authorization")
        return {"Authorization": token} if token else {}


def _proxy(cluster: Mapping[str, Any], host: str) -> str:
    if cluster.get("proxy-url"):
        return str(cluster["proxy-url"])
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return ""
    from urllib.request import getproxies, proxy_bypass

    return "" if proxy_bypass(host) else getproxies().get("https", "")
