"""Handlers below the objects: host, artifacts, cluster."""

from __future__ import annotations

from mlstack.core.actions import (
    CreateCluster,
    DeleteCluster,
    LoadImage,
    ObtainImage,
    ObtainTool,
    RunPlaybook,
    StartCluster,
    StopCluster,
)
from mlstack.core.errors import MlstackError
from mlstack.engine.context import Context
from mlstack.engine.done import Done
from mlstack.engine.inventory import read_inventories
from mlstack.engine.observe import observe_objects


def run_playbook(context: Context, action: RunPlaybook) -> Done:
    """Runs a playbook on its hosts."""
    result = context.ports.playbooks.run(
        action.playbook, action.variables, context.emit, action.id, hosts=action.hosts, cancelled=context.cancelled
    )
    if not result.ok:
        raise result.error or MlstackError(
            "host.playbook", f"The playbook {action.playbook} failed", remedy="Run the command again with --verbose."
        )
    return Done(result.changed > 0, ", ".join(result.changes))


def obtain_image(context: Context, action: ObtainImage) -> Done:
    """Brings an image into the store."""
    record = context.ports.images.obtain(action.ref, context.emit, action.id, context.cancelled)
    return Done(True, f"{record.source.value}, {record.size / 1e6:.0f} MB")


def obtain_tool(context: Context, action: ObtainTool) -> Done:
    """Brings a host program into the store."""
    context.ports.images.tool(action.tool, context.emit, action.id, context.cancelled)
    return Done()


def create_cluster(context: Context, action: CreateCluster) -> Done:
    """Makes the cluster and takes the writer's Lease in it."""
    context.access.abandon()
    context.ports.provider.create(action.spec, context.emit, action.id, context.cancelled)
    context.access.writer()
    return Done()


def start_cluster(context: Context, action: StartCluster) -> Done:
    """Starts a stopped cluster, takes the writer's Lease in it and reads what is there, which the plan could not know."""
    context.access.abandon()
    context.ports.provider.start(context.spec, context.emit, action.id, context.cancelled)
    kube = context.access.writer()
    context.inventories, context.blind = read_inventories(kube, context.instance), True
    context.live = observe_objects(kube, context.instance, (), context.inventories)
    return Done()


def stop_cluster(context: Context, action: StopCluster) -> Done:
    """Stops the cluster. The Lease is given back first, so that the next start finds none."""
    context.access.close()
    context.ports.provider.stop(context.spec, context.emit, action.id)
    return Done()


def delete_cluster(context: Context, action: DeleteCluster) -> Done:
    """Deletes the cluster with all it holds, the Lease too."""
    context.access.abandon()
    context.ports.provider.delete(context.spec, context.emit, action.id)
    if action.purge:
        context.ports.provider.purge()
    return Done()


def load_image(context: Context, action: LoadImage) -> Done:
    """Loads a stored image into the nodes."""
    record = context.ports.images.cached(action.ref)
    if record is None:
        record = context.ports.images.obtain(action.ref, context.emit, action.id, context.cancelled)
    changed = context.ports.provider.load_image(context.spec, record, context.emit, action.id)
    return Done(changed, f"{record.size / 1e6:.0f} MB")
