"""Ready commands and programs for each endpoint. They hold no token: a page must not, so they take it from a variable."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from mlstack_portal.offer import Address


@dataclass(frozen=True, slots=True)
class Snippet:
    """Text to copy. title: what it is for."""

    title: str
    text: str


_CLI = Template("""# prints the address, the authority and a token as variables
eval "$$(mlstack connect $name --print env)"
# or ready programs
mlstack connect $name --print python
mlstack connect $name --print curl
""")
_CURL_TOKEN = Template("""curl --cacert "$$MLSTACK_CA" \\
  -H "Authorization: Bearer $$MLSTACK_TOKEN" \\
  '$url'
""")
_CURL_OPEN = Template("""curl --cacert "$$MLSTACK_CA" '$url'
""")
_CURL_S3 = Template("""curl --cacert "$$MLSTACK_CA" --aws-sigv4 aws:amz:us-east-1:s3 \\
  --user "$$ACCESS_KEY:$$SECRET_KEY" \\
  '$url'
""")
_PYTHON_TOKEN = Template("""import os
import httpx

client = httpx.Client(
    base_url="$url",
    verify=os.environ["MLSTACK_CA"],
    headers={"Authorization": "Bearer " + os.environ["MLSTACK_TOKEN"]},
)
print(client.get("").raise_for_status().text)
""")
_PYTHON_OPEN = Template("""import os
import httpx

client = httpx.Client(base_url="$url", verify=os.environ["MLSTACK_CA"])
print(client.get("").raise_for_status().text)
""")
_PYTHON_S3 = Template("""import os
import ssl
import urllib3
from minio import Minio

trust = ssl.create_default_context(cafile=os.environ["MLSTACK_CA"])
client = Minio(
    "$host",
    access_key=os.environ["ACCESS_KEY"],
    secret_key=os.environ["SECRET_KEY"],
    http_client=urllib3.PoolManager(ssl_context=trust),
)
print([bucket.name for bucket in client.list_buckets()])
""")


def snippets(address: Address) -> list[Snippet]:
    """The command line, curl and Python, in that order."""
    curl, python = _CURL_OPEN, _PYTHON_OPEN
    if address.scheme == "s3":
        curl, python = _CURL_S3, _PYTHON_S3
    elif address.auth == "required":
        curl, python = _CURL_TOKEN, _PYTHON_TOKEN
    words = {"name": address.name, "url": address.url, "host": address.url.partition("://")[2].rstrip("/")}
    return [
        Snippet("Command line", _CLI.substitute(words)),
        Snippet("curl", curl.substitute(words)),
        Snippet("Python", python.substitute(words)),
    ]
