"""The configuration document ``mlstack.yaml`` as models, and the resolved configuration with the origin of every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from mlstack.core.authconfig import AuthConfig
from mlstack.core.configpart import Part
from mlstack.core.errors import Place
from mlstack.core.model import ImageSource
from mlstack.core.peopleconfig import GroupConfig, ProfileConfig, UserConfig
from mlstack.core.releasefile import Release
from mlstack.core.stackfile import ParamName
from mlstack.core.tlsconfig import TlsConfig
from mlstack.core.yamltree import Document, dotted

NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
"""Instance names become part of host names of nodes, which end at 63 characters."""
Port = Annotated[int, Field(ge=1, le=65535)]
Memory = Annotated[str, StringConstraints(pattern=r"^([0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?)?$")]
_CPUS = r"^([0-9]+(\.[0-9]+)?|[0-9]+m)?$"
Cpus = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) in (int, float) else value),
    StringConstraints(pattern=_CPUS),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _CPUS}, {"type": "number", "minimum": 0}]}),
]
ProxyUrl = Annotated[str, StringConstraints(pattern=r"^(https?://[^\s/]+/?)?$")]
Registry = Annotated[str, StringConstraints(pattern=r"^(https?://)?[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._/-]+)?$")]
Address = Annotated[str, StringConstraints(pattern=r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:]*)$")]
HostName = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.|$))*$")]


class MountConfig(Part):
    """A host directory that every node sees."""

    host: str = Field(min_length=1, description="Directory on the host; relative to the configuration file.")
    node: str = Field(pattern=r"^/", description="Where the nodes see it.")
    read_only: bool = Field(default=False, description="Whether the nodes may only read it.")


class KindConfig(Part):
    """Options of the `kind` provider: a cluster in containers of this host's engine."""

    node_image: str = Field(
        default="", description="Node image to use instead of the release's own; pulled, never built."
    )
    nodes: int = Field(default=1, ge=1, le=9, description="Number of nodes.")
    memory: Memory = Field(default="", description="Memory limit of each node, such as `8Gi`; empty: no limit.")
    cpus: Cpus = Field(default="", description="CPU limit of each node, such as `2` or `1500m`; empty: no limit.")
    mounts: list[MountConfig] = Field(default=[], description="Host directories that every node sees.")
    ports: dict[str, Port | Literal["auto"]] = Field(
        default={},
        description="Endpoint name to host port; `auto` takes a free one. An endpoint left out gets its default port.",
    )
    address: Address = Field(default="127.0.0.1", description="Host address the ports are published on.")


class ExistingConfig(Part):
    """Options of the `existing` provider: a cluster that somebody else made and keeps."""

    kubeconfig: str = Field(default="", description="Path of a kubeconfig; empty: `KUBECONFIG`, else `~/.kube/config`.")
    context: str = Field(default="", description="Context in the kubeconfig; empty: its current context.")
    storage_class: str = Field(default="", description="Storage class for volumes; empty: the cluster's default class.")


class ProviderConfig(Part):
    """Where the cluster comes from."""

    type: Literal["kind", "existing"] = Field(
        default="kind", description="`kind` makes a cluster on this host; `existing` uses one that is there."
    )
    kind: KindConfig = Field(default=KindConfig(), description="Options of `kind`.")
    existing: ExistingConfig = Field(default=ExistingConfig(), description="Options of `existing`.")


class StackConfig(Part):
    """What is wanted of one stack or addon."""

    version: str = Field(default="", description="Version; empty: the one the release was tested with.")
    enabled: bool | None = Field(default=None, description="Whether it is installed; unset: as the profile says.")
    params: dict[ParamName, Any] = Field(default={}, description="Parameters; `mlstack stack params NAME` lists them.")


class ArtifactsConfig(Part):
    """Where container images come from."""

    source: ImageSource = Field(
        default=ImageSource.AUTO,
        description="`registry` pulls, `bundle` reads an offline bundle, `build` builds from released packages; "
        "`auto` asks each registry once and falls back to the bundle, then to building.",
    )
    mirrors: dict[str, list[Registry]] = Field(
        default={}, description="Registry host to mirrors tried before it, in order."
    )
    credentials: str = Field(default="", description="Path of a Docker `config.json` with registry logins.")
    bundle: str = Field(default="", description="Path of an offline bundle.")
    registry_timeout: float = Field(
        default=5.0, gt=0, le=300, description="Seconds an unanswering registry is waited for."
    )


class ProxyConfig(Part):
    """HTTP proxies for downloads and builds."""

    http: ProxyUrl = Field(default="", description="Proxy for http URLs; empty: the environment's `HTTP_PROXY`.")
    https: ProxyUrl = Field(default="", description="Proxy for https URLs; empty: the environment's `HTTPS_PROXY`.")
    no: list[str] = Field(default=[], description="Hosts reached without a proxy.")


