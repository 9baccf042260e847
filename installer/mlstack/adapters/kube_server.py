"""What the API server tells beside its objects: documents at paths of its own, its clock, whether strangers may ask it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from mlstack.adapters.kube_http import Read, Transport, pool_of
from mlstack.adapters.kube_request import Request
from mlstack.adapters.kubeconfig import load
from mlstack.core.errors import MlstackError

SECONDS = 10.0


class KubeServer:
    """One API server. kubeconfig: file; context: empty for its current one; read: gets every document that was read."""

    def __init__(self, kubeconfig: Path, context: str = "", read: Read = lambda _path, _query, _answer: None) -> None:
        self._access = load(kubeconfig, context)
        self._transport = Transport(self._access, size=1, read=read)

    def document(self, path: str) -> Mapping[str, Any] | None:
        """The JSON object at a path; None where none is served, or not to us. Raises MlstackError kube.unreachable."""
        try:
            found = self._transport.call(Request("GET", path))
        except MlstackError as error:
            if error.code not in ("kube.not-found", "kube.forbidden"):
                raise
            return None
        return found if isinstance(found, dict) else None

    def clock(self) -> float:
        """The time at the server, seconds since the epoch, to the second. Raises MlstackError kube.unreachable, kube.failed."""
        response = self._transport.open(Request("GET", "/version"), SECONDS)
        date = response.headers.get("Date", "")
        self._transport.done(response)
        try:
            return parsedate_to_datetime(date).timestamp()
        except ValueError:
            raise MlstackError(
                "kube.failed",
                f"The Kubernetes API at {self._access.url} does not tell its time",
                why=f"the header Date is '{date}'",
                remedy="Look for a proxy between here and the API server.",
            ) from None

    def refuses_strangers(self, path: str) -> bool:
        """Whether a request without a login is turned away whatever the roles say (401). Raises MlstackError kube.unreachable."""
        import urllib3

        stranger = replace(self._access, context=_anonymous(self._access.context), headers=lambda _fresh: {})
        pool = pool_of(stranger, 1)
        base = f"{'https' if stranger.context else 'http'}://{stranger.host}:{stranger.port}" if stranger.proxy else ""
        try:
            timeout = urllib3.Timeout(SECONDS)
            return pool.urlopen("GET", f"{base}{stranger.prefix}{path}", retries=False, timeout=timeout).status == 401
        except urllib3.exceptions.HTTPError as error:
            raise MlstackError(
                "kube.unreachable",
                f"The Kubernetes API at {self._access.url} cannot be used",
                why=f"{path}: {type(error).__name__}",
                remedy="Check that the cluster runs (`mlstack status`, `mlstack start`), then run the command again.",
            ) from None

    def close(self) -> None:
        """Ends the connections."""
        self._transport.close()


def _anonymous(context: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """The same trust without our client certificate."""
    if context is None:
        return None
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = context.check_hostname, context.verify_mode
    for authority in context.get_ca_certs(binary_form=True):
        stranger.load_verify_locations(cadata=authority)
    return stranger


def canonical(document: Mapping[str, Any]) -> str:
    """The document as text that is the same whenever the document is."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
