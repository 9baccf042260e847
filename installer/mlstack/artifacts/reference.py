"""Image references: registry, repository, tag and digest, with Docker's defaults filled in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlstack.core.errors import ExitCode, MlstackError

DOCKER_HUB = "docker.io"
_PATTERN = re.compile(
    r"^(?:(?P<registry>(?:[a-zA-Z0-9-]+\.)+[a-zA-Z0-9-]+(?::\d+)?|localhost(?::\d+)?|[a-zA-Z0-9-]+:\d+|\[[0-9a-fA-F:]+\](?::\d+)?)/)?"
    r"(?P<repository>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?$"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference; digest is empty when the reference has none."""

    registry: str
    repository: str
    tag: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else self.name

    @property
    def name(self) -> str:
        """``registry/repository:tag``, the name runtimes know the image by."""
        return f"{self.registry}/{self.repository}:{self.tag}"


def parse_reference(text: str) -> Reference:
    """Parses ``quay.io/a/b:1`` or ``busybox``. Raises image.bad-reference."""
    match = _PATTERN.match(text)
    if not match:
        raise MlstackError(
            "image.bad-reference",
            f"'{text}' is not an image reference",
            remedy="write it as registry/repository:tag",
            exit_code=ExitCode.USAGE,
        )
    registry = match["registry"] or DOCKER_HUB
    repository = match["repository"]
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(registry, repository, match["tag"] or "latest", match["digest"] or "")
