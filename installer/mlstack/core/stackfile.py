"""The stack and addon document and its patches (design, section 4) as models; validation only, no I/O."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from mlstack.core.documentmodel import Strict
from mlstack.core.recipe import Image, Sha256
from mlstack.core.servicespec import BucketSpec, DatabaseSpec, DnsLabel, Quantity, SecretSpec

API_VERSION = "mlstack/v1alpha1"
ParamName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-zA-Z0-9]*$")]


class Metadata(Strict):
    """Who a stack is. license: an SPDX expression."""

    name: DnsLabel
    version: str
    summary: str
    license: str
    homepage: str


class Param(Strict):
    """A declared parameter: drives validation, ``--help`` and the reference. min/max bound integers and numbers; values lists what
    a string may be; pattern is a full-match regular expression; examples: further valid values, for the contract tests."""

    type: Literal["string", "integer", "number", "boolean", "quantity", "list"]
    default: Any
    doc: str
    values: list[str] = []
    pattern: str = ""
    min: float | None = None
    max: float | None = None
    examples: list[Any] = []


class CertificateSpec(Strict):
    """A certificate of the instance's CA. ca_bundle_in: ``Kind/name`` of webhook, APIService or CRD objects to patch, or of
    ConfigMaps that hold it as ``ca.crt`` (not with cert-manager, which does not know how). dns_names: Jinja2; one that renders
    to a list is spread; IP addresses may be among them."""

    secret: str
    dns_names: list[str]
    ca_bundle_in: list[str] = []


class Source(Strict):
    """Upstream text, fetched at a pinned hash: a Go module zip (go + h1), a URL or a PyPI file (sha256)."""

    go: str = ""
    h1: Annotated[str, StringConstraints(pattern=r"^(h1:[A-Za-z0-9+/=]{44})?$")] = ""
    url: str = ""
    sha256: Sha256 | Literal[""] = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Source:
        if bool(self.go) == bool(self.url):
            raise ValueError("give either go (with h1) or url (with sha256)")
        if (self.go and not self.h1) or (self.url and not self.sha256):
            raise ValueError("a source needs its hash: h1 for go, sha256 for url")
        return self


class Manifests(Strict):
    """Objects of a stack: files (globs) of a source, or the stack's own templates directory.

    templates: a directory of the version, or of another one of the stack (``../1.0.0/templates``), rendered with this one's values.
    when: a Jinja2 expression over params; the part is left out where it is false.
    include/exclude: ``Kind/name`` globs, applied to the parsed objects.
    namespace: set on namespaced objects that carry none (what a kustomization's ``namespace`` does).
    """

    source: str = ""
    files: list[str] = []
    templates: Annotated[str, StringConstraints(pattern=r"^((\.\./[0-9][\w.-]*/)?[\w-]+(/[\w-]+)*/?)?$")] = ""
    when: str = ""
    include: list[str] = []
    exclude: list[str] = []
    namespace: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Manifests:
        if bool(self.source) == bool(self.templates):
            raise ValueError("give either source (with files) or templates")
        if self.source and not self.files:
            raise ValueError("a source needs files")
        return self


class WaitSpec(Strict):
    """A readiness condition beyond the built-in rules. resource: ``Kind/name``; timeout: seconds without progress."""

    resource: str
    condition: str
    timeout: float = 300


class Route(Strict):
    """An endpoint's place behind the platform's gateway, where there is one.

    prefix: path on the external host that is the endpoint's; rewrite: what the service sees instead, empty: the same;
    subdomain: a name of its own before the external host, for what cannot live below a path (S3);
    forward_token: the service gets the machine's token that the gateway accepted, to act with the caller's rights and no others;
    else no service ever sees one. tenant_path: what to ask of such a service, below the route, to see what is in ``{namespace}``:
    `mlstack verify` asks it with a token of another profile, which must not be told.
    """

    prefix: Annotated[str, StringConstraints(pattern=r"^/([a-zA-Z0-9._~-]+/)*([a-zA-Z0-9._~-]+)?$")] = "/"
    rewrite: Annotated[str, StringConstraints(pattern=r"^(/.*)?$")] = ""
    subdomain: Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")] = ""
    forward_token: bool = False
    tenant_path: str = ""

    @model_validator(mode="after")
    def _asked_with_a_token(self) -> Route:
        if self.forward_token != ("{namespace}" in self.tenant_path):
            raise ValueError("a route with forwardToken has a tenantPath with {namespace}, and no other has one")
        return self


class Endpoint(Strict):
    """Something a user opens or a program calls. node_port: the Service's NodePort, published on the host as ``port``.

    scheme tells how; credential: which ``mlstack credentials`` entry opens it; auth is the gateway's rule for ``route``:
    ``required`` a login or a token, ``none`` anybody, ``own`` anybody, since the service itself checks who asks.
    role: who of those that are logged in gets to it: administrators, and the service account of that name which the login
    keeps for machines; empty: all of them.
    """

    name: str
    service: DnsLabel
    port: int = Field(ge=1, le=65535)
    node_port: int = Field(default=0, ge=0, le=32767)
    scheme: Literal["http", "https", "tcp", "s3", "mysql"] = "http"
    path: str = "/"
    route: Route | None = None
    auth: Literal["required", "none", "own"] = "own"
    role: DnsLabel | Literal[""] = ""
    credential: str = ""
    doc: str = ""
    when: str = ""

    @model_validator(mode="after")
    def _rules_have_a_login(self) -> Endpoint:
        route = self.route
        if self.auth != "required" and (self.role or (route and route.forward_token)):
            raise ValueError("role and forwardToken need auth: required")
        if self.role and (route is None or route.subdomain or route.prefix == "/"):
            raise ValueError("role needs a route with a prefix of its own")
        return self


class Budget(Strict):
    """What a stack may request at most; the sum over a profile is checked against the profile's budget."""

    cpu: Quantity
    memory: Quantity


class StackSpec(Strict):
    """The body of a stack."""

    kubernetes: str
    availability: Literal["built", "registry"] = "built"
    """``registry``: some images can be had from where they are published only, so it is never chosen by itself, and refused where
    nothing is taken from registries. ``built``: each image has a recipe or digests."""
    beside: dict[str, str] = {}
    """Stack -> constraint (``>=3.7,<4.1``) that its version meets wherever both are chosen."""
    requires: list[str] = []
    optional: list[str] = []
    """Capabilities it uses where some stack provides them: ``capability`` holds them then, and nothing otherwise."""
    brings: dict[str, str] = {}
    """Capability or stack -> Jinja2 expression over ``params``. Where it holds, the stack requires it, and the release's stack
    that provides it comes with it unless it is there or was switched off."""
    provides: list[str] = []
    exports: dict[str, dict[str, str]] = {}
    """capability -> values its consumers' templates see as ``capability['<name>'].<key>``; values are Jinja2."""
    namespace: DnsLabel
    pod_security: Literal["privileged", "baseline", "restricted"] = "restricted"
    params: dict[ParamName, Param] = {}
    golden: dict[ParamName, list[Any]] = {}
    """Values of parameters at which the golden output of every stack is kept too, as far as it is another one."""
    secrets: list[SecretSpec] = []
    buckets: list[BucketSpec] = []
    databases: list[DatabaseSpec] = []
    certificates: list[CertificateSpec] = []
    sources: dict[str, Source] = {}
    manifests: list[Manifests]
    patches: str = ""
    images: list[Image] = []
    wait: list[WaitSpec] = []
    endpoints: list[Endpoint] = []
    samples: str = ""
    """Directory of sample documents (``kind: Sample``)."""
    budget: Budget

    @model_validator(mode="after")
    def _can_be_had_as_it_says(self) -> StackSpec:
        bare = next((image.ref for image in self.images if not image.build and not image.digests), "")
        if self.availability == "built" and bare:
            raise ValueError(f"{bare} has neither a recipe nor digests: give one, or say availability: registry")
        if self.availability == "registry" and all(image.build for image in self.images):
            raise ValueError("availability: registry is for a stack with an image that has no recipe")
        return self


class Stack(Strict):
    """``stack.yaml``."""

    api_version: Literal["mlstack/v1alpha1"]
    kind: Literal["Stack", "Addon"]
    metadata: Metadata
    spec: StackSpec


class PatchTarget(Strict):
    """Which objects a patch is for: globs on kind, name, namespace; empty matches all."""

    kind: str
    name: str = "*"
    namespace: str = "*"


class PatchOp(Strict):
    """One structured change. path: ``spec.template.spec.containers[name=main].image`` (list items by key or index).

    set replaces or adds; copyOf does so with what is at another path of the same object; merge is a deep merge of mappings;
    append adds to a list; remove deletes.
    Values may hold Jinja2. when: a Jinja2 expression over params.
    """

    path: str
    set: Any = None
    merge: dict[str, Any] | None = None
    append: list[Any] | None = None
    remove: bool = False
    copy_of: str = ""


class Patch(Strict):
    """A patch of parsed objects; a target that matches nothing is an error unless ``optional``."""

    target: PatchTarget
    ops: list[PatchOp] = []
    drop: bool = False
    """Removes the object itself."""
    when: str = ""
    optional: bool = False
