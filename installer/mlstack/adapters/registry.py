"""Container registries through the ``oras`` library: URLs, token and basic authentication; faults become clear errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlstack.adapters.download import bypassed
from mlstack.adapters.registry_login import Credential, credential_of
from mlstack.core.errors import MlstackError

if TYPE_CHECKING:
    import oras.provider
    import requests

_ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
_DOCKER_HUB = {"docker.io": "registry-1.docker.io"}
_CHUNK = 1 << 20
_CODES = {
    401: ("registry.unauthorized", "401 unauthorized: it wants other credentials"),
    403: ("registry.forbidden", "403 forbidden"),
    404: ("registry.not-found", "404: it has no such image"),
    429: ("registry.throttled", "429: too many requests"),
}
_REMEDIES = {
    "registry.unauthorized": "log in (`docker login`) or set artifacts.credentials",
    "registry.forbidden": "log in (`docker login`), ask the registry's owner, or set a mirror (artifacts.mirrors)",
    "registry.throttled": "log in, wait, or set a mirror (artifacts.mirrors)",
}


class OrasRegistry:
    """The artifacts' registry client. credentials: host -> Credential, before Docker's own configuration.

    insecure: hosts spoken to by plain http (``http://`` before a mirror's host does the same); loopback is among them.
    """

    def __init__(
        self,
        credentials: Mapping[str, Credential] | None = None,
        *,
        docker_config: Path | None = None,
        ca_file: str = "",
        proxy: str = "",
        no_proxy: Sequence[str] = (),
        insecure: tuple[str, ...] = (),
        timeout: float = 30.0,
    ) -> None:
        self._credentials = dict(credentials or {})
        self._docker_config = docker_config
        self._ca_file = ca_file
        self._proxy = proxy
        self._no_proxy = tuple(no_proxy)
        self._insecure = insecure
        self._timeout = timeout

    def probe(self, host: str, timeout: float) -> None:
        """One cheap request: anything that speaks the protocol will do, even if it wants credentials. Raises registry.*."""
        client = self._client(host, timeout)
        with _faults(host):
            response = client.session.get(
                f"{client.prefix}://{_address(host)}/v2/",
                verify=client._tls_verify,
                timeout=timeout,
                allow_redirects=True,
            )
        if response.status_code not in (200, 401):
            raise _refused(host, response.status_code)

    def manifest(self, host: str, repository: str, reference: str, limit: int) -> bytes:
        """The raw manifest or index for a tag or digest. Raises registry.*."""
        response = self._get(host, f"{repository}/manifests/{reference}", stream=True)
        body = bytearray()
        with _faults(host):
            for data in response.iter_content(_CHUNK):
                body += data
                if len(body) > limit:
                    raise MlstackError(
                        "registry.failed", f"{host} sent too large a manifest", why=f"more than {limit} bytes"
                    )
        return bytes(body)

    def blob(self, host: str, repository: str, digest: str) -> Iterator[bytes]:
        """A blob's bytes as they come. Raises registry.*."""
        response = self._get(host, f"{repository}/blobs/{digest}", stream=True)
        with _faults(host):
            yield from response.iter_content(_CHUNK)

    def _get(self, host: str, path: str, *, stream: bool) -> requests.Response:
        client = self._client(host, self._timeout)
        url = f"{client.prefix}://{_address(host)}/v2/{path}"
        with _faults(host):
            # the undecorated method: oras' own retry sleeps for minutes; falling back to another source is our answer
            request: Any = type(client).do_request.__wrapped__
            try:
                response: requests.Response = request(client, url, "GET", headers={"Accept": _ACCEPT}, stream=stream)
            except ValueError as error:
                raise _refused(host, 401) from error
        if response.status_code != 200:
            raise _refused(host, response.status_code)
        return response

    def _client(self, host: str, timeout: float) -> oras.provider.Registry:
        import oras.provider

        name = host.removeprefix("http://")
        plain = host.startswith("http://") or name in self._insecure or _is_loopback(name)
        credential = self._credentials.get(name) or credential_of(name, self._docker_config)
        client = oras.provider.Registry(
            hostname=_address(host),
            insecure=plain,
            tls_verify=self._ca_file or True,
            auth_backend="token",
        )
        # oras sets no time limit of its own
        client.session.request = partial(client.session.request, timeout=timeout)
        if self._proxy and not _is_loopback(name) and not bypassed(name, self._no_proxy):
            client.session.proxies = {"http": self._proxy, "https": self._proxy}
        if credential:
            client.auth.set_basic_auth(credential.user, credential.password)
            client.auth = _EitherAuth(client.auth)
        return client


class _EitherAuth:
    """Answers a challenge as it asks: basic where the server says Basic, else oras' token flow."""

    def __init__(self, token: Any) -> None:
        self._token = token

    def __getattr__(self, name: str) -> Any:
        return getattr(self._token, name)

    def authenticate_request(self, original: Any, headers: dict[str, str], refresh: bool = False) -> Any:
        challenge = original.headers.get("Www-Authenticate", "")
        if challenge.lower().startswith("basic"):
            return {**(headers or {}), "Authorization": f"Basic {self._token._basic_auth}"}, True
        return self._token.authenticate_request(original, headers, refresh)


@contextmanager
def _faults(host: str) -> Iterator[None]:
    import requests

    try:
        yield
    except requests.exceptions.RequestException as error:
        raise MlstackError(
            "registry.unreachable",
            f"The registry {host} cannot be reached",
            why=_cause(error),
            remedy="check the network, the proxy (network.proxy), the CA file and mirrors (artifacts.mirrors)",
        ) from error


def _cause(error: Exception) -> str:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused the connection"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    text = str(error)
    for sign, cause in (
        ("resolve", "its name does not resolve"),
        ("refused", "connection refused"),
        ("reset", "connection reset"),
    ):
        if sign in text:
            return cause
    return type(error).__name__


def _refused(host: str, status: int) -> MlstackError:
    code, why = _CODES.get(status, ("registry.failed", f"it answered {status}"))
    remedy = _REMEDIES.get(code, "check the reference and the mirrors (artifacts.mirrors)")
    return MlstackError(code, f"The registry {host} refused", why=why, remedy=remedy)


def _address(host: str) -> str:
    name = host.removeprefix("http://")
    return _DOCKER_HUB.get(name, name)


def _is_loopback(host: str) -> bool:
    name = host.rsplit(":", 1)[0]
    return name in ("localhost", "127.0.0.1", "[::1]")
