"""A client's set-up for an endpoint as text: variables of a shell, a Python program, a curl command. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from shlex import quote

from mlstack.core.clients import SCHEMES, Target

TRUST_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")


def environment(target: Target) -> dict[str, str]:
    """The variables that clients of the scheme read, and MLSTACK_* ones for programs of one's own."""
    found = {"MLSTACK_URL": target.url, **SCHEMES[target.scheme].variables(target)}
    if target.token:
        found["MLSTACK_TOKEN"] = target.token
    if target.secure and target.bundle:
        found["MLSTACK_CA"] = target.authority
        found.update(dict.fromkeys(TRUST_VARIABLES, target.bundle))
    return found


def env_text(target: Target) -> str:
    """Lines for ``eval`` in a POSIX shell."""
    return "\n".join(f"export {name}={quote(value)}" for name, value in environment(target).items())


def python_text(target: Target) -> str:
    """A program that connects and shows that it did."""
    return SCHEMES[target.scheme].python(target).strip()


def curl_text(target: Target) -> str:
    """A command; what is secret comes by its standard input, since anybody on the host can read command lines."""
    return SCHEMES[target.scheme].curl(target)


FORMS: Mapping[str, Callable[[Target], str]] = {"env": env_text, "python": python_text, "curl": curl_text}
