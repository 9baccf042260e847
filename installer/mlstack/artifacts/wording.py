"""What is said of where an image comes from and how it is made: why a source is taken, that none has it, a tool's lines."""

from __future__ import annotations

from collections.abc import Callable

from mlstack.artifacts.gorun import Progress
from mlstack.core.errors import MlstackError
from mlstack.core.model import ImageSource


def because(source: ImageSource, wanted: ImageSource) -> str:
    """Why this source. wanted: the one that is configured for the image."""
    if wanted is not ImageSource.AUTO:
        return "as configured (artifacts.source)"
    return {
        ImageSource.REGISTRY: "its registry answers",
        ImageSource.BUNDLE: "a bundle has it",
        ImageSource.BUILD: "built from released packages",
    }[source]


def unobtainable(ref: str, failures: list[tuple[ImageSource, MlstackError]]) -> MlstackError:
    """The error for an image after every source failed."""
    last = failures[-1][1]
    reasons = [f"{source}: {error.what}{f' ({error.why})' if error.why else ''}" for source, error in failures]
    if last.code == "image.no-source":
        remedy = "allow another source (artifacts.source), pin a digest or add a recipe, or connect to the registry"
    else:
        remedy = last.remedy
    return MlstackError(
        "image.unobtainable", f"No source has {ref}", why="\n".join(reasons), remedy=remedy, see=last.see
    )


def lines_to(progress: Progress, what: str) -> Callable[[str], None]:
    """A listener for a tool's lines that shows the telling ones as progress."""

    def line(text: str) -> None:
        shown = text.removeprefix("I: ").strip()
        if text.startswith(("I: ", "Collecting ", "Downloading ", "Installing ", "Get:")):
            progress(f"{what}: {shown[:120]}", 0, 0, "")

    return line
