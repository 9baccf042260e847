"""What clients of each scheme of endpoints are told: variables they read, a Python program, a curl command. Pure.

What this writes may hold a password or a token: it is for stdout, when asked for, and for nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from shlex import quote
from textwrap import dedent
from urllib.parse import urlsplit

from mlstack.core.errors import ExitCode, MlstackError

REGION = "us-east-1"
"""S3 clients sign for a region; the object store takes this one, their default."""
LOCALHOST = """
# Names below localhost are this host (RFC 6761, section 6.3); not every resolver says so.
import socket
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: known(
    "127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **more
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a client needs. values: of the endpoint's credential; token: for the gateway; authority, bundle: files of CAs."""

    name: str
    scheme: str
    url: str
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False)
    authority: str = ""
    bundle: str = ""

    @property
    def host(self) -> str:
        """The host of the URL."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port of the URL, or its scheme's own."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def secure(self) -> bool:
        """Whether it is reached over TLS."""
        return self.url.startswith("https:")

    @property
    def local_name(self) -> bool:
        """Whether its name means this host to some resolvers only."""
        return self.host.endswith(".localhost")

    def value(self, key: str) -> str:
        """A part of the credential. Raises ``connect.credential``."""
        if key not in self.values:
            raise MlstackError(
                "connect.credential",
                f"the login of '{self.name}' has no '{key}'",
                why=f"a client of {self.scheme} needs it",
                remedy="correct the credential in the stack's endpoint",
            )
        return self.values[key]


def _s3_variables(target: Target) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": target.url.rstrip("/"),
        "AWS_ACCESS_KEY_ID": target.value("accesskey"),
        "AWS_SECRET_ACCESS_KEY": target.value("secretkey"),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


def _http_variables(target: Target) -> dict[str, str]:
    return {f"MLSTACK_LOGIN_{key.upper().replace('-', '_')}": value for key, value in target.values.items()}


def _mysql_variables(target: Target) -> dict[str, str]:
    return {
        "MYSQL_HOST": target.host,
        "MYSQL_TCP_PORT": str(target.port),
        "MYSQL_USER": target.value("username"),
        "MYSQL_PWD": target.value("password"),
    }


def _tcp_variables(target: Target) -> dict[str, str]:
    return {"MLSTACK_HOST": target.host, "MLSTACK_PORT": str(target.port), **_http_variables(target)}


def _resolving(target: Target, program: str) -> str:
    return (LOCALHOST if target.local_name else "") + dedent(program)


def _s3_python(target: Target) -> str:
    pool = f"urllib3.PoolManager(ca_certs={target.authority!r})" if target.secure and target.authority else "None"
    return _resolving(
        target,
        f"""
        # python -m pip install minio
        import urllib3
        from minio import Minio

        client = Minio(
            {urlsplit(target.url).netloc!r},
            access_key={target.value("accesskey")!r},
            secret_key={target.value("secretkey")!r},
            region={REGION!r},
            secure={target.secure},
            http_client={pool},
        )
        for bucket in client.list_buckets():
            print(bucket.name)
        """,
    )


def _http_python(target: Target) -> str:
    parts = urlsplit(target.url)
    headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    if not target.secure:
        return _resolving(
            target,
            f"""
            import http.client

            connection = http.client.HTTPConnection({target.host!r}, {target.port})
            connection.request("GET", {parts.path or "/"!r}, headers={headers!r})
            answer = connection.getresponse()
            print(answer.status, answer.read(500).decode(errors="replace"))
            """,
        )
    context = f"cafile={target.authority!r}" if target.authority else ""
    return _resolving(
        target,
        f"""
        import http.client
        import ssl

        context = ssl.create_default_context({context})
        connection = http.client.HTTPSConnection({target.host!r}, {target.port}, context=context)
        connection.request("GET", {parts.path or "/"!r}, headers={headers!r})
        answer = connection.getresponse()
        print(answer.status, answer.read(500).decode(errors="replace"))
        """,
    )


def _mysql_python(target: Target) -> str:
    return dedent(f"""
        # python -m pip install pymysql cryptography
        import pymysql

        connection = pymysql.connect(
            host={target.host!r},
            port={target.port},
            user={target.value("username")!r},
            password={target.value("password")!r},
        )
        with connection.cursor() as cursor:
            cursor.execute("SHOW DATABASES")
            print(cursor.fetchall())
        """)


def _tcp_python(target: Target) -> str:
    return dedent(f"""
        import socket

        with socket.create_connection(({target.host!r}, {target.port}), timeout=10) as connection:
            print(connection.getpeername())
        """)


def _curl(target: Target, options: list[str], secrets: Mapping[str, str]) -> str:
    words = ["curl", "--no-progress-meter", *options]
    if target.secure and target.authority:
        words += ["--cacert", quote(target.authority)]
    if target.local_name:
        words += ["--resolve", f"{target.host}:{target.port}:127.0.0.1"]
    words.append(quote(target.url))
    if not secrets:
        return " ".join(words)
    escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in secrets.items()}
    lines = [f'{name} = "{value}"' for name, value in escaped.items()]
    return "\n".join([" ".join([*words, "--config - <<'END'"]), *lines, "END"])


def _s3_curl(target: Target) -> str:
    user = f"{target.value('accesskey')}:{target.value('secretkey')}"
    return _curl(target, ["--aws-sigv4", f"aws:amz:{REGION}:s3"], {"user": user})


def _http_curl(target: Target) -> str:
    return _curl(target, [], {"header": f"Authorization: Bearer {target.token}"} if target.token else {})


def _no_curl(target: Target) -> str:
    raise MlstackError(
        "connect.no-curl",
        f"curl does not speak what '{target.name}' does ({target.scheme})",
        remedy=f"use `mlstack connect {target.name} --print env` or `--print python`",
        exit_code=ExitCode.USAGE,
    )


@dataclass(frozen=True, slots=True)
class Scheme:
    """How clients of a scheme are set up."""

    variables: Callable[[Target], dict[str, str]]
    python: Callable[[Target], str]
    curl: Callable[[Target], str]


_HTTP = Scheme(_http_variables, _http_python, _http_curl)
SCHEMES: Mapping[str, Scheme] = {
    "http": _HTTP,
    "https": _HTTP,
    "s3": Scheme(_s3_variables, _s3_python, _s3_curl),
    "mysql": Scheme(_mysql_variables, _mysql_python, _no_curl),
    "tcp": Scheme(_tcp_variables, _tcp_python, _no_curl),
}
