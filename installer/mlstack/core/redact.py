"""Takes secrets out of text that leaves the process (errors, bug reports, support bundles). A second line of defence: the first
is that no secret gets into such text."""

from __future__ import annotations

import re

MASK = "[redacted]"
_NAMED = re.compile(
    r"""(?ix)
    (?P<name> [\w.-]* (?: password | passwd | secret[-_]?key | access[-_]?key | api[-_]?key | token | credential | private[-_]?key
        | client[-_]?secret | accesskey | secretkey ) s? \\? ["']? \s* [:=] \s* \\? ["']? )
    (?P<value> [^\s"',;&}\\]+ )
    """
)
_BEARER = re.compile(r"(?i)\b(authorization:\s*\w+|bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@:]+:[^\s/@]+@")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)?")
_RANDOM = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])[A-Za-z0-9]{20,}")


def redact(text: str) -> str:
    """The text without passwords in ``name: value`` or ``name=value`` form, bearer tokens, URL logins and private keys."""
    text = _PEM.sub(MASK, text)
    text = _URL.sub(rf"\1{MASK}@", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    text = _JWT.sub(MASK, text)
    return _NAMED.sub(rf"\g<name>{MASK}", text)


def redact_strictly(text: str) -> str:
    """As ``redact``, and without any long run of mixed letters and digits, the shape of every secret that mlstack makes.

    Hexadecimal digests survive; base64 hashes do not.
    """
    return _RANDOM.sub(MASK, redact(text))
