"""What the parts of planning share: the draft that collects actions, names of actions, what a provider is able to do. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mlstack.core.actions import Action, Plan
from mlstack.core.desired import Facts, LiveObject, Wanted
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import SYSTEM_NAMESPACE, Object, ResourceId
from mlstack.core.order import sorted_ids

APPLYSET_ID, APPLYSET_MEMBER = "applyset.kubernetes.io/id", "applyset.kubernetes.io/part-of"

Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a provider can do. makes_cluster: the cluster is ours to create, stop and delete; loads_images: images can be
    put into its nodes (else the nodes pull them from registries by themselves)."""

    makes_cluster: bool = True
    loads_images: bool = True


ANYTHING = Abilities()


def ident(rid: ResourceId) -> str:
    """The id of an object inside action ids: like ``str()``, with the group where two kinds of one name could meet."""
    group = rid.group
    if "." not in group or group.endswith(".k8s.io"):
        return str(rid)
    return str(replace(rid, kind=f"{rid.kind}.{group}"))


def key_of(rid: ResourceId) -> Key:
    """Names an object whatever version of its API it is written in."""
    return (rid.group, rid.kind, rid.namespace, rid.name)


def inventory_name(instance: str, stack: str) -> str:
    """The name of the Secret that holds a stack's inventory."""
    return f"mlstack-inventory-{instance}-{stack}"


def applyset_id(instance: str, stack: str) -> str:
    """The ApplySet id of a stack's inventory, as the ApplySet specification derives it from the parent object."""
    hashed = hashlib.sha256(f"{inventory_name(instance, stack)}.{SYSTEM_NAMESPACE}.Secret.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(hashed).decode().rstrip('=')}-v1"


def foreign(facts: Facts) -> MlstackError:
    """The error for a cluster of our name that mlstack did not make."""
    return MlstackError(
        "cluster.foreign",
        "A cluster of that name exists and mlstack did not make it",
        why=facts.cluster.detail,
        remedy="Choose another name with --name, or delete that cluster with the tool that made it.",
        exit_code=ExitCode.PREFLIGHT,
    )


def unique(wanted: Wanted) -> Wanted:
    """The target with each object in one stack only: a Namespace belongs to the first stack that names it.

    Raises MlstackError plan.duplicate when two stacks render any other object of one name.
    """
    owner: dict[Key, str] = {}
    stacks = []
    for stack in wanted.stacks:
        mine: list[Object] = []
        for obj in stack.objects:
            rid = ResourceId.of(obj)
            first = owner.setdefault(key_of(rid), stack.name)
            if first == stack.name:
                mine.append(obj)
            elif rid.kind != "Namespace":
                raise MlstackError(
                    "plan.duplicate",
                    f"{rid} is in two stacks: {first} and {stack.name}",
                    remedy="Rename it in one of them, or leave it out with a patch.",
                    exit_code=ExitCode.USAGE,
                )
        stacks.append(stack if len(mine) == len(stack.objects) else replace(stack, objects=tuple(mine)))
    return replace(wanted, stacks=tuple(stacks))


@dataclass(slots=True)
class Draft:
    """A plan in the making."""

    instance: str
    command: str
    facts: Facts
    actions: dict[str, Action] = field(default_factory=dict)
    unchanged: list[ResourceId] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    live: dict[Key, LiveObject] = field(init=False)
    """The live objects, by the key that ignores API versions."""

    def __post_init__(self) -> None:
        self.live = {key_of(rid): live for rid, live in self.facts.live.items()}

    def add(self, action: Action) -> str:
        """Takes an action in and gives its id; the same id twice is a fault of the planner."""
        if action.id in self.actions and self.actions[action.id] != action:
            raise ValueError(f"two different actions are named {action.id}")
        self.actions[action.id] = action
        return action.id

    def finish(self) -> Plan:
        """The plan in dependency order. Needs that are not in the plan are met already and are dropped."""
        needs: Mapping[str, Iterable[str]] = {
            key: [need for need in action.needs if need in self.actions] for key, action in self.actions.items()
        }
        ordered = tuple(replace(self.actions[key], needs=frozenset(needs[key])) for key in sorted_ids(needs))
        return Plan(self.instance, self.command, ordered, tuple(self.unchanged), tuple(self.notes))
