"""Data outlives pods; wrong keys are refused."""

from __future__ import annotations

import base64
import io
import secrets

import kubernetes
import pytest
from minio.error import S3Error

from e2e.platform import Platform
from e2e.test_workflows import sql


def test_objects_are_read_back_and_wrong_keys_refused(platform: Platform) -> None:
    client = platform.minio()
    bucket, body = "e2e-data", secrets.token_bytes(6 * 1024 * 1024 + 7)
    if not client.bucket_exists(bucket):
        client.make_bucket(bucket)
    client.put_object(bucket, "check.bin", io.BytesIO(body), len(body))
    assert client.get_object(bucket, "check.bin").read() == body
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        platform.minio(secret_key="not-the-secret-key").list_buckets()
    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        platform.minio(access_key="nobody").list_buckets()


def test_workflow_user_is_confined_to_its_bucket(platform: Platform, core: kubernetes.client.CoreV1Api) -> None:
    space = platform.hello()["namespace"]
    keys = [
        item for item in core.list_namespaced_secret(space).items if {"accesskey", "secretkey"} <= set(item.data or {})
    ]
    assert keys
    decoded = {key: base64.b64decode(value).decode() for key, value in keys[0].data.items()}
    confined = platform.minio(access_key=decoded["accesskey"], secret_key=decoded["secretkey"])
    with pytest.raises(S3Error, match="AccessDenied"):
        list(confined.list_objects("e2e-data"))


def test_rows_survive_the_pod(platform: Platform, core: kubernetes.client.CoreV1Api) -> None:
    word = secrets.token_hex(8)
    sql(platform, "create table if not exists e2e_rows (word varchar(32))")
    sql(platform, f"insert into e2e_rows values ('{word}')")
    pods = core.list_pod_for_all_namespaces(label_selector="mlstack.dev/stack=mysql").items
    pod = next(pod for pod in pods if pod.status.phase == "Running")
    core.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace)
    platform.cli("up", "--yes", "--json")  # waits until everything is ready again
    assert word in sql(platform, "select word from e2e_rows")


def test_default_storage_class_is_the_platforms(platform: Platform) -> None:
    classes = kubernetes.client.StorageV1Api(platform.api()).list_storage_class().items
    marked = [
        item.metadata.name
        for item in classes
        if (item.metadata.annotations or {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    ]
    assert len(marked) == 1
