"""The part of a plan below the objects: host, tools, images, the cluster itself. Pure."""

from __future__ import annotations

from mlstack.core.actions import (
    CreateCluster,
    DeleteCluster,
    LoadImage,
    ObtainImage,
    ObtainTool,
    RunPlaybook,
    StartCluster,
)
from mlstack.core.desired import Wanted
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import ClusterState
from mlstack.core.plan_base import Abilities, Draft, foreign


def plan_engine(draft: Draft) -> set[str]:
    """The host playbook, when the host lacks something or its engine does not answer. Gives the ids to wait for."""
    host = draft.facts.host
    if host.changes:
        why, title = "; ".join(host.changes), "Prepare the host"
    elif not host.engine:
        why, title = "the container engine does not answer", "Start the container engine"
    else:
        return set()
    action = RunPlaybook(id="host:prepare", title=title, group="host", why=why, playbook="host.yml")
    return {draft.add(action)}


def plan_cluster(draft: Draft, wanted: Wanted, abilities: Abilities) -> set[str]:
    """Host, tools, node image and cluster; gives the ids that everything inside the cluster waits for."""
    state = draft.facts.cluster.state
    if not abilities.makes_cluster:
        if state is not ClusterState.RUNNING:
            raise _unreachable(draft)
        return set()
    if state is ClusterState.FOREIGN:
        raise foreign(draft.facts)
    host = plan_engine(draft)
    tools = {_tool(draft, tool, host) for tool in wanted.tools if tool not in draft.facts.cached}
    if state is ClusterState.RUNNING:
        return host
    if state is ClusterState.STOPPED:
        action = StartCluster(
            id="cluster:start",
            title="Start the cluster",
            group="cluster",
            needs=frozenset(host | tools),
            why=draft.facts.cluster.detail or "it is stopped",
            instance=wanted.cluster.instance,
        )
        return {draft.add(action)}
    return {_create(draft, wanted, host, tools)}


def _create(draft: Draft, wanted: Wanted, host: set[str], tools: set[str]) -> str:
    needs, why = host | tools, "there is none"
    if draft.facts.cluster.state is ClusterState.BROKEN:
        needs = needs | {_delete_broken(draft, wanted, host)}
        why = "an earlier run was ended while it made the cluster"
    if wanted.node_image and wanted.node_image not in draft.facts.cached:
        needs = needs | {obtain_image(draft, wanted.node_image, host, "node image for the new cluster")}
    action = CreateCluster(
        id="cluster:create",
        title="Create the cluster",
        group="cluster",
        needs=frozenset(needs),
        why=why,
        spec=wanted.cluster,
    )
    return draft.add(action)


def _delete_broken(draft: Draft, wanted: Wanted, host: set[str]) -> str:
    if not draft.facts.half_made:
        raise MlstackError(
            "cluster.broken",
            "The cluster cannot be started",
            why=draft.facts.cluster.detail,
            remedy="Save what you need of its data, then run `mlstack down` and `mlstack up`.",
            exit_code=ExitCode.PREFLIGHT,
        )
    action = DeleteCluster(
        id="cluster:delete",
        title="Delete the half-made cluster",
        group="cluster",
        needs=frozenset(host),
        why=draft.facts.cluster.detail or "it was never finished",
        instance=wanted.cluster.instance,
    )
    return draft.add(action)


def _unreachable(draft: Draft) -> MlstackError:
    return MlstackError(
        "cluster.unreachable",
        "The cluster cannot be used",
        why=draft.facts.cluster.detail or draft.facts.cluster.state.value,
        remedy="Check the kubeconfig and that its API server answers (`kubectl get nodes`).",
        exit_code=ExitCode.PREFLIGHT,
    )


def _tool(draft: Draft, tool: str, host: set[str]) -> str:
    action = ObtainTool(
        id=f"tool:{tool}",
        title=f"Obtain {tool}",
        group="images",
        needs=frozenset(host),
        why="not in the store",
        tool=tool,
    )
    return draft.add(action)


def obtain_image(draft: Draft, ref: str, host: set[str], why: str) -> str:
    """Plans an image into the store and gives the action's id."""
    action = ObtainImage(
        id=f"image:{ref}", title=f"Obtain {ref}", group="images", needs=frozenset(host), why=why, ref=ref
    )
    return draft.add(action)


def plan_images(draft: Draft, wanted: Wanted, cluster: set[str]) -> dict[str, str]:
    """Loads every stack's images that the nodes lack; gives image ref -> id of its LoadImage."""
    facts = draft.facts
    there = facts.cluster.images if facts.cluster.state in (ClusterState.RUNNING, ClusterState.STOPPED) else frozenset()
    host = {"host:prepare"} & draft.actions.keys()
    loads: dict[str, str] = {}
    for stack in wanted.stacks:
        for image in stack.images:
            if image.ref in there or image.ref in loads:
                continue
            needs = set(cluster)
            if image.ref not in facts.cached:
                needs.add(obtain_image(draft, image.ref, host, f"{stack.name} runs it; not in the store"))
            loads[image.ref] = draft.add(
                LoadImage(
                    id=f"load:{image.ref}",
                    title=f"Load {image.ref}",
                    group="images",
                    needs=frozenset(needs),
                    why=f"{stack.name} runs it; not in the nodes",
                    ref=image.ref,
                )
            )
    return loads
