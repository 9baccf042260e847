"""From what is wanted and what is there to a plan of typed actions. Pure: the same inputs give the same plan."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from mlstack.core.actions import Action, DeleteCluster, Plan, RunPlaybook, StartCluster, StopCluster, Wait
from mlstack.core.desired import Facts, RenderedStack, Wanted
from mlstack.core.model import ClusterState, ResourceId
from mlstack.core.plan_base import ANYTHING, Abilities, Draft, foreign, ident, unique
from mlstack.core.plan_cluster import plan_cluster, plan_engine, plan_images
from mlstack.core.plan_objects import plan_objects
from mlstack.core.plan_prune import plan_deletion, plan_prune
from mlstack.core.readiness import has_rule

__all__ = ["Abilities", "HostEnd", "plan_down", "plan_start", "plan_stop", "plan_up"]


def plan_up(wanted: Wanted, facts: Facts, abilities: Abilities = ANYTHING, command: str = "up") -> Plan:
    """What brings the target from what is there to what is wanted; serves up, upgrade, enable and disable.

    Raises MlstackError: cluster.foreign, cluster.broken, plan.cycle, plan.empty-render, plan.wait-target, plan.provider,
    plan.duplicate.
    On a cluster that is absent or stopped nothing is known of its objects, so all are applied.
    """
    wanted = unique(wanted)
    draft = Draft(wanted.cluster.instance, command, facts)
    cluster = plan_cluster(draft, wanted, abilities)
    loads = plan_images(draft, wanted, cluster) if abilities.loads_images else {}
    parts = plan_objects(draft, wanted, cluster, loads)
    plan_prune(draft, wanted, cluster, parts)
    return draft.finish()


class HostEnd(StrEnum):
    """What becomes of the host when the platform goes; the value is the playbook that sees to it."""

    KEEP = ""
    STOP_ENGINE = "engine-stop.yml"
    UNDO = "host-undo.yml"


def plan_down(
    instance: str,
    facts: Facts,
    abilities: Abilities = ANYTHING,
    *,
    purge: bool = False,
    host: HostEnd = HostEnd.KEEP,
) -> Plan:
    """Takes the platform away: the whole cluster where it is ours, else our objects in reverse order.

    purge: node images go as well, on a cluster that is not ours volumes and namespaces. host: what is done to the host
    at the end. Raises MlstackError cluster.foreign.
    """
    draft = Draft(instance, "down", facts)
    needs = _delete_cluster(draft, instance, purge) if abilities.makes_cluster else plan_deletion(draft, purge)
    if host is HostEnd.UNDO or (host is HostEnd.STOP_ENGINE and facts.host.engine):
        undo = host is HostEnd.UNDO
        draft.add(
            RunPlaybook(
                id="host:undo" if undo else "host:stop-engine",
                title="Undo the changes to the host" if undo else "Stop the container engine if mlstack started it",
                group="host",
                needs=frozenset(needs),
                why="asked for" if undo else "no instance is left",
                playbook=host.value,
            )
        )
    return draft.finish()


def _delete_cluster(draft: Draft, instance: str, purge: bool) -> set[str]:
    state, title = draft.facts.cluster.state, "Delete the cluster"
    if state is ClusterState.FOREIGN:
        raise foreign(draft.facts)
    if state is ClusterState.ABSENT:
        draft.notes.append("There is no cluster.")
        if not (purge and draft.facts.host.engine):
            return set()
        title = "Remove what is left of the cluster"
    action = DeleteCluster(
        id="cluster:delete", title=title, group="cluster", why=state.value, instance=instance, purge=purge
    )
    return {draft.add(action)}


def plan_stop(instance: str, facts: Facts) -> Plan:
    """Stops a running cluster. Raises MlstackError cluster.foreign."""
    draft = Draft(instance, "stop", facts)
    if facts.cluster.state is ClusterState.FOREIGN:
        raise foreign(facts)
    if facts.cluster.state is ClusterState.RUNNING:
        draft.add(
            StopCluster(
                id="cluster:stop", title="Stop the cluster", group="cluster", why="asked for", instance=instance
            )
        )
    else:
        draft.notes.append(f"The cluster is {facts.cluster.state.value}; there is nothing to stop.")
    return draft.finish()


def plan_start(instance: str, facts: Facts, stacks: Sequence[RenderedStack] = ()) -> Plan:
    """Starts engine and cluster again and waits for the workloads of ``stacks``; applies nothing.

    Raises MlstackError cluster.foreign. An absent cluster is not made: the plan is empty then and says so.
    """
    draft = Draft(instance, "start", facts)
    state = facts.cluster.state
    if state is ClusterState.FOREIGN:
        raise foreign(facts)
    needs = plan_engine(draft)
    if state is ClusterState.ABSENT:
        draft.notes.append("There is no cluster to start; `mlstack up` makes one.")
        return draft.finish()
    if state is not ClusterState.RUNNING:
        needs |= {
            draft.add(
                StartCluster(
                    id="cluster:start",
                    title="Start the cluster",
                    group="cluster",
                    needs=frozenset(needs),
                    why=facts.cluster.detail or state.value,
                    instance=instance,
                )
            )
        }
    for stack in stacks:
        for action in _waits(stack, frozenset(needs), facts, fresh=state is not ClusterState.RUNNING):
            draft.add(action)
    return draft.finish()


def _waits(stack: RenderedStack, needs: frozenset[str], facts: Facts, fresh: bool) -> list[Action]:
    actions: list[Action] = []
    for obj in stack.objects:
        rid = ResourceId.of(obj)
        if not has_rule(rid.kind) or rid.kind == "CustomResourceDefinition":
            continue
        live = facts.live.get(rid)
        if fresh or live is None or not live.ready:
            why = "the cluster was started" if fresh else "not ready"
            actions.append(
                Wait(
                    id=f"wait:{ident(rid)}",
                    title=f"Wait for {rid}",
                    group=stack.name,
                    needs=needs,
                    why=why,
                    resource=rid,
                )
            )
    return actions
