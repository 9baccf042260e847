"""An identity provider of somebody else: Dex in a container of its own, with TLS by an authority that nobody else trusts."""

from __future__ import annotations

import datetime
import ipaddress
import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mlstack.adapters.freeport import free_port
from mlstack.adapters.passwords import hashed
from mlstack.app.opening import open_session
from mlstack.cli.usecases import LoadOptions

REF = "ghcr.io/dexidp/dex:v2.45.1"
USER, PASSWORD = "somebody@example.org", "a password of another house"
CLIENT, SECRET = "platform", "what the issuer and the platform share"


@dataclass
class Foreign:
    """A running issuer. authority: PEM file of the CA of its certificate."""

    container: str
    issuer: str
    authority: Path
    callbacks: list[str] = field(default_factory=list)


def _docker(*args: str) -> str:
    return subprocess.run(["docker", *args], check=True, capture_output=True, text=True).stdout.strip()


def _certificate(directory: Path, address: str) -> None:
    """A CA and a certificate of it for an IP address: ca.pem, tls.pem, key.pem."""
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in ("somebody's CA", "issuer")]

    def signed(index: int, extension: x509.ExtensionType, critical: bool) -> bytes:
        builder = x509.CertificateBuilder(names[0], names[index], keys[index].public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        certificate = builder.add_extension(extension, critical).sign(keys[0], hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM)

    (directory / "ca.pem").write_bytes(signed(0, x509.BasicConstraints(ca=True, path_length=0), True))
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    (directory / "tls.pem").write_bytes(signed(1, alternative, False))
    kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "key.pem").write_bytes(keys[1].private_bytes(*kinds))


def _configuration(issuer: str, listen: str, callbacks: list[str]) -> str:
    return json.dumps(
        {
            "issuer": issuer,
            "storage": {"type": "memory"},
            "web": {"https": listen, "tlsCert": "/etc/dex/tls.pem", "tlsKey": "/etc/dex/key.pem"},
            "oauth2": {"skipApprovalScreen": True},
            "enablePasswordDB": True,
            "staticClients": [{"id": CLIENT, "secret": SECRET, "name": "platform", "redirectURIs": callbacks}],
            "staticPasswords": [
                {"email": USER, "hash": hashed(PASSWORD), "username": "somebody", "userID": uuid.uuid4().hex}
            ],
        }
    )


@contextmanager
def foreign_issuer(directory: Path, network: str, callback: str) -> Iterator[Foreign]:
    """Runs the issuer in a network of the engine as long as the block lasts."""
    session = open_session(LoadOptions(sets=("profile=standard",)), lambda _event: None, lambda: False)
    with session.images.export(REF) as archive:
        _docker("load", "--input", str(archive))
    name = f"issuer-{uuid.uuid4().hex[:8]}"
    directory.chmod(0o755)
    # on the engine's side of the network: pods and this host reach it, nobody else does
    address = json.loads(_docker("network", "inspect", network))[0]["IPAM"]["Config"][0]["Gateway"]
    port = free_port(frozenset())
    issuer = f"https://{address}:{port}/dex"
    _certificate(directory, address)
    (directory / "config.yaml").write_text(_configuration(issuer, f"{address}:{port}", [callback]))
    for file in directory.iterdir():
        file.chmod(0o644)
    where = ("--name", name, "--network", "host", "--volume", f"{directory}:/etc/dex:ro")
    try:
        _docker("run", "--detach", *where, REF, "serve", "/etc/dex/config.yaml")
        yield Foreign(name, issuer, directory / "ca.pem", [callback])
    finally:
        _docker("rm", "-f", name)
