"""Namespaces come and go while others are in use."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from mlstack_lineage.tenants import Tenants, keep_following, parse
from mlstack_pod.kube import KubeError


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/ml_metadata.MetadataStoreService/GetContexts")
        try:
            call(b"", timeout=20)
        except grpc.RpcError:
            return False
        return True


@pytest.fixture
def tenants(tmp_path: Path) -> Iterator[Tenants]:
    found = Tenants(tmp_path, "127.0.0.1")
    yield found
    found.close()


def test_what_is_listed_is_served_and_what_goes_is_not(tenants: Tenants, tmp_path: Path) -> None:
    assert not tenants.ready
    ann, bob, other = free_port(), free_port(), free_port()
    tenants.follow({"ann": ann, "bob": bob})
    assert tenants.ready and answers(ann) and answers(bob)
    kept = tenants.store("ann")
    tenants.follow({"ann": ann})
    assert answers(ann) and not answers(bob)
    assert tenants.store("ann") is kept, "who stays is not disturbed"
    assert tenants.store("bob") is None
    assert (tmp_path / "bob" / "metadata.db").exists(), "data is kept"
    tenants.follow({"ann": other})
    assert answers(other) and not answers(ann)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "no mapping"),
        ("{", "Expecting"),
        ('{"../etc": 2000}', "'../etc' is no namespace"),
        ('{"ann": 80}', "ann: '80' is no port"),
        ('{"ann": true}', "is no port"),
        ('{"ann": "9000"}', "is no port"),
        ('{"ann": 9000, "bob": 9000}', "the same port"),
    ],
)
def test_a_bad_list_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(text)


def test_a_list_that_cannot_be_read_changes_nothing(tenants: Tenants, caplog: pytest.LogCaptureFixture) -> None:
    port, ended = free_port(), threading.Event()
    texts = iter(
        [json.dumps({"ann": port}), KubeError(0, "no route"), KubeError(0, "no route"), "{", json.dumps({"ann": port})]
    )

    def read() -> str:
        found = next(texts, None)
        if found is None:
            ended.set()
            raise KubeError(0, "no route")
        if isinstance(found, KubeError):
            raise found
        return found

    keep_following(tenants, read, ended, 0)
    assert answers(port)
    assert sum("no route" in record.getMessage() for record in caplog.records) == 2, "a fault is told once"
