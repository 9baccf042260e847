"""The part of the configuration that says who issues the platform's certificates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from mlstack.core.configpart import Part

ObjectName = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")]
ApiGroup = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


class IssuerRef(Part):
    """The issuer that cert-manager is to ask."""

    name: ObjectName = Field(default="", description="Its name; needed with `tls.issuer: cert-manager`.")
    kind: Literal["Issuer", "ClusterIssuer"] = Field(
        default="ClusterIssuer", description="`ClusterIssuer`, or `Issuer` in the namespace of each certificate."
    )
    group: ApiGroup = Field(default="cert-manager.io", description="API group, for issuers that others provide.")


class TlsConfig(Part):
    """Who issues the platform's certificates."""

    issuer: Literal["own", "cert-manager"] = Field(
        default="own",
        description="`own`: an authority of the instance, kept in its cluster; `cert-manager`: the one in the cluster.",
    )
    issuer_ref: IssuerRef = Field(default=IssuerRef(), description="The issuer for `cert-manager`.")
