"""Image recipes: how an image or a host program is made from released packages. Store keys are hashes of these."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from mlstack.core.documentmodel import Grown, Strict

Mode = Annotated[str, StringConstraints(pattern=r"^[0-7]{3,4}$")]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


CONTENT = "{content}"
"""The part of an image's reference that stands for the hash of its own packages."""


class Restore(Grown):
    """A file that a module zip lacks: copied from another file of the same module (a symlink upstream), or with the content
    given here (what upstream's build generates and the program only needs to find)."""

    LATE = ("content",)

    module: str
    source: Annotated[str, Field(alias="from")] = ""
    content: str = ""
    target: Annotated[str, Field(alias="to")]

    @model_validator(mode="after")
    def _one_origin(self) -> Restore:
        if bool(self.source) == bool(self.content):
            raise ValueError("give either from or content")
        return self


class GoProgram(Strict):
    """Go main packages built in one ``go build`` from a committed lock (``stacks/locks/go/<lock>``, ``-mod=readonly``).

    packages: program name -> import path; a path beginning with ``./`` is inside the lock directory.
    variables: linker ``-X`` symbol -> constant value. to: directory of the image that gets the programs.
    static: with cgo, links the C libraries in too (``-linkmode external -extldflags -static``), so that the program does
    not depend on the C library of the host it was built on.
    """

    lock: str
    packages: dict[str, str] = Field(min_length=1)
    variables: dict[str, str] = {}
    tags: list[str] = []
    cgo: bool = False
    static: bool = False
    restore: list[Restore] = []
    to: AbsolutePath = "/usr/local/bin"


class DebianSuite(Strict):
    """One apt source. check_valid_until false is for suites whose Release file may be older than the clock likes."""

    suite: str
    components: list[str] = ["main"]
    check_valid_until: bool = True
    mirror: str = ""
    """Empty: the host's configured Debian mirror, or Debian's default."""


class Archive(Strict):
    """A zip or tar of the stack's ``sources``, unpacked. prefix: the directory in it whose content goes to ``to``, which must be
    there; exclude: globs of paths below it left out. Files are executable where the archive says so, times are dropped."""

    source: str
    to: AbsolutePath
    prefix: str = ""
    exclude: list[str] = []
    user: int = 0
    group: int = 0


class DebianRoot(Grown):
    """A root file system made by mmdebstrap. exclude: dpkg path-exclude globs; commands: run in the root by ``sh -e``.

    archives: unpacked into the root before the commands run.
    """

    LATE = ("archives",)

    suites: list[DebianSuite] = Field(min_length=1)
    variant: Literal["minbase", "essential", "extract", "custom", "apt"] = "minbase"
    packages: list[str] = []
    exclude: list[str] = []
    remove: list[str] = []
    """Paths (globs; all below a match too) deleted from the finished root."""
    archives: list[Archive] = []
    commands: list[str] = []


class DebFiles(Strict):
    """Files out of a Debian package's archive: path in the package -> path in the image. Dependencies are not installed."""

    package: str
    suite: DebianSuite
    files: dict[str, AbsolutePath]
    mode: Mode = "755"


class WheelFiles(Strict):
    """Files out of a wheel, pinned by hash per architecture: path in the wheel -> path in the image."""

    name: str
    version: str
    sha256: dict[str, Sha256]
    files: dict[str, AbsolutePath]
    mode: Mode = "755"


class PythonPackages(Strict):
    """Python packages installed by pip from a committed lock with hashes (``stacks/locks/python/<lock>.txt``).

    to: ``--target`` directory, on PYTHONPATH of the image by ``env``. trim: globs deleted afterwards (tests).
    python: the interpreter's version the wheels are for (that of the base image).
    """

    lock: str
    python: str = "3.11"
    to: AbsolutePath = "/opt/python"
    trim: list[str] = ["**/tests", "**/__pycache__"]


