"""From the configuration to what is wanted: the selection, what rendering may know, the cluster, the whole target."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.adapters.freeport import free_port
from mlstack.app.identity import auth_facts
from mlstack.core.certmanager import TlsFacts
from mlstack.core.config import Resolved
from mlstack.core.context import ExternalFacts, NetworkFacts, ProviderFacts, RenderFacts
from mlstack.core.desired import Wanted
from mlstack.core.errors import Place
from mlstack.core.model import ClusterSpec, Mount, PortMapping
from mlstack.core.publish import publish
from mlstack.core.resolve import Choice, Selection, resolve
from mlstack.core.routes import GATEWAY
from mlstack.core.stackfile import Endpoint

if TYPE_CHECKING:
    from mlstack.app.session import Session

DEFAULT_INSTANCE = "mlstack"
"""The instance that takes the endpoints' customary ports; others get free ones."""
VOLUMES = "volumes"
"""Directory of an instance that holds its retained volumes; every node sees it."""


def select(session: Session) -> Selection:
    """The chosen stacks. Raises Problems (``config.stacks``)."""
    config, resolved = session.config, session.resolved
    choices = {
        name: Choice(
            version=stack.version,
            params=stack.params,
            enabled=stack.enabled,
            place=resolved.place_of((part, name)),
            param_place=partial(_param_place, resolved, part, name),
        )
        for part, stacks in (("stacks", config.stacks), ("addons", config.addons))
        for name, stack in stacks.items()
    }
    return resolve(session.catalogue, session.release, config.profile, choices, source=config.artifacts.source)


def _param_place(resolved: Resolved, part: str, name: str, param: str) -> Place:
    return resolved.place_of((part, name, "params", param))


def render_facts(session: Session) -> RenderFacts:
    """What rendering may know of this instance."""
    config = session.config
    own = config.provider.type == "kind"
    provider = ProviderFacts(
        type=config.provider.type,
        architecture=session.host.info().architecture,
        node_ports=own,
        pod_cidr=ProviderFacts().pod_cidr if own else "",
        storage_class="" if own else config.provider.existing.storage_class,
    )
    network = config.network
    authorities = Path(network.ca).read_text() if network.ca else ""
    proxies = NetworkFacts(network.proxy.http, network.proxy.https, ",".join(network.proxy.no), authorities)
    issuer = config.tls.issuer_ref
    tls = TlsFacts(config.tls.issuer, issuer.name, issuer.kind, issuer.group)
    return RenderFacts(session.name, provider, proxies, external(session), auth_facts(session), tls=tls)


def external(session: Session) -> ExternalFacts:
    """Where users reach the gateway: as configured, else this host under the instance's name, at the published port."""
    gateway = session.config.gateway
    published = {mapping.name: mapping.host_port for mapping in session.ports}
    addresses = {mapping.address for mapping in session.ports if mapping.name == GATEWAY} - {"0.0.0.0", "::"}  # noqa: S104
    return ExternalFacts(
        gateway.host or f"{session.name}.localhost",
        gateway.port or published.get(GATEWAY, 443),
        tuple(sorted(addresses)),
    )


def endpoints(session: Session) -> Iterator[tuple[Endpoint, bool]]:
    """Every published endpoint of the release, with whether its stack is on; those that are on come first."""
    enabled = {chosen.entry.name: chosen.entry for chosen in session.selection.stacks}
    for entry in enabled.values():
        yield from ((endpoint, True) for endpoint in entry.document.spec.endpoints)
    spec = session.release.spec
    for name, version in {**spec.stacks, **spec.addons}.items():
        if name not in enabled:
            yield from ((point, False) for point in session.catalogue.entry(name, version).document.spec.endpoints)


def ports(session: Session) -> tuple[PortMapping, ...]:
    """The host ports of the cluster: those it was made with, else those it will be made with; none of an existing one."""
    if session.config.provider.type != "kind":
        return ()
    kind = session.config.provider.kind
    return publish(
        endpoints(session),
        kind.ports,
        session.choices.ports,
        free_port,
        address=kind.address,
        own_ports=session.name == DEFAULT_INSTANCE,
    )


def cluster_spec(session: Session) -> ClusterSpec:
    """The cluster that is wanted."""
    config = session.config
    kind = config.provider.kind
    if config.provider.type != "kind":
        options = config.provider.existing.model_dump()
        return ClusterSpec(session.name, session.release.spec.kubernetes, options=options)
    own = [Mount(str(session.directory / VOLUMES), path)] if (path := retained_path(session)) else []
    return ClusterSpec(
        instance=session.name,
        kubernetes=session.release.spec.kubernetes,
        nodes=kind.nodes,
        node_image=kind.node_image or session.node.spec.image.ref,
        ports=session.ports,
        mounts=(*own, *(Mount(mount.host, mount.node, mount.read_only) for mount in kind.mounts)),
        memory=kind.memory,
        cpus=kind.cpus,
        options=kind.model_dump(),
    )


def retained_path(session: Session) -> str:
    """Where the nodes keep retained volumes, by the ``volumes`` capability's exports; empty when no stack says."""
    for chosen in session.selection.stacks:
        exports = chosen.entry.document.spec.exports.get("volumes", {})
        if "retainedPath" in exports:
            from mlstack.core.sample import stack_context

            context = stack_context(session.selection, chosen, session.render_facts)
            return str(context["exports"]["volumes"]["retainedPath"])
    return ""


def wanted(session: Session) -> Wanted:
    """The whole target."""
    own = session.config.provider.type == "kind"
    pulled = bool(session.config.provider.kind.node_image)
    return Wanted(
        cluster=session.spec,
        stacks=session.stacks,
        node_image=session.node.spec.image.ref if own and not pulled else "",
        tools=tuple(tool.name for tool in session.node.spec.tools) if own else (),
        renew=session.renew,
    )
