"""``auth`` of the configuration: what users log in with, and an identity provider of somebody else. No secret is ever in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from mlstack.core.configpart import Part

Url = Annotated[str, StringConstraints(pattern=r"^(https?://[^\s/\"'\\]+(/[^\s\"'\\]*)?)?$")]
Claim = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$")]
Scope = Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,128}$")]


class SecretReference(Part):
    """Where a secret is read when it is needed; the secret itself is never written into a configuration."""

    env: Annotated[str, StringConstraints(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")] = Field(
        default="", description="Environment variable that holds it."
    )
    file: str = Field(default="", description="Path of a file that holds it; a line end after it is left out.")

    @model_validator(mode="after")
    def _one(self) -> SecretReference:
        if self.env and self.file:
            raise ValueError("give either env or file")
        return self


class ClaimsConfig(Part):
    """Which claims of a token tell who the user is."""

    user: Claim = Field(default="email", description="Claim that applications know a user by.")
    groups: Claim = Field(default="groups", description="Claim with the list of the user's groups.")


class OidcConfig(Part):
    """An identity provider of somebody else, by OpenID Connect discovery. Its redirect URI for mlstack is
    `https://<gateway>/oauth2/callback`."""

    issuer: Url = Field(default="", description="Issuer, as its tokens say it, such as `https://accounts.google.com`.")
    client_id: Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]*$")] = Field(
        default="", description="Client id that the issuer gave mlstack."
    )
    client_secret: SecretReference = Field(
        default=SecretReference(), description="Where the client's secret is read; kept in the cluster afterwards."
    )
    scopes: list[Scope] = Field(
        default=["openid", "profile", "email"], description="Scopes asked for; `openid` is one of them."
    )
    claims: ClaimsConfig = Field(default=ClaimsConfig(), description="Which claims tell who the user is.")
    logout_url: Url = Field(
        default="",
        description="Asked at a logout to end the session there; `{id_token}` stands for the user's token. Empty: it stays.",
    )
    refresh_minutes: int = Field(
        default=45,
        ge=1,
        le=1440,
        description="Minutes after which a session's token is renewed; less than the issuer's tokens live.",
    )
    ca: str = Field(
        default="", description="Path of a PEM file with the authority that signed the issuer's certificate."
    )


class AuthConfig(Part):
    """What users of the gateway log in with."""

    provider: str = Field(
        default="",
        description="What keeps the users: one of the release's choices (its own stacks, or `oidc` for an issuer of "
        "somebody else); empty: as the profile says.",
    )
    oidc: OidcConfig = Field(
        default=OidcConfig(), description="The issuer of somebody else, where `provider` is `oidc`."
    )
