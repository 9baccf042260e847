"""The names a template sees. What is listed here is the whole vocabulary of ``*.yaml.j2``, patches, exports and samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlstack.core.catalogue import Entry
from mlstack.core.certmanager import TlsFacts
from mlstack.core.model import LABEL_INSTANCE, LABEL_STACK
from mlstack.core.people import People

USES = "uses.mlstack.dev"
"""Prefix of the labels on a namespace that say which capabilities its pods may reach; network policies select by them."""
PROVIDES = "provides.mlstack.dev"
"""Prefix of the labels on a namespace that say which capabilities its pods provide."""

KUBEADM_ISSUER = "https://kubernetes.default.svc.cluster.local"
"""The issuer of service-account tokens of a cluster that kubeadm makes, until the cluster itself can be asked."""

SAMPLE_NAMES = ("images", "capability", "exports", "namespace", "instance", "stack")
"""What the expressions of a sample see beside ``params``, its own parameters."""


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """What templates may know of the cluster. node_ports: the provider publishes NodePorts on 127.0.0.1 only;
    pod_cidr: the pods' network, empty when unknown; storage_class: of an existing cluster, empty for its default;
    token_issuer: of the cluster's service-account tokens; token_keys: their public keys (JSON Web Key Set), empty where the
    gateway can ask the API server for them."""

    type: str = "kind"
    architecture: str = "amd64"
    node_ports: bool = True
    pod_cidr: str = "10.244.0.0/16"
    storage_class: str = ""
    token_issuer: str = KUBEADM_ISSUER
    token_keys: str = ""


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """How workloads reach the outside. Empty: directly. ca_bundle: PEM text of additional authorities."""

    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""
    ca_bundle: str = ""


@dataclass(frozen=True, slots=True)
class ExternalFacts:
    """Where the platform's users reach its gateway; every URL shown to them or checked in a login derives from this.

    host: the name, without subdomain; port: on the user's side, 443 for the scheme's own; addresses: IP addresses it is
    reached under as well.
    """

    host: str = "localhost"
    port: int = 443
    addresses: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What its certificate has to be for: the name, all names one below it, the addresses."""
        return (self.host, f"*.{self.host}", *self.addresses)

    @property
    def authority(self) -> str:
        """``host[:port]``, the port left out where it is the scheme's own."""
        return self.host + (f":{self.port}" if self.port != 443 else "")

    @property
    def url(self) -> str:
        """``https://host[:port]``, without a slash at the end."""
        return f"https://{self.authority}"


@dataclass(frozen=True, slots=True)
class AuthFacts:
    """The identity provider of somebody else that the configuration names. client_secret: a reference, never the secret;
    scopes: separated by blanks; ca_bundle: PEM text of the authority that signed the issuer's certificate."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    scopes: str = "openid"
    user_claim: str = "email"
    groups_claim: str = "groups"
    logout_url: str = ""
    refresh_minutes: int = 45
    ca_bundle: str = ""


@dataclass(frozen=True, slots=True)
class RenderFacts:
    """Everything about an instance that rendering depends on, besides the selection.

    platform: of the whole selection, see ``core.routes``; filled in by whoever renders it; people: users and profiles;
    tls: who issues certificates.
    """

    instance: str
    provider: ProviderFacts = field(default_factory=ProviderFacts)
    network: NetworkFacts = field(default_factory=NetworkFacts)
    external: ExternalFacts = field(default_factory=ExternalFacts)
    auth: AuthFacts = field(default_factory=AuthFacts)
    platform: Mapping[str, Any] = field(default_factory=dict)
    people: People = field(default_factory=People)
    tls: TlsFacts = field(default_factory=TlsFacts)


def build_context(
    entry: Entry, values: Mapping[str, Any], facts: RenderFacts, capabilities: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """The context of one stack. images: short name (last part of the repository) -> reference; capability: exports by name."""
    return {
        "params": dict(values),
        "namespace": entry.document.spec.namespace,
        "instance": facts.instance,
        "stack": {"name": entry.name, "version": entry.version},
        "images": {short_name(image.ref): image.ref for image in entry.document.spec.images},
        "capability": {name: dict(exports) for name, exports in capabilities.items()},
        "provider": {
            "type": facts.provider.type,
            "architecture": facts.provider.architecture,
            "nodePorts": facts.provider.node_ports,
            "podCidr": facts.provider.pod_cidr,
            "storageClass": facts.provider.storage_class,
            "tokenIssuer": facts.provider.token_issuer,
            "tokenKeys": facts.provider.token_keys,
        },
        "network": {
            "httpProxy": facts.network.http_proxy,
            "httpsProxy": facts.network.https_proxy,
            "noProxy": facts.network.no_proxy,
            "caBundle": facts.network.ca_bundle,
        },
        "external": {
            "host": facts.external.host,
            "port": facts.external.port,
            "authority": facts.external.authority,
            "url": facts.external.url,
            "names": list(facts.external.names),
        },
        "auth": {
            "issuer": facts.auth.issuer,
            "clientId": facts.auth.client_id,
            "clientSecret": facts.auth.client_secret,
            "scopes": facts.auth.scopes,
            "userClaim": facts.auth.user_claim,
            "groupsClaim": facts.auth.groups_claim,
            "logoutUrl": facts.auth.logout_url,
            "refreshMinutes": facts.auth.refresh_minutes,
            "caBundle": facts.auth.ca_bundle,
        },
        "platform": dict(facts.platform),
        "profiles": [one.context() for one in facts.people.profiles],
        "removedProfiles": [one.context() for one in facts.people.removed],
        "labels": {"instance": LABEL_INSTANCE, "stack": LABEL_STACK, "uses": USES, "provides": PROVIDES},
    }


def short_name(ref: str) -> str:
    """``quay.io/argoproj/argoexec:v3.7.18`` -> ``argoexec``."""
    return ref.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]
