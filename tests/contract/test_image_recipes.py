"""Every image an entry uses can be had, and its recipe is complete; what is listed is used."""

from __future__ import annotations

import json
import re

from contract_data import CATALOGUE, ROOT, Workshop, variations

from mlstack.core.catalogue import Entry
from mlstack.core.fitting import from_registry_only
from mlstack.core.kinds import containers, pod_template
from mlstack.core.recipe import Build

LOCKS = ROOT / "stacks" / "locks"
ARCHITECTURES = {"amd64", "arm64"}
IMAGE_LINE = re.compile(r"^\s*(?:image|--executor-image):\s*[\"']?([^\s\"']+)", re.M)


def used_images(objects) -> set[str]:
    """Images of containers, and of pods that ConfigMaps describe."""
    found = {c["image"] for obj in objects for _, c in containers(pod_template(obj) or {})}
    texts = [text for obj in objects if obj["kind"] == "ConfigMap" for text in (obj.get("data") or {}).values()]
    return found | {match[1] for text in texts for match in IMAGE_LINE.finditer(text)}


def test_every_image_used_is_listed_with_a_digest_or_a_recipe(workshop: Workshop, entry: Entry) -> None:
    listed = {image.ref: image for image in entry.document.spec.images}
    for params in [{}, *variations(entry.document.spec.params)]:
        used = used_images(workshop.render(entry.name, entry.version, **params).objects)
        assert used <= listed.keys(), params
    published = from_registry_only(entry)
    for image in listed.values():
        assert image.build or image.digests or published, image.ref
        assert image.build or not image.ref.startswith("mlstack.local/"), f"{image.ref}: nobody publishes it"


def test_every_listed_image_is_used(workshop: Workshop, entry: Entry) -> None:
    texts = [
        json.dumps(workshop.render(entry.name, entry.version, **params).objects)
        for params in [{}, *variations(entry.document.spec.params)]
    ]
    samples = {ref for sample in entry.samples for ref in sample.spec.image_refs}
    for image in entry.document.spec.images:
        assert image.ref in samples or any(image.ref in text for text in texts), image.ref


def test_images_that_are_not_needed_are_not_built(workshop: Workshop) -> None:
    refs = {image.ref for image in workshop.render("mysql", "9.7.4", engine="mariadb").images}
    assert refs == {"mlstack.local/mariadb:11.8"}


def test_references_are_complete_and_fixed(entry: Entry) -> None:
    for image in entry.document.spec.images:
        host, _, rest = image.ref.partition("/")
        assert "." in host, f"{image.ref}: name the registry"
        assert re.fullmatch(r"[a-z0-9/._-]+:(?!latest$)[A-Za-z0-9._-]+", rest), f"{image.ref}: give a tag that stays"


def test_one_recipe_for_one_reference() -> None:
    """Two entries that use the same image must describe it alike, or one would get the other's."""
    seen: dict[str, tuple[str, object]] = {}
    for name in CATALOGUE.names():
        for version in CATALOGUE.versions(name):
            for image in CATALOGUE.entry(name, version).document.spec.images:
                other, recipe = seen.setdefault(image.ref, (f"{name} {version}", image))
                assert recipe == image, f"{image.ref} of {name} {version} differs from that of {other}"


def test_recipes_find_their_parts(entry: Entry) -> None:
    for image in entry.document.spec.images:
        if image.build:
            check_build(entry, image.build)


def check_build(entry: Entry, build: Build) -> None:
    assert build.base == "scratch" or build.base in CATALOGUE.bases, build.base
    for program in build.go:
        for file in ("go.mod", "go.sum"):
            assert (LOCKS / "go" / program.lock / file).is_file(), program.lock
        assert module_is_locked(program.lock, next(iter(program.packages.values()))), program
    if build.python:
        check_python_lock((LOCKS / "python" / f"{build.python.lock}.txt").read_text())
    for wheel in build.wheels:
        assert wheel.sha256.keys() == ARCHITECTURES
    for file in build.files:
        assert not file.file or (ROOT / entry.directory / file.file).is_file(), file.file
        assert not file.source or file.source.partition(":")[0] in entry.document.spec.sources
    assert build.user not in ("0", "root")
    assert build.user or not build.entrypoint, "an image with a program of its own says as whom it runs"


def module_is_locked(lock: str, package: str) -> bool:
    """True when the package belongs to a module that the lock requires, or to the lock itself."""
    text = (LOCKS / "go" / lock / "go.mod").read_text()
    required = re.findall(r"^\s*(?:require )?([\w./~-]+) v[\w.+-]+", text, re.M)
    return package.startswith("./") or any(package == module or package.startswith(module + "/") for module in required)


def check_python_lock(text: str) -> None:
    """Every requirement is pinned and has hashes."""
    requirements = [block for block in re.split(r"\n(?=[a-z0-9])", text.strip()) if block]
    assert requirements
    for block in requirements:
        assert re.match(r"[a-z0-9-]+==[\w.]+ \\\n", block), block[:60]
        assert "--hash=sha256:" in block
    assert "://" not in text
