"""What a user asks about access: a connection to set up, a request to explain. Secrets in them show in no ``repr``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Form = Literal["", "env", "python", "curl"]
Via = Literal["", "gateway", "host"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A connection that is wanted. form: what to print, empty for a summary without secrets; via: empty picks by scheme.

    account: ``namespace/name`` of the service account whose token logs in, empty for the default; seconds: the token's life.
    """

    name: str
    form: Form = ""
    via: Via = ""
    account: str = ""
    seconds: int = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request to explain. user: as whose browser session it comes; token: the bearer token it carries.

    method, headers: as sent; rendered: by the configuration instead of what is in the cluster; check: send it for real too.
    """

    url: str
    method: str = "GET"
    user: str = ""
    token: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    rendered: bool = False
    check: bool = False