class NpmPackages(Strict):
    """Packages installed by npm from a committed lock (``stacks/locks/npm/<lock>/``: package.json, package-lock.json).

    Scripts of packages are never run. to: the directory that gets ``node_modules``. trim: globs below that deleted afterwards.
    """

    lock: str
    to: AbsolutePath
    trim: list[str] = []


class Compiled(Strict):
    """Files made by commands in a Debian root that is thrown away: a compiler that makes them does not get into the image.

    root: where the commands run; npm: packages put into it before. node: the root's directory that has Node.js with its headers
    and node-gyp meanwhile. take: path of the root -> where it goes in the image, with all below a directory.
    """

    root: DebianRoot
    npm: list[NpmPackages] = []
    node: AbsolutePath = "/opt/node"
    take: dict[AbsolutePath, AbsolutePath] = Field(min_length=1)


class OwnPackages(Strict):
    """Python packages of this program put into an image as they are, without their tests, below ``to``.

    names: dotted package names beside ``mlstack``; a subpackage brings the ``__init__.py`` of those above it.
    """

    names: list[Annotated[str, StringConstraints(pattern=r"^mlstack[a-z_]*(\.[a-z_]+)*$")]] = Field(min_length=1)
    to: AbsolutePath = "/opt/mlstack"


class ImageFile(Strict):
    """One entry of the last layer: exactly one of content, source, link, directory.

    source: ``<source name>:<path inside it>`` of the stack's ``sources``; one that ends with ``/**`` is all that is below that
    directory, put below ``path``. file: path beside the stack file.
    """

    path: AbsolutePath
    content: str | None = None
    source: str | None = None
    file: str | None = None
    link: str | None = None
    directory: bool = False
    mode: Mode = "644"
    user: int = 0
    group: int = 0


class Build(Grown):
    """Layers from bottom to top: base, debian, debs, wheels, python, compiled, packages, go, files; then
    the image's configuration."""

    LATE = ("packages", "compiled")

    base: str = "scratch"
    """``scratch`` or a shared base recipe's name (``stacks/bases/<name>.yaml``); its layers are stored once."""
    debian: DebianRoot | None = None
    debs: list[DebFiles] = []
    wheels: list[WheelFiles] = []
    python: PythonPackages | None = None
    compiled: list[Compiled] = []
    packages: OwnPackages | None = None
    go: list[GoProgram] = []
    files: list[ImageFile] = []
    user: str = ""
    entrypoint: list[str] = []
    command: list[str] = []
    env: dict[str, str] = {}
    workdir: str = ""
    ports: list[int] = []
    volumes: list[str] = []
    stop_signal: str = ""
    labels: dict[str, str] = {}


class Image(Strict):
    """An image a stack uses. digests: architecture -> manifest digest for the registry backend, written by ``dev lock``.

    build: how to make it where no registry answers. One with neither is taken by its tag, which only a stack that says
    ``availability: registry`` may have; what its registry gave the first time is kept.
    ref: ends with ``{content}`` where the image holds own packages: whoever reads the document puts their hash there, so
    that a change of code is another image to every node and every pod template.
    """

    ref: str
    digests: dict[str, Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]] = {}
    build: Build | None = None

    @model_validator(mode="after")
    def _named_by_content(self) -> Image:
        if bool(self.build and self.build.packages) != self.ref.endswith(CONTENT):
            raise ValueError(f"a reference ends with {CONTENT} exactly where the recipe has packages of this program")
        return self

    def filled(self, content: str) -> Image:
        """The image with ``{content}`` of its reference filled in."""
        return self.model_copy(update={"ref": self.ref.replace(CONTENT, content)})


def fingerprint(*parts: object) -> str:
    """Hash of anything made of models, containers and scalars; the same data gives the same hash on every host."""

    def plain(value: object) -> object:
        return value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else str(value)

    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=plain)
    return hashlib.sha256(text.encode()).hexdigest()
