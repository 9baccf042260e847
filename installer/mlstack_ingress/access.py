"""Who may call the services of a namespace from outside, as a route before all others. Pure but ``read_access``.

The platform's gateway has checked who asks and says so in one header, which it takes off what callers send (of several with that
name each would count). It does not know whose services are behind a host; that is known here. Calls from inside of the cluster
carry no user: the stack's NetworkPolicy says from where they may come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlstack_ingress.clusters import Resource

EVERYBODY = "*"
"""In a namespace's list: whoever the gateway has let in."""


@dataclass(frozen=True, slots=True)
class Access:
    """header: names the user, empty: nobody is checked; allowed: namespace -> users, ``name*`` for all that begin so.

    A namespace that is not named is not served to the outside.
    """

    header: str = ""
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_access(path: Path) -> Access:
    """The document that the stack renders. Raises OSError, ValueError."""
    document = json.loads(path.read_text())
    allowed = {str(name): tuple(str(user) for user in users) for name, users in document["allowed"].items()}
    return Access(header=str(document["header"]), allowed=allowed)


def refusal(access: Access, namespace: str) -> Resource | None:
    """The route that answers 403 to whoever may not call the namespace's services; none where everybody may."""
    if not access.header:
        return None
    users = access.allowed.get(namespace, ())
    if EVERYBODY in users:
        return None
    match: dict[str, Any] = {"prefix": "/"}
    if users:
        known = {"safe_regex": {"regex": "|".join(_pattern(user) for user in users)}}
        match["headers"] = [
            {
                "name": access.header,
                "string_match": known,
                "invert_match": True,
                "treat_missing_header_as_empty": True,
            }
        ]
    why = "you have no part in it" if users else "it is not served to the outside"
    body = {"error": "forbidden", "why": f"this service belongs to namespace {namespace}: {why}"}
    return {
        "name": "forbidden",
        "match": match,
        "direct_response": {"status": 403, "body": {"inline_string": json.dumps(body) + "\n"}},
        "response_headers_to_add": [{"header": {"key": "content-type", "value": "application/json"}}],
    }


def _pattern(user: str) -> str:
    """A whole user, or the beginning of one: the gateway matches the whole header with it."""
    return re.escape(user[:-1]) + ".*" if user.endswith("*") else re.escape(user)
