"""Certificates as objects for cert-manager, in a cluster that has one, instead of by the instance's own authority. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlstack.core.model import Object
from mlstack.core.stackfile import CertificateSpec, WaitSpec
from mlstack.core.tls import is_address

API_VERSION = "cert-manager.io/v1"
INJECT = "cert-manager.io/inject-ca-from"
ISSUED_BY = "cert-manager.io/issuer-name"
"""Annotation that says who issued a Secret's certificate. A Secret without it cert-manager takes for its own work and keeps."""
DURATION, RENEW_BEFORE = "2160h", "720h"
"""90 days, renewed 30 days before the end: what public authorities give at most for much longer."""


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """Who issues certificates. issuer: ``own`` or ``cert-manager``; name, kind and group: the latter's issuerRef."""

    issuer: str = "own"
    name: str = ""
    kind: str = "ClusterIssuer"
    group: str = "cert-manager.io"

    @property
    def own(self) -> bool:
        """True when the instance's own authority issues."""
        return self.issuer == "own"


def certificate_objects(specs: Sequence[CertificateSpec], tls: TlsFacts) -> list[Object]:
    """A Certificate for each. Its controller makes the Secret of the same name as the own authority would."""
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "Certificate",
            "metadata": {"name": spec.secret},
            "spec": {
                "secretName": spec.secret,
                "duration": DURATION,
                "renewBefore": RENEW_BEFORE,
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                "usages": ["digital signature", "server auth"],
                "dnsNames": [name for name in spec.dns_names if not is_address(name)],
                "ipAddresses": [name for name in spec.dns_names if is_address(name)],
                "issuerRef": {"name": tls.name, "kind": tls.kind, "group": tls.group},
            },
        }
        for spec in specs
    ]


def certificate_waits(specs: Sequence[CertificateSpec]) -> list[WaitSpec]:
    """What is waited for: that each is issued."""
    return [WaitSpec(resource=f"Certificate/{spec.secret}", condition="Ready") for spec in specs]


def inject_authority(objects: Sequence[Object], specs: Sequence[CertificateSpec], namespace: str) -> None:
    """Has cert-manager put the issuer's CA into the objects that check the certificates. Changes them in place."""
    for spec in specs:
        for obj in objects:
            if f"{obj['kind']}/{obj['metadata']['name']}" in spec.ca_bundle_in:
                notes = obj["metadata"].get("annotations") or {}
                obj["metadata"]["annotations"] = {**notes, INJECT: f"{namespace}/{spec.secret}"}