class NetworkConfig(Part):
    """How the outside is reached."""

    proxy: ProxyConfig = Field(default=ProxyConfig(), description="HTTP proxies.")
    ca: str = Field(default="", description="Path of a PEM file with further certificate authorities to trust.")


class GatewayConfig(Part):
    """Where the platform's users reach its gateway. Every URL of a login derives from this."""

    host: HostName = Field(
        default="", description="External host name; empty: `<name>.localhost`, which browsers take for this host."
    )
    port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="External port; 0: the published host port, or 443 where none is published.",
    )


class PathsConfig(Part):
    """Where mlstack keeps its files on this host."""

    cache: str = Field(default="", description="Downloads, builds and images; may be deleted at any time.")
    state: str = Field(default="", description="Instances: kubeconfig, journal, logs. Holds secrets; mode 0700.")


class HostConfig(Part):
    """What mlstack may do to the host itself."""

    changes: bool = Field(
        default=True, description="Whether the host may be prepared (container engine, kernel settings)."
    )


class Config(Part):
    """What the user asked for. Every field but `apiVersion` and `kind` may be left out."""

    api_version: Literal["mlstack/v1alpha1"] = Field(description="Version of this document's format.")
    kind: Literal["Config"] = Field(description="Always `Config`.")
    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)] = Field(
        default="mlstack", description="Name of the instance; several may live on one host."
    )
    release: str = Field(default="", description="Tested set of versions; empty: the newest one shipped.")
    profile: str = Field(default="", description="Named set of stacks; empty: the release's default profile.")
    provider: ProviderConfig = Field(default=ProviderConfig(), description="Where the cluster comes from.")
    stacks: dict[str, StackConfig] = Field(
        default={}, description="Stacks by name, where they differ from the release."
    )
    addons: dict[str, StackConfig] = Field(default={}, description="Addons by name; off unless enabled.")
    artifacts: ArtifactsConfig = Field(default=ArtifactsConfig(), description="Where container images come from.")
    network: NetworkConfig = Field(default=NetworkConfig(), description="How the outside is reached.")
    gateway: GatewayConfig = Field(default=GatewayConfig(), description="Where the gateway is reached.")
    users: list[UserConfig] = Field(default=[], description="Users; `admin` is made where none is an administrator.")
    groups: list[GroupConfig] = Field(default=[], description="Groups of users.")
    profiles: list[ProfileConfig] = Field(default=[], description="Namespaces of users; `admin` gets one by itself.")
    auth: AuthConfig = Field(default=AuthConfig(), description="What users of the gateway log in with.")
    tls: TlsConfig = Field(default=TlsConfig(), description="Who issues the platform's certificates.")
    paths: PathsConfig = Field(default=PathsConfig(), description="Where mlstack keeps its files.")
    host: HostConfig = Field(default=HostConfig(), description="What mlstack may do to the host.")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from. kind: flag, env, file, choice (made by a command before), release or default; where: the flag,
    the variable, ``file:line``."""

    kind: Literal["flag", "env", "file", "choice", "release", "default"]
    where: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.where}".strip()


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A valid configuration. origins: path of each leaf that is not a built-in default -> where it came from.

    release: the tested set it refers to, None where none was given; file: path of the configuration file, empty if none.
    """

    config: Config
    origins: Mapping[tuple[str, ...], Origin] = field(default_factory=dict)
    release: Release | None = None
    file: str = ""
    document: Document | None = field(default=None, repr=False)

    def origin_of(self, path: Sequence[str | int]) -> Origin:
        """The origin of a leaf, of the list it is in, or the built-in default."""
        names = tuple(str(part) for part in path)
        for end in range(len(names), 0, -1):
            whole = end == len(names) or isinstance(path[end], int)
            if whole and names[:end] in self.origins:
                return self.origins[names[:end]]
        return DEFAULT

    def place_of(self, path: Sequence[str | int]) -> Place:
        """Where the user wrote a value, for an error about it: file and line, the variable or the flag."""
        names = tuple(str(part) for part in path)
        below = [origin for leaf, origin in self.origins.items() if leaf[: len(names)] == names]
        by_user = [origin for origin in below if origin.kind != "release"]
        origin = (by_user or below or [self.origin_of(path)])[0]
        if origin.kind == "file" and self.document is not None:
            return self.document.place_of(path, key=True)
        return Place("" if origin.kind == "default" else str(origin), 0, dotted(path))

    def leaves(self) -> list[tuple[str, Any, Origin]]:
        """Every value with its dotted path and origin, defaults included, in the order of the reference."""
        data = self.config.model_dump(mode="json", by_alias=True)
        return [(dotted(path), value, self.origin_of(path)) for path, value in flatten(data)]


def flatten(data: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """The leaves of nested mappings; a list is a leaf, an empty mapping too."""
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            found += flatten(value, (*prefix, name))
        else:
            found.append(((*prefix, name), value))
    return found


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the document, for editors."""
    schema = Config.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "mlstack configuration"}
