"""What an object was when it was applied, to tell older states of it apart."""

from __future__ import annotations

from dataclasses import dataclass

from mlstack.core.model import Object


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the object was when it was applied; an older state seen in a watch does not count."""

    uid: str = ""
    generation: int = 0

    def covers(self, obj: Object) -> bool:
        """True for a state at least as new as this one."""
        metadata = obj["metadata"]
        same = not self.uid or metadata.get("uid") == self.uid
        return bool(same and metadata.get("generation", self.generation) >= self.generation)
