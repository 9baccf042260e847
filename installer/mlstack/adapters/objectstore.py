"""An S3 server of the MinIO kind, reached with administrator credentials: buckets and users confined to one bucket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from mlstack.core.errors import MlstackError

_LOCK = threading.Lock()
ACTIONS_ON_BUCKET = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
ACTIONS_ON_OBJECTS = [
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
]


class MinioStore:
    """``ports.ObjectStore`` by the ``minio`` SDK. endpoint: host:port without TLS, as a forwarded port is."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str) -> None:
        self._endpoint, self._access_key, self._secret_key = endpoint, access_key, secret_key

    def ensure_bucket(self, bucket: str) -> bool:
        """Makes the bucket if it is not there. Raises MlstackError objectstore.failed."""
        client = self._client()
        from minio.error import S3Error

        def ensure() -> bool:
            if client.bucket_exists(bucket_name=bucket):
                return False
            try:
                client.make_bucket(bucket_name=bucket)
            except S3Error as error:
                if error.code == "BucketAlreadyOwnedByYou":
                    return False  # two stacks may want the same bucket, and both asked at once
                raise
            return True

        return bool(self._told(ensure, f"bucket {bucket}"))

    def ensure_user(self, access_key: str, secret_key: str, bucket: str) -> bool:
        """Makes the user, or sets its key anew, and lets it into this bucket only. Raises MlstackError objectstore.failed."""
        admin = self._admin()
        policy = policy_name(bucket)

        def ensure() -> bool:
            admin.policy_add(policy, policy=policy_for(bucket))
            admin.user_add(access_key, secret_key)
            if policy not in _policies(admin, access_key):
                admin.attach_policy([policy], user=access_key)
            return True

        return bool(self._told(ensure, f"the user of bucket {bucket}"))

    def remove_user(self, access_key: str) -> bool:
        """Removes a user; False when there was none. Raises MlstackError objectstore.failed."""
        _load_sdk()
        from minio.error import MinioAdminException

        def remove() -> bool:
            try:
                self._admin().user_remove(access_key)
            except MinioAdminException as error:
                if _code(error) != "404":
                    raise
                return False
            return True

        return bool(self._told(remove, "the removal of a user"))

    def remove_access(self, bucket: str) -> bool:
        """Removes the policy for a bucket and the users that have it; False when there was none. Raises objectstore.failed."""
        _load_sdk()
        admin, policy = self._admin(), policy_name(bucket)

        def remove() -> bool:
            if policy not in json.loads(admin.policy_list() or "{}"):
                return False
            found = json.loads(admin.get_policy_entities([], [], [policy])).get("policyMappings") or ()
            for user in (user for mapping in found for user in mapping.get("users") or ()):
                admin.user_remove(user)  # one whose Secret was lost: a policy in use cannot be removed
            admin.policy_remove(policy)
            return True

        return bool(self._told(remove, f"the removal of the access to bucket {bucket}"))

    def remove_bucket(self, bucket: str) -> bool:
        """Deletes a bucket with every object and version in it; False when there was none. Raises objectstore.failed."""
        _load_sdk()
        from minio.deleteobjects import DeleteObject

        client = self._client()

        def remove() -> bool:
            if not client.bucket_exists(bucket_name=bucket):
                return False
            found = client.list_objects(bucket_name=bucket, recursive=True, include_version=True)
            doomed = (DeleteObject(str(one.object_name), version_id=one.version_id) for one in found)
            failed = list(client.remove_objects(bucket_name=bucket, delete_object_list=doomed))
            if failed:
                raise ValueError(f"{len(failed)} objects stay")
            client.remove_bucket(bucket_name=bucket)
            return True

        return bool(self._told(remove, f"the deletion of bucket {bucket}"))

    def _client(self) -> Any:
        _load_sdk()
        from minio import Minio

        return Minio(self._endpoint, access_key=self._access_key, secret_key=self._secret_key, secure=False)

    def _admin(self) -> Any:
        _load_sdk()
        from minio.credentials.providers import StaticProvider
        from minio.minioadmin import MinioAdmin

        keys = StaticProvider(self._access_key, self._secret_key)
        return MinioAdmin(endpoint=self._endpoint, credentials=keys, secure=False)

    def _told(self, work: Callable[[], Any], about: str) -> Any:
        _load_sdk()
        from minio.error import MinioAdminException, MinioException
        from urllib3.exceptions import HTTPError

        try:
            return work()
        except (MinioException, MinioAdminException, HTTPError, OSError, ValueError) as error:
            raise MlstackError(
                "objectstore.failed",
                f"The object store failed at {about}",
                why=_reason(error),
                remedy="Check the object store (`mlstack status`, `mlstack logs minio`), then run `mlstack up` again.",
            ) from None


def _load_sdk() -> None:
    """Imports the whole SDK under a lock: two threads that import its parts at once meet half-made modules."""
    with _LOCK:
        import minio
        import minio.credentials.providers
        import minio.deleteobjects
        import minio.error
        import minio.minioadmin  # noqa: F401 - imported for those who come after


def _reason(error: Exception) -> str:
    """The server's error code where there is one; its text may quote the request and with it credentials."""
    code = _code(error)
    return f"{type(error).__name__}: {code}" if code else type(error).__name__


def _code(error: Exception) -> str:
    return str(getattr(error, "code", None) or getattr(error, "_code", None) or "")


def policy_name(bucket: str) -> str:
    """The name of the policy that lets a user into a bucket."""
    return f"mlstack-{bucket}"


def policy_for(bucket: str) -> dict[str, object]:
    """The policy that lets a user work in one bucket and nowhere else."""
    arn = f"arn:aws:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ACTIONS_ON_BUCKET, "Resource": [arn]},
            {"Effect": "Allow", "Action": ACTIONS_ON_OBJECTS, "Resource": [f"{arn}/*"]},
        ],
    }


def _policies(admin: Any, user: str) -> list[str]:
    info = json.loads(admin.user_info(user) or "{}")
    return [name for name in str(info.get("policyName") or "").split(",") if name]
