"""Puts the artifact backends together from plain values: the one constructor that the composition root calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlstack.artifacts.build import Bases, ImageBuilder, Preloaded
from mlstack.artifacts.bundle import Bundles
from mlstack.artifacts.compiled import Compiler
from mlstack.artifacts.compileslot import CompileSlot
from mlstack.artifacts.context import ImageContext
from mlstack.artifacts.debian import Debian
from mlstack.artifacts.golang import GoBuilder
from mlstack.artifacts.goproxy import GoProxy
from mlstack.artifacts.gotoolchain import Toolchains
from mlstack.artifacts.images import ImageBackends
from mlstack.artifacts.layers import LayerCache
from mlstack.artifacts.npm import NpmInstaller
from mlstack.artifacts.parts import Makers
from mlstack.artifacts.pythonpkgs import PythonInstaller
from mlstack.artifacts.registry import Registry, RegistryClient
from mlstack.artifacts.settings import ArtifactSettings
from mlstack.artifacts.sources import Sources
from mlstack.artifacts.store import Store
from mlstack.artifacts.tools import Tools
from mlstack.artifacts.wheels import Wheels, host_architecture
from mlstack.artifacts.wheeltree import WheelTrees
from mlstack.core.model import Paths
from mlstack.core.ports import Download, Shell
from mlstack.core.recipe import GoProgram
from mlstack.core.releasefile import Node
from mlstack.core.toolrecipe import Tool


def node_contexts(node: Node, directory: Path) -> dict[str, ImageContext]:
    """Contexts of a node recipe: the images it holds, then the node image; they compile before all others."""
    spec = node.spec
    held = {image.ref: ImageContext(image, directory, spec.sources, rank=0) for image in spec.preload}
    refs = tuple(held)
    own = ImageContext(spec.image, directory, spec.sources, refs, spec.preload_to if refs else "", rank=0)
    return {**held, spec.image.ref: own}


def make_sources(
    paths: Paths, shell: Shell, download: Download, warn: Callable[[str], None], goproxy: str = ""
) -> Sources:
    """Upstream sources, for rendering as well as for builds."""
    proxy = GoProxy(download, shell, paths.downloads, paths.go / "mod", goproxy)
    return Sources(proxy, download, paths.downloads, Store(paths.store, warn))


def make_backends(
    contexts: Mapping[str, ImageContext],
    tools: Mapping[str, Tool],
    paths: Paths,
    shell: Shell,
    download: Download,
    client: RegistryClient,
    settings: ArtifactSettings | None = None,
    warn: Callable[[str], None] = lambda _text: None,
) -> ImageBackends:
    """The ``Images`` port over every backend. warn: takes a line for the user when something damaged was dropped.

    contexts: the images in question by ref; programs of all of them that share a lock are built together.
    """
    chosen = settings or ArtifactSettings()
    architecture = chosen.architecture or host_architecture()
    store = Store(paths.store, warn)
    bases = Bases(paths.data / "stacks" / "bases")
    sources = make_sources(paths, shell, download, warn, chosen.goproxy)
    makers = _makers(paths, shell, store, sources, architecture, chosen.python, _programs(contexts, tools))

    def builder(preloaded: Preloaded) -> ImageBuilder:
        return ImageBuilder(makers, bases, contexts, preloaded)

    return ImageBackends(
        contexts,
        store,
        Registry(client, store, architecture, chosen.mirrors, chosen.probe_timeout),
        Bundles(chosen.bundles, store, architecture),
        builder,
        Tools(tools, store, shell, makers.go, makers.wheels, paths.cache / "tools", architecture),
        chosen,
        architecture,
    )


def _makers(
    paths: Paths,
    shell: Shell,
    store: Store,
    sources: Sources,
    architecture: str,
    interpreter: str,
    programs: Sequence[GoProgram],
) -> Makers:
    python = interpreter or sys.executable
    wheels = Wheels(shell, paths.downloads, python)
    lock_file = paths.data / "stacks" / "locks" / "toolchains.yaml"
    toolchains = Toolchains(shell, wheels, store, paths.cache / "toolchains", lock_file, architecture)
    debian = Debian(shell, store, paths, architecture)
    trees = WheelTrees(wheels, store, paths.cache / "toolchains", architecture)
    return Makers(
        store=store,
        layers=LayerCache(store, architecture),
        go=GoBuilder(store, shell, toolchains, CompileSlot(store), paths, architecture, programs),
        debian=debian,
        python=PythonInstaller(shell, paths, architecture, python),
        wheels=wheels,
        sources=sources,
        compiler=Compiler(debian, NpmInstaller(shell, paths, architecture, trees), paths.cache / "work"),
        architecture=architecture,
    )


def _programs(contexts: Mapping[str, ImageContext], tools: Mapping[str, Tool]) -> list[GoProgram]:
    found = [program for context in contexts.values() if context.image.build for program in context.image.build.go]
    return found + [tool.go for tool in tools.values() if tool.go]
