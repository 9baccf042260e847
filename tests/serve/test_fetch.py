from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlstack_serve.errors import BadModel
from mlstack_serve.fetch import copy_objects, fetch, main


class Shelf:
    """A bucket in memory."""

    def __init__(self, *names: str) -> None:
        self.all = names

    def names(self, prefix: str) -> list[str]:
        return [name for name in self.all if name.startswith(prefix)]

    def save(self, name: str, target: Path) -> None:
        target.write_text(name)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/iris", {"model.joblib": "iris/model.joblib", "v/notes.txt": "iris/v/notes.txt"}),
        ("/iris/", {"model.joblib": "iris/model.joblib", "v/notes.txt": "iris/v/notes.txt"}),
        ("/iris/model.joblib", {"model.joblib": "iris/model.joblib"}),
        ("/iris2", {"model.joblib": "iris2/model.joblib"}),
    ],
)
def test_what_is_at_or_below_a_path_is_copied(tmp_path, path, wanted) -> None:
    shelf = Shelf("iris/model.joblib", "iris/v/notes.txt", "iris2/model.joblib", "other")
    saved = copy_objects(shelf, f"s3://models{path}", path, tmp_path)
    assert sorted(saved) == sorted(wanted)
    assert {name: (tmp_path / name).read_text() for name in wanted} == wanted


def test_a_path_that_holds_nothing_is_an_error(tmp_path) -> None:
    with pytest.raises(BadModel, match="no object at or below s3://models/rose"):
        copy_objects(Shelf("roses/model.joblib"), "s3://models/rose", "/rose", tmp_path)


def test_no_object_gets_out_of_the_directory(tmp_path) -> None:
    with pytest.raises(BadModel, match="leaves the directory"):
        copy_objects(Shelf("iris/../../etc/passwd"), "s3://models/iris", "iris", tmp_path / "in")
    assert not (tmp_path.parent / "etc").exists()


@pytest.fixture
def site(tmp_path) -> Iterator[str]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "my model.bst").write_bytes(b"trees")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_of_a_web_server(site, tmp_path) -> None:
    assert fetch(f"{site}/my%20model.bst", tmp_path / "to", {}) == ["my model.bst"]
    assert (tmp_path / "to" / "my model.bst").read_bytes() == b"trees"
    with pytest.raises(BadModel, match=r"/rose\.bst answers 404 File not found"):
        fetch(f"{site}/rose.bst", tmp_path / "to", {})
    with pytest.raises(BadModel, match="names no file"):
        fetch(f"{site}/", tmp_path / "to", {})


@pytest.mark.parametrize("source", ["gs://bucket/model", "model.joblib", "s3://", "file:///etc/passwd"])
def test_other_sources_are_refused(source, tmp_path) -> None:
    with pytest.raises(BadModel, match="neither s3://BUCKET/PATH nor"):
        fetch(source, tmp_path, {})


def test_an_object_store_that_does_not_answer_is_named(tmp_path) -> None:
    with pytest.raises(BadModel, match=r"^s3://models/iris cannot be fetched: .*Connection refused"):
        fetch("s3://models/iris", tmp_path, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "x"})


def test_the_program_ends_with_the_reason(tmp_path, capsys, site) -> None:
    main([f"{site}/my%20model.bst", str(tmp_path / "to")], {})
    assert "fetched from" in capsys.readouterr().out
    for argv in ([], ["only-one"], ["nothing", str(tmp_path)]):
        with pytest.raises(SystemExit) as caught:
            main(argv, {})
        assert str(caught.value).startswith(("usage:", "no model: 'nothing' is neither"))
