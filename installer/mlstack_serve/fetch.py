"""Fetches a model before its server starts: ``python -m mlstack_serve.fetch SOURCE DIRECTORY [SOURCE DIRECTORY]...``.

Sources are ``s3://bucket/path`` and ``http(s)://host/file``; KServe gives the object store by variables. What is there is
copied, never unpacked and never run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import unquote, urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException

from mlstack_serve.errors import BadModel

_TIMEOUT = urllib3.Timeout(connect=10, read=120)


class Bucket(Protocol):
    """What is needed of an object store's bucket."""

    def names(self, prefix: str) -> Iterable[str]:
        """The names of the objects that begin with ``prefix``."""

    def save(self, name: str, target: Path) -> None:
        """Writes one object to a file."""


class S3Bucket:
    """A bucket behind the variables that KServe sets (``AWS_ENDPOINT_URL``, keys, ``S3_VERIFY_SSL``)."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        endpoint = environ.get("AWS_ENDPOINT_URL") or f"https://{environ.get('S3_ENDPOINT') or 's3.amazonaws.com'}"
        parts = urlsplit(endpoint)
        if not parts.netloc:
            raise BadModel(f"the object store's address '{endpoint}' is no URL")
        self._name = name
        self._client = Minio(
            parts.netloc,
            access_key=environ.get("AWS_ACCESS_KEY_ID") or None,
            secret_key=environ.get("AWS_SECRET_ACCESS_KEY") or None,
            secure=parts.scheme == "https",
            region=environ.get("AWS_DEFAULT_REGION") or None,
            http_client=pool(environ),
        )

    def names(self, prefix: str) -> Iterable[str]:
        """The names of the objects that begin with ``prefix``."""
        for one in self._client.list_objects(self._name, prefix=prefix, recursive=True):
            if one.object_name and not one.object_name.endswith("/"):
                yield one.object_name

    def save(self, name: str, target: Path) -> None:
        """Writes one object to a file."""
        self._client.fget_object(self._name, name, str(target))


def pool(environ: Mapping[str, str]) -> urllib3.PoolManager:
    """Connections that fail soon and with a reason, trusting the authorities that KServe mounted."""
    verify = environ.get("S3_VERIFY_SSL", "1").lower() not in ("0", "false")
    return urllib3.PoolManager(
        timeout=_TIMEOUT,
        retries=urllib3.Retry(total=2, backoff_factor=0.5, status_forcelist=[500, 502, 503, 504]),
        cert_reqs="CERT_REQUIRED" if verify else "CERT_NONE",
        ca_certs=environ.get("AWS_CA_BUNDLE") or None,
    )


def copy_objects(bucket: Bucket, where: str, path: str, directory: Path) -> list[str]:
    """Every object at or below ``path`` into the directory, with its name from there on. Raises BadModel."""
    path = path.strip("/")
    saved = []
    for name in bucket.names(path):
        if name == path:
            relative = PurePosixPath(name).name
        elif not path or name.startswith(f"{path}/"):
            relative = name[len(path) :].lstrip("/")
        else:
            continue  # the same beginning, but another name
        if ".." in PurePosixPath(relative).parts:
            raise BadModel(f"{where} holds an object whose name leaves the directory: {name}")
        target = directory / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        bucket.save(name, target)
        saved.append(relative)
    if not saved:
        raise BadModel(f"there is no object at or below {where}")
    return saved


def copy_file(url: str, directory: Path, environ: Mapping[str, str]) -> list[str]:
    """One file of a web server. Raises BadModel."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    if not name:
        raise BadModel(f"{url} names no file")
    with pool(environ).request("GET", url, preload_content=False) as answer:
        if answer.status != 200:
            raise BadModel(f"{url} answers {answer.status} {answer.reason or ''}".rstrip())
        with (directory / name).open("wb") as file:
            for part in answer.stream(1 << 20):
                file.write(part)
    return [name]


def fetch(source: str, directory: Path, environ: Mapping[str, str]) -> list[str]:
    """What is at a source, into a directory; its names there. Raises BadModel with the reason."""
    parts = urlsplit(source)
    directory.mkdir(parents=True, exist_ok=True)
    try:
        if parts.scheme == "s3" and parts.netloc:
            return copy_objects(S3Bucket(parts.netloc, environ), source, parts.path, directory)
        if parts.scheme in ("http", "https") and parts.netloc:
            return copy_file(source, directory, environ)
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise BadModel(f"{source} cannot be fetched: {error}") from error
    raise BadModel(f"'{source}' is neither s3://BUCKET/PATH nor an http(s) URL")


def main(argv: list[str], environ: Mapping[str, str]) -> None:
    """Fetches all pairs; ends with the reason at the first that cannot be had."""
    if not argv or len(argv) % 2:
        sys.exit("usage: SOURCE DIRECTORY [SOURCE DIRECTORY]...")
    for source, directory in zip(argv[::2], argv[1::2], strict=True):
        try:
            saved = fetch(source, Path(directory), environ)
        except BadModel as error:
            sys.exit(f"no model: {error}")
        print(f"fetched from {source} into {directory}: {', '.join(saved)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
