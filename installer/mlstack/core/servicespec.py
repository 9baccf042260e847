"""What a stack has made for it beside its objects, as its document says it: Secrets, buckets, databases. Models only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from mlstack.core.documentmodel import Strict

DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
MaybeTemplate = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$|\{\{")]
"""A DNS label, or Jinja2 that renders to one."""
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
Each = Literal["", "profiles"]


class SecretSpec(Strict):
    """A Secret generated once and kept in the cluster only. keys: key -> length in letters and digits (>= 22: >= 128 bit).

    copies: further namespaces that get it, values of literals and of given: Jinja2; a copy that renders to a list is spread.
    given: key -> reference (``env:NAME``, ``file:/path``) to a secret of the user's, read when the Secret is made and, where
    it can be read, compared at each ``up``.
    copy_name: what the copies are called, for programs that look for a Secret of one name; empty: as this one.
    each: one for every profile that is there; name, copies, literals and credential may then use ``profile``.
    rotate: keys that ``mlstack credentials --rotate`` may make anew: nothing but the cluster and what mlstack makes knows them.
    """

    name: MaybeTemplate
    keys: dict[str, Annotated[int, Field(ge=16, le=128)]] = {}
    literals: dict[str, str] = {}
    given: dict[str, str] = {}
    copies: list[str] = []
    rotate: list[str] = []
    copy_name: DnsLabel | Literal[""] = ""
    credential: str = ""
    """The name ``mlstack credentials NAME`` shows it by; empty: not shown."""
    each: Each = ""

    @model_validator(mode="after")
    def _rotates_its_own(self) -> SecretSpec:
        strange = sorted(set(self.rotate) - set(self.keys))
        if strange or (self.rotate and self.given):
            raise ValueError(f"rotate: {', '.join(strange) or 'with given'}: only generated keys can be made anew")
        return self


class BucketSpec(Strict):
    """A bucket wanted in the ``object-store``; secret: a generated Secret (accesskey, secretkey) of a user confined to it.

    each: one for every profile that is there; name and secret may then use ``profile``.
    """

    name: MaybeTemplate
    secret: str = ""
    each: Each = ""


class DatabaseSpec(Strict):
    """A database wanted in the ``database`` server; secret: a generated Secret (username, password) of its own user."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    user: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
    secret: str
