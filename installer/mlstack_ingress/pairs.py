"""Certificates out of Secrets, tried before a gateway gets them: it would refuse all of its listeners for a bad one."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from collections.abc import Iterable
from urllib.parse import quote

from mlstack_ingress.kube import Api, ApiError, Object
from mlstack_ingress.model import Key, KeyPair

NOT_FOUND, FORBIDDEN = 404, 403


async def read_pairs(api: Api, keys: Iterable[Key]) -> tuple[dict[Key, KeyPair], dict[Key, str]]:
    """The pairs that are good, and for the others why they are not. Raises ApiError where the server does not answer."""
    pairs: dict[Key, KeyPair] = {}
    faults: dict[Key, str] = {}
    for key in sorted(keys):
        try:
            secret = await api.get(f"/api/v1/namespaces/{key[0]}/secrets/{quote(key[1], safe='')}")
            pairs[key] = key_pair(secret)
        except ValueError as error:
            faults[key] = str(error)
        except ApiError as error:
            if error.code not in (NOT_FOUND, FORBIDDEN):
                raise
            faults[key] = "is not there" if error.code == NOT_FOUND else "may not be read (parameter tls of the stack)"
    return pairs, faults


def key_pair(secret: Object) -> KeyPair:
    """The pair of a Secret of type ``kubernetes.io/tls``. Raises ValueError where it is none; no text of the key is in it."""
    data = secret.get("data") or {}
    try:
        chain, key = (base64.b64decode(data[name], validate=True).decode() for name in ("tls.crt", "tls.key"))
    except (KeyError, binascii.Error, UnicodeDecodeError):
        raise ValueError("has no tls.crt and tls.key") from None
    _try(chain, key)
    return KeyPair(chain, key)


def _try(chain: str, key: str) -> None:
    handle = os.memfd_create("pair")  # nothing is written to a disk
    try:
        os.write(handle, f"{chain}\n{key}\n".encode())
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{handle}")
    except ssl.SSLError as error:
        raise ValueError(f"holds no certificate with its key ({error.reason or 'unreadable'})") from None
    finally:
        os.close(handle)
