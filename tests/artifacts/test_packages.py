"""Own packages in images: what goes in, that the same code gives the same image and other code another name."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest
from pydantic import ValidationError
from test_images import World

import mlstack.artifacts.build
import mlstack.artifacts.parts
from mlstack.adapters.catalog import DataCatalogue
from mlstack.adapters.packages import package_files, packages_digest
from mlstack.artifacts.images import ImageBackends
from mlstack.core.errors import MlstackError
from mlstack.core.recipe import Build, Image, OwnPackages, fingerprint

FILES = {
    "mlstack/__init__.py": "",
    "mlstack/other.py": "not asked for",
    "mlstack/core/__init__.py": "",
    "mlstack/core/model.py": "X = 1\n",
    "mlstack/core/__pycache__/model.cpython-311.pyc": "compiled",
    "mlstack_app/__init__.py": "",
    "mlstack_app/page.html": "<p>",
    "mlstack_app/.hidden": "",
    "mlstack_app/tests/test_it.py": "",
}
NAMES = ["mlstack.core", "mlstack_app"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "code"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_code_and_data_go_in_and_nothing_else(tree: Path) -> None:
    assert list(package_files(NAMES, tree)) == [
        "mlstack/__init__.py",
        "mlstack/core/__init__.py",
        "mlstack/core/model.py",
        "mlstack_app/__init__.py",
        "mlstack_app/page.html",
    ]


def test_the_digest_tells_names_and_contents_but_not_the_place(tree: Path, tmp_path: Path) -> None:
    before = packages_digest(NAMES, tree)
    moved = shutil.copytree(tree, tmp_path / "elsewhere")
    assert packages_digest(NAMES, moved) == before
    (moved / "mlstack/core/model.py").write_text("X = 2\n")
    changed = packages_digest(NAMES, moved)
    (moved / "mlstack/core/model.py").rename(moved / "mlstack/core/models.py")
    assert len({before, changed, packages_digest(NAMES, moved)}) == 3


def test_a_package_that_is_not_there_is_named(tree: Path) -> None:
    with pytest.raises(MlstackError, match=r"mlstack\.cores") as caught:
        package_files(["mlstack.cores"], tree)
    assert caught.value.code == "artifact.no-package"


def test_an_image_holds_them_and_changes_with_them(world: World, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlstack.artifacts.parts, "package_files", lambda names: package_files(names, tree))
    monkeypatch.setattr(mlstack.artifacts.build, "packages_digest", lambda names: packages_digest(names, tree))
    image = Image(ref="mlstack.local/app:1-{content}", build=Build(packages=OwnPackages(names=NAMES), command=["/x"]))
    context = world.context()
    context = type(context)(image.filled("0" * 12), context.directory)
    backends = world.backends(context)
    first = digest(world, backends, context.image.ref)
    with backends.export(context.image.ref) as archive, tarfile.open(archive) as outer:
        layers = [member for member in outer.getnames() if member.startswith("blobs/sha256/")]
        names = {name for layer in layers for name in members(outer, layer)}
    assert {"opt/mlstack/mlstack/core/model.py", "opt/mlstack/mlstack_app/page.html"} <= names
    assert not [name for name in names if "tests" in name or name.endswith(".pyc")]
    assert digest(world, backends, context.image.ref) == first
    (tree / "mlstack_app/page.html").write_text("<b>")
    assert digest(world, backends, context.image.ref) != first


def digest(world: World, backends: ImageBackends, ref: str) -> str:
    world.obtain(backends, ref)
    record = backends.cached(ref)
    assert record
    return record.digest


def members(outer: tarfile.TarFile, name: str) -> list[str]:
    try:
        with tarfile.open(fileobj=outer.extractfile(name)) as layer:
            return layer.getnames()
    except tarfile.ReadError:  # a manifest or configuration
        return []


def test_a_reference_says_its_content_exactly_where_there_are_own_packages() -> None:
    packages = Build(packages=OwnPackages(names=["mlstack.core"]))
    with pytest.raises(ValidationError, match="content"):
        Image(ref="mlstack.local/app:1", build=packages)
    with pytest.raises(ValidationError, match="content"):
        Image(ref="mlstack.local/app:1-{content}", build=Build())
    assert Image(ref="mlstack.local/app:1-{content}", build=packages).filled("ab").ref == "mlstack.local/app:1-ab"


def test_recipes_without_own_packages_keep_the_keys_they_had() -> None:
    assert "packages" not in Build().model_dump()
    assert fingerprint(Build()) != fingerprint(Build(packages=OwnPackages(names=["mlstack.core"])))


def test_the_catalogue_fills_in_the_reference(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    shutil.copytree(root / "stacks", tmp_path / "stacks")
    file = next((tmp_path / "stacks" / "minio").glob("*/stack.yaml"))
    recipe = (
        "    - ref: mlstack.local/own:1-{content}\n      build: {base: busybox, packages: {names: [mlstack.core]}}\n"
    )
    file.write_text(file.read_text().replace("  images:\n", f"  images:\n{recipe}"))
    entry = DataCatalogue(tmp_path).entry("minio", file.parent.name)
    name, _, content = entry.document.spec.images[0].ref.rpartition("-")
    assert (name, len(content), int(content, 16) > 0) == ("mlstack.local/own:1", 12, True)
    base = tmp_path / "stacks" / "bases" / "busybox.yaml"
    base.write_text(base.read_text() + "# other\n")
    assert DataCatalogue(tmp_path).entry("minio", file.parent.name).document.spec.images[0].ref != f"{name}-{content}"
