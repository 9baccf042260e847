"""Access to a real platform: its certificates, ready clients, and why the gateway answers as it does."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import uuid
from urllib.parse import urlsplit

import kubernetes
import pytest

from e2e.platform import Platform, Run

AUDIENCE_OF_NOBODY = "somebody-else"


@pytest.fixture(scope="module")
def gateway(platform: Platform) -> str:
    """The platform's external address without a slash at its end."""
    found = {one["name"]: one["url"] for one in platform.cli("connect", "--json").json()["items"]}
    if "gateway" not in found:
        pytest.skip("the platform has no gateway (profile minimal); `mlstack up --profile standard` makes one")
    return found["gateway"].rstrip("/")


@pytest.fixture(scope="module")
def authority(platform: Platform, gateway: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of the exported authority."""
    target = tmp_path_factory.mktemp("trust") / "ca.crt"
    told = platform.cli("certs", "trust", "--export", str(target), "--json").json()
    assert told["authority"] == str(target)
    assert "PRIVATE KEY" not in target.read_text()
    return str(target)


def served(gateway: str, authority: str | None, name: str = "") -> bytes:
    """The certificate the gateway serves, DER. Raises SSLCertVerificationError when it does not hold for the name."""
    parts = urlsplit(gateway)
    context = ssl.create_default_context(cafile=authority)
    with (
        socket.create_connection(("127.0.0.1", parts.port or 443), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=name or parts.hostname) as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def test_the_certificate_holds_for_the_platforms_names_only(gateway: str, authority: str) -> None:
    host = urlsplit(gateway).hostname
    for name in (host, f"s3.{host}", "127.0.0.1"):
        served(gateway, authority, name)
    for name in ("other.example", f"a.b.{host}", "127.0.0.2"):
        with pytest.raises(ssl.SSLCertVerificationError):
            served(gateway, authority, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        served(gateway, None)


def test_a_rotated_certificate_is_served_within_seconds_and_without_a_restart(
    platform: Platform, gateway: str, authority: str, core: kubernetes.client.CoreV1Api
) -> None:
    before, pods = served(gateway, authority), gateway_pods(core)
    platform.cli("certs", "rotate")
    began = time.monotonic()
    while served(gateway, authority) == before:
        assert time.monotonic() - began < 30, "the gateway still serves the old certificate"
        time.sleep(0.2)
    assert gateway_pods(core) == pods
    shown = platform.cli("certs", "show", "--json").json()["items"]
    assert [one for one in shown if one["fault"] or one["due"]] == []
    assert not any(step["type"] == "IssueCertificate" for step in planned(platform))


def test_a_certificate_for_another_name_is_told_with_the_remedy(platform: Platform, gateway: str) -> None:
    renamed = Platform(platform.name, platform.extra, {**platform.env, "MLSTACK_GATEWAY_HOST": "ml.example.org"})
    checks = renamed.cli("doctor", "--json", check=False).json()["items"]
    (failed,) = [one for one in checks if one["name"].startswith("certificate ")]
    assert failed["state"] == "failed"
    assert "it is not for ml.example.org" in failed["detail"]
    assert "mlstack certs rotate" in failed["remedy"]
    assert "it is not for ml.example.org" in renamed.cli("status", check=False).out
    assert "it is not for ml.example.org" in renamed.cli("plan").out
    assert "it is not for" not in platform.cli("status").out


def planned(platform: Platform) -> list[dict[str, str]]:
    found: list[dict[str, str]] = platform.cli("plan", "--json").json()["actions"]
    return found


def gateway_pods(core: kubernetes.client.CoreV1Api) -> dict[str, int]:
    found = core.list_pod_for_all_namespaces(label_selector="istio=ingressgateway").items
    assert found
    return {pod.metadata.name: sum(one.restart_count for one in pod.status.container_statuses) for pod in found}


def text_of(platform: Platform, *args: str) -> str:
    return platform.cli("connect", *args).out


def run(program: list[str], text: str, **env: str) -> Run:
    plain = {
        key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SSL_", "REQUESTS_", "CURL_"))
    }
    done = subprocess.run(program, input=text, capture_output=True, text=True, timeout=120, env={**plain, **env})
    return Run(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("via", ["host", "gateway"])
def test_the_printed_s3_program_and_command_reach_the_store(platform: Platform, gateway: str, via: str) -> None:
    program = text_of(platform, "s3", "--via", via, "--print", "python")
    bucket = f"e2e-{uuid.uuid4().hex[:8]}"
    more = f"""
import io
client.make_bucket({bucket!r})
client.put_object({bucket!r}, "a", io.BytesIO(b"hello"), 5)
print(client.get_object({bucket!r}, "a").read().decode())
client.remove_object({bucket!r}, "a")
client.remove_bucket({bucket!r})
"""
    ran = run([sys.executable, "-"], program + more)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "hello"
    command = text_of(platform, "s3", "--via", via, "--print", "curl")
    assert "ListAllMyBucketsResult" in run(["bash"], command).out
    # the same without the login
    nobody = "\n".join(line for line in command.splitlines() if not line.startswith("user ="))
    assert "AccessDenied" in run(["bash"], nobody.replace("--aws-sigv4 aws:amz:us-east-1:s3", "")).out


def test_the_printed_gateway_program_and_command_log_in(platform: Platform, gateway: str) -> None:
    program = text_of(platform, "gateway", "--print", "python")
    ran = run([sys.executable, "-"], program)
    assert ran.code == 0, ran.err
    assert int(ran.out.split()[0]) in (200, 404)
    forged = run([sys.executable, "-"], program.replace("Bearer ey", "Bearer ex"))
    assert forged.out.startswith("401")
    command = text_of(platform, "gateway", "--print", "curl").replace("curl ", "curl -o /dev/null -w %{http_code} ", 1)
    assert run(["bash"], command).out in ("200", "404")
    nobody = "\n".join(line for line in command.splitlines() if not line.startswith("header ="))
    assert run(["bash"], nobody).out == "302"


def test_the_printed_variables_are_all_a_program_needs(platform: Platform, gateway: str) -> None:
    lines = text_of(platform, "gateway", "--print", "env")
    program = """
import httpx, os, ssl, socket
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: known("127.0.0.1", *rest, **more)
headers = {"Authorization": "Bearer " + os.environ["MLSTACK_TOKEN"]}
print(httpx.get(os.environ["MLSTACK_URL"], headers=headers).status_code)
"""
    script = f"{lines}\nexec {sys.executable} - <<'PROGRAM'\n{program}\nPROGRAM\n"
    assert run(["bash"], script).out.strip() in ("200", "404")
    without = "\n".join(line for line in lines.splitlines() if "SSL_CERT_FILE" not in line)
    refused = run(["bash"], script.replace(lines, without))
    assert refused.code != 0
    assert "CERTIFICATE_VERIFY_FAILED" in refused.err


def test_a_summary_shows_no_secret(platform: Platform, gateway: str) -> None:
    secret = platform.credential("minio")["secretkey"]
    assert secret not in platform.cli("connect", "s3").out + platform.cli("connect", "s3", "--json").out
    assert secret in text_of(platform, "s3", "--print", "env")


REQUESTS = [
    ("/", (), "login", 302),
    ("/", ("-H", "Accept: application/json"), "login", 401),
    ("/", ("-H", "Authorization: Basic eA=="), "refused", 403),
    ("/", ("-H", "Cookie: __Host-mlstack=forged"), "login", 302),
    ("/", ("--method", "POST"), "login", 302),
    ("/anything/at/all?x=1", (), "login", 302),
    ("/dex/healthz", (), "service", 0),
    ("/dex/", ("--token", "x.y.z"), "refused", 401),
    ("/%64ex/healthz", (), "service", 0),
    ("/dex%2Fhealthz", (), "service", 0),
    ("//dex//healthz", (), "service", 0),
    ("/x/../dex/healthz", (), "service", 0),
    ("/dex\\healthz", (), "service", 0),
    ("/dex", (), "login", 302),
    ("/dexx/", (), "login", 302),
    ("/dex/../", (), "login", 302),
    ("/dex/%2e%2e/x", (), "login", 302),
    ("/dex/..;/x", (), "login", 302),
    ("/dex/..%2fx", (), "login", 302),
    ("/dex/..%5cx", (), "login", 302),
    ("/dex/./.", (), "service", 0),
    ("/oauth2/userinfo", (), "service", 0),
    ("/oauth2", (), "login", 302),
]


@pytest.mark.parametrize(("path", "options", "decision", "status"), REQUESTS, ids=lambda one: str(one)[:40])
def test_what_is_predicted_is_what_the_gateway_does(
    platform: Platform, gateway: str, path: str, options: tuple[str, ...], decision: str, status: int
) -> None:
    shown = platform.cli("auth", "explain", path, *options, "--check", "--json", check=False)
    told = shown.json()
    assert shown.code == 0, told
    assert (told["decision"], told["status"]) == (decision, status)


def test_services_that_check_by_themselves_and_plain_http_are_predicted(platform: Platform, gateway: str) -> None:
    parts = urlsplit(gateway)
    s3 = platform.cli("auth", "explain", f"https://s3.{parts.netloc}/", "--check", "--json").json()
    assert (s3["decision"], s3["answer"]["status"]) == ("service", 403)
    plain = {one["name"]: one["url"] for one in platform.status()["endpoints"]}["gateway-http"]
    port = urlsplit(plain).port
    told = platform.cli("auth", "explain", f"http://{parts.hostname}:{port}/x", "--check", "--json").json()
    assert (told["decision"], told["status"]) == ("redirect", 308)
    other = platform.cli("auth", "explain", f"https://{parts.hostname}:1/", check=False)
    assert other.code == 2
    assert "auth.port" in other.err


def explained(platform: Platform, token: str, *options: str) -> dict[str, object]:
    argv = platform.argv("auth", "explain", "/", "--token", "-", "--check", "--json", *options)
    done = subprocess.run(argv, input=token, capture_output=True, text=True, timeout=120, env=platform.environment())
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_tokens_are_judged_as_the_gateway_judges_them(
    platform: Platform, gateway: str, core: kubernetes.client.CoreV1Api
) -> None:
    lines = text_of(platform, "gateway", "--print", "env", "--account", "default/default").splitlines()
    good = next(line.partition("=")[2] for line in lines if "MLSTACK_TOKEN" in line)
    told = explained(platform, good)
    assert told["status"] in (0, 200, 404)
    assert "system:serviceaccount:default:default" in str(told["user"])
    body = {"spec": {"audiences": [AUDIENCE_OF_NOBODY], "expirationSeconds": 600}}
    wrong = core.create_namespaced_service_account_token("default", "default", body).status.token
    told = explained(platform, wrong)
    assert told["status"] == 403
    assert AUDIENCE_OF_NOBODY in str(told["steps"])
    header, claims, signature = good.split(".")
    read = json.loads(base64.urlsafe_b64decode(claims + "=="))
    for change in ({"iss": "https://evil.example"}, {"exp": 1}):
        made = base64.urlsafe_b64encode(json.dumps({**read, **change}).encode()).decode().rstrip("=")
        assert explained(platform, f"{header}.{made}.{signature}")["status"] == 401


def test_a_session_is_explained_with_the_identity_that_applications_get(platform: Platform, gateway: str) -> None:
    told = platform.cli("auth", "explain", "/", "--as", "ann@example.org", "--json").json()
    assert "ann@example.org" in told["user"]
    assert told["decision"] in ("service", "direct")
    assert platform.cli("auth", "explain", "/", "--as", "a", "--check", check=False).code == 2
