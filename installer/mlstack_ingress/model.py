"""What an Ingress asks for and what it stands on, as frozen values. No behaviour beyond names."""

from __future__ import annotations

from dataclasses import dataclass, field

Headers = tuple[tuple[str, str], ...]
Key = tuple[str, str]
"""Namespace and name of an object."""


@dataclass(frozen=True, slots=True)
class Split:
    """A share of a path's requests. port: number or name of the Service's port; percent: 0 to 100; headers: set on them."""

    service: Key
    port: int | str
    percent: int
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Path:
    """Requests whose path begins with ``prefix`` and that carry all ``matches``. rewrite_host: what the backend sees as host."""

    prefix: str
    splits: tuple[Split, ...]
    matches: Headers = ()
    headers: Headers = ()
    rewrite_host: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Paths of some hosts. local: reachable from inside of the cluster only."""

    hosts: tuple[str, ...]
    paths: tuple[Path, ...]
    local: bool = False


@dataclass(frozen=True, slots=True)
class Tls:
    """The certificate for some hosts. secret: where it is."""

    hosts: tuple[str, ...]
    secret: Key


@dataclass(frozen=True, slots=True)
class Ingress:
    """One Ingress object. created: as the API writes it, which sorts by time; redirect: plain HTTP is sent on to HTTPS."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    rules: tuple[Rule, ...]
    tls: tuple[Tls, ...] = ()
    redirect: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def identity(self) -> tuple[str, int]:
        """What a gateway has or has not: this object at this generation."""
        return self.uid, self.generation


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate chain and its key, PEM text. The key is kept out of ``repr``."""

    chain: str
    key: str = field(repr=False)


class InvalidIngress(ValueError):
    """An Ingress that cannot be translated. problems: each with the place in the object."""

    def __init__(self, problems: list[str]) -> None:
        """problems: at least one."""
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
