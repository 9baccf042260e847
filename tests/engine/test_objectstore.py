"""The object store adapter against a real MinIO started here (skipped where its program is not found)."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from apiserver import free_port, program
from minio import Minio
from minio.error import S3Error

from mlstack.adapters.objectstore import MinioStore, policy_for
from mlstack.core.errors import MlstackError

ROOT, KEY = "root-user-1", "root-secret-0123456789"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    path = program("minio")
    if path is None:
        pytest.skip("no minio program in MLSTACK_TEST_BIN or PATH")
    port = free_port()
    home = tmp_path_factory.mktemp("minio")
    env = {**os.environ, "MINIO_ROOT_USER": ROOT, "MINIO_ROOT_PASSWORD": KEY, "HOME": str(home)}
    with (home / "log").open("wb") as log:
        child = subprocess.Popen(
            [str(path), "server", "--address", f"127.0.0.1:{port}", str(home / "data")], env=env, stdout=log, stderr=log
        )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/minio/health/ready", timeout=1).close()
            break
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    yield f"127.0.0.1:{port}"
    child.terminate()
    child.wait(10)


def test_a_bucket_is_made_once(endpoint):
    store = MinioStore(endpoint, ROOT, KEY)
    assert store.ensure_bucket("artifacts") is True
    assert store.ensure_bucket("artifacts") is False


def test_a_bucket_that_somebody_made_meanwhile_is_there(endpoint, monkeypatch):
    store = MinioStore(endpoint, ROOT, KEY)
    store.ensure_bucket("raced")
    monkeypatch.setattr(Minio, "bucket_exists", lambda self, bucket_name: False)  # as it was a moment before
    assert store.ensure_bucket("raced") is False


def test_a_user_is_confined_to_its_bucket(endpoint):
    store = MinioStore(endpoint, ROOT, KEY)
    store.ensure_bucket("mine")
    store.ensure_bucket("theirs")
    for _ in range(2):
        store.ensure_user("confinedAccess0001", "confinedSecret0123456789abcdef", "mine")
    client = Minio(endpoint, access_key="confinedAccess0001", secret_key="confinedSecret0123456789abcdef", secure=False)
    import io

    client.put_object(bucket_name="mine", object_name="a", data=io.BytesIO(b"x"), length=1)
    assert client.get_object(bucket_name="mine", object_name="a").read() == b"x"
    with pytest.raises(S3Error, match="AccessDenied"):
        client.put_object(bucket_name="theirs", object_name="a", data=io.BytesIO(b"x"), length=1)
    with pytest.raises(S3Error, match="AccessDenied"):
        client.make_bucket(bucket_name="another")


def test_the_access_to_a_bucket_goes_with_its_policy_and_users_nobody_knows(endpoint):
    store = MinioStore(endpoint, ROOT, KEY)
    store.ensure_bucket("doomed")
    store.ensure_user("doomedAccess000001", "doomedSecret0123456789abcdef00", "doomed")
    store.ensure_bucket("kept")
    store.ensure_user("keptAccess00000001", "keptSecret0123456789abcdef0000", "kept")
    assert store.remove_access("doomed") is True
    assert store.remove_access("doomed") is False
    admin = store._admin()
    assert "mlstack-doomed" not in admin.policy_list() and "mlstack-kept" in admin.policy_list()
    assert "doomedAccess000001" not in admin.user_list() and "keptAccess00000001" in admin.user_list()


def test_a_new_key_takes_the_place_of_the_old_one(endpoint):
    store = MinioStore(endpoint, ROOT, KEY)
    store.ensure_bucket("turned")
    store.ensure_user("turnedAccess000001", "oldSecret0123456789abcdef00000", "turned")
    store.ensure_user("turnedAccess000001", "newSecret0123456789abcdef00000", "turned")
    new = Minio(endpoint, access_key="turnedAccess000001", secret_key="newSecret0123456789abcdef00000", secure=False)
    assert list(new.list_objects(bucket_name="turned")) == []
    old = Minio(endpoint, access_key="turnedAccess000001", secret_key="oldSecret0123456789abcdef00000", secure=False)
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        list(old.list_objects(bucket_name="turned"))


def test_wrong_administrator_key_is_an_error_without_the_key(endpoint):
    with pytest.raises(MlstackError) as caught:
        MinioStore(endpoint, ROOT, "canary-wrong-secret").ensure_bucket("artifacts2")
    assert caught.value.code == "objectstore.failed"
    assert "canary-wrong-secret" not in str(caught.value)
    assert "SignatureDoesNotMatch" in caught.value.why


def test_the_policy_names_one_bucket_only():
    resources = {arn for statement in policy_for("b")["Statement"] for arn in statement["Resource"]}
    assert resources == {"arn:aws:s3:::b", "arn:aws:s3:::b/*"}
