"""The instance's own certificate authority, for its gateway and its webhooks. It is never put into the host's trust store.

Certificates carry what strict verifiers ask for (RFC 5280): key usages and key identifiers on both authority and server.
"""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from collections.abc import Sequence
from typing import Any

from mlstack.core.errors import MlstackError
from mlstack.core.tls import CertificateFacts, is_address, server_names

CA_DAYS = 3650
LEAF_DAYS = 396
"""From now on; with the day before it the whole is 397 days, see ``core.tls.LONGEST``."""
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class OwnAuthority:
    """``ports.Certificates`` by the ``cryptography`` package. Keys are ECDSA P-256, unencrypted PEM."""

    def new_authority(self, name: str) -> tuple[str, str]:
        """A self-signed CA: (certificate, key). Its name ends in a random mark, so that trust stores tell two of them apart."""
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(f"{name} {secrets.token_hex(4)}")
        builder = _builder(subject, subject, key.public_key(), CA_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        return _signed(_identified(builder, key.public_key(), key.public_key()), key, key)

    def issue(self, authority: tuple[str, str], names: Sequence[str]) -> tuple[str, str]:
        """A server certificate for DNS names and IP addresses: (certificate, key)."""
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        names = server_names(names)
        ca = x509.load_pem_x509_certificate(authority[0].encode())
        ca_key = serialization.load_pem_private_key(authority[1].encode(), password=None)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_subject(names[0][:64]), ca.subject, key.public_key(), LEAF_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage("digital_signature"), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
        return _signed(_identified(builder, key.public_key(), ca.public_key()), ca_key, key)

    def describe(self, certificate: str, authority: str = "") -> CertificateFacts:
        """What a certificate says. authority: PEM of the CA that should have signed it. Raises ``certificate.unreadable``."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        try:
            found = x509.load_pem_x509_certificate(certificate.encode())
            names = _names(found)
            ours = not authority or _signed_by(found, x509.load_pem_x509_certificate(authority.encode()))
        except ValueError as error:
            raise MlstackError(
                "certificate.unreadable",
                "a certificate of the platform cannot be read",
                why=str(error).splitlines()[0],
                remedy="run `mlstack certs rotate` to have a new one issued",
            ) from None
        return CertificateFacts(
            names=names,
            begins=found.not_valid_before_utc.timestamp(),
            ends=found.not_valid_after_utc.timestamp(),
            fingerprint=found.fingerprint(hashes.SHA256()).hex(":").upper(),
            issuer=found.issuer.rfc4514_string(),
            ours=ours,
        )


def _names(certificate: Any) -> tuple[str, ...]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(one.value) for one in found)


def _signed_by(certificate: Any, authority: Any) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _subject(name: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _name(name: str) -> Any:
    from cryptography import x509

    return x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(name)


def _usage(*wanted: str) -> Any:
    from cryptography import x509

    return x509.KeyUsage(**{usage: usage in wanted for usage in USAGES})


def _identified(builder: Any, public_key: Any, issuer_key: Any) -> Any:
    """With the identifiers of its own key and its issuer's."""
    from cryptography import x509

    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return builder.add_extension(issuer, critical=False)


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
