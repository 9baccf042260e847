"""Whether the images that only a registry has can be had, asked before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlstack.core.fitting import from_registry_only, without_source

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.errors import MlstackError


def published_problems(session: Session) -> list[MlstackError]:
    """A problem for each chosen stack with ``availability: registry`` of which an image is in no source in force.

    Nodes that are not ours take their images from registries themselves; what they reach cannot be told from here.
    """
    if not session.abilities.loads_images:
        return []
    found = []
    for chosen in session.selection.stacks:
        if from_registry_only(chosen.entry):
            bare = [image.ref for image in chosen.entry.document.spec.images if not image.build]
            missing = {why: ref for ref in reversed(bare) if (why := session.artifacts.images.lacking(ref))}
            if missing:
                found.append(without_source(chosen.entry, "; ".join(f"{ref}: {why}" for why, ref in missing.items())))
    return found
