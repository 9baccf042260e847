"""The instance's own certificate authority: for traffic inside the cluster (webhooks), never installed on the host."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

CA_DAYS = 3650
LEAF_DAYS = 1825


class OwnAuthority:
    """``ports.Certificates`` by the ``cryptography`` package. Keys are ECDSA P-256, unencrypted PEM."""

    def new_authority(self, name: str) -> tuple[str, str]:
        """A self-signed CA: (certificate, key)."""
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name)
        builder = _builder(subject, subject, key.public_key(), CA_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return _signed(builder, key, key)

    def issue(self, authority: tuple[str, str], dns_names: Sequence[str]) -> tuple[str, str]:
        """A server certificate for the names: (certificate, key)."""
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        ca = x509.load_pem_x509_certificate(authority[0].encode())
        ca_key = serialization.load_pem_private_key(authority[1].encode(), password=None)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_subject(dns_names[0][:64]), ca.subject, key.public_key(), LEAF_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return _signed(builder.add_extension(names, critical=False).add_extension(usage, critical=False), ca_key, key)


def _subject(name: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: Any, issuer: Any, public_key: Any, days: int) -> Any:
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    # A day of tolerance: the clocks of host and nodes need not agree.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _signed(builder: Any, signer: Any, key: Any) -> tuple[str, str]:
    from cryptography.hazmat.primitives import hashes, serialization

    certificate = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return certificate, private
