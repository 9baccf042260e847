"""A real API server for tests: etcd and kube-apiserver as children on free ports of 127.0.0.1, with certificates made here.

Programs are looked for in the directories of MLSTACK_TEST_BIN (searched recursively), then in PATH.
"""

from __future__ import annotations

import datetime
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def program(name: str) -> Path | None:
    """The program's path, None when this machine has none."""
    for root in filter(None, os.environ.get("MLSTACK_TEST_BIN", "").split(os.pathsep)):
        for found in sorted(Path(root).rglob(name)):
            if found.is_file() and os.access(found, os.X_OK):
                return found
    found_in_path = shutil.which(name)
    return Path(found_in_path) if found_in_path else None


def missing() -> list[str]:
    """Programs a real API server needs and that are not here."""
    return [name for name in ("etcd", "kube-apiserver") if program(name) is None]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    parts += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name(parts)


def _certificate(subject, key, issuer, issuer_key, ca=False, address=""):
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if address:
        import ipaddress

        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _pem(item) -> bytes:
    if isinstance(item, x509.Certificate):
        return item.public_bytes(serialization.Encoding.PEM)
    return item.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


class ApiServer:
    """etcd and kube-apiserver in ``directory``. ``kubeconfig`` is an administrator's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port, self._client, self._peer = free_port(), free_port(), free_port()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._make_certificates()
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig.write_text(
            f"""apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: test, cluster: {{server: "https://127.0.0.1:{self.port}", certificate-authority: ca.crt}}}}]
users: [{{name: admin, user: {{client-certificate: admin.crt, client-key: admin.key}}}}]
contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]
"""
        )
        self.kubeconfig.chmod(0o600)

    def _make_certificates(self) -> None:
        ca_key, authority = ec.generate_private_key(ec.SECP256R1()), _name("test-ca")
        self._put("ca.crt", _certificate(authority, ca_key, authority, ca_key, ca=True))
        for file, subject, address in (
            ("server", _name("server"), "127.0.0.1"),
            ("admin", _name("admin", "system:masters"), ""),
        ):
            key = ec.generate_private_key(ec.SECP256R1())
            self._put(f"{file}.key", key)
            self._put(f"{file}.crt", _certificate(subject, key, authority, ca_key, address=address))

    def _put(self, name: str, item) -> None:
        path = self.directory / name
        path.write_bytes(_pem(item))
        path.chmod(0o600)

    def start(self) -> ApiServer:
        self._spawn(
            "etcd",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{self._client}",
            f"--advertise-client-urls=http://127.0.0.1:{self._client}",
            f"--listen-peer-urls=http://127.0.0.1:{self._peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{self._peer}",
            f"--initial-cluster=default=http://127.0.0.1:{self._peer}",
            "--unsafe-no-fsync",
        )
        self.start_api()
        return self

    def start_api(self) -> None:
        """Starts kube-apiserver alone (again)."""
        here = self.directory
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._client}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={here / 'server.crt'}",
            f"--tls-private-key-file={here / 'server.key'}",
            f"--client-ca-file={here / 'ca.crt'}",
            f"--service-account-key-file={here / 'server.crt'}",
            f"--service-account-signing-key-file={here / 'server.key'}",
            "--service-account-issuer=https://test",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
        )
        self._wait_ready()

    def start_controllers(self, *names: str) -> None:
        """Starts kube-controller-manager with these controllers."""
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            f"--controllers={','.join(names)}",
            f"--service-account-private-key-file={self.directory / 'server.key'}",
            "--secure-port=0",
        )

    def kill_api(self) -> None:
        """Kills kube-apiserver as SIGKILL does."""
        child = self._children.pop("kube-apiserver")
        child.kill()
        child.wait()

    def _spawn(self, name: str, *arguments: str) -> None:
        path = program(name)
        assert path is not None, f"{name} is not on this machine"
        log = (self.directory / f"{name}.log").open("ab")
        self._children[name] = subprocess.Popen(
            [str(path), *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        log.close()

    def _wait_ready(self) -> None:
        context = ssl.create_default_context(cafile=str(self.directory / "ca.crt"))
        context.load_cert_chain(self.directory / "admin.crt", self.directory / "admin.key")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            child = self._children["kube-apiserver"]
            if child.poll() is not None:
                raise AssertionError(
                    f"kube-apiserver ended: {(self.directory / 'kube-apiserver.log').read_text()[-1500:]}"
                )
            try:
                with urllib.request.urlopen(
                    f"https://127.0.0.1:{self.port}/readyz", context=context, timeout=2
                ) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError(
            f"kube-apiserver is not ready: {(self.directory / 'kube-apiserver.log').read_text()[-1500:]}"
        )

    def stop(self) -> None:
        for child in reversed(list(self._children.values())):
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()
