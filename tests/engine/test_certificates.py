"""The instance's own authority: what it issues is trusted by whoever trusts it, for the named hosts only."""

from __future__ import annotations

import re
import socket
import ssl
import threading

import pytest

from mlstack.adapters.certificates import OwnAuthority
from mlstack.core.errors import MlstackError
from mlstack.core.tls import LONGEST

NAMES = ["hook.ns.svc", "*.lab.localhost", "127.0.0.1", "::1"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    authority = OwnAuthority().new_authority("mlstack test")
    certificate, key = OwnAuthority().issue(authority, NAMES)
    for name, text in (("ca", authority[0]), ("cert", certificate), ("key", key)):
        (directory / name).write_text(text)
    return directory


def handshake(files, name, authority):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files / "cert", files / "key")
    client = ssl.create_default_context(cafile=str(authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    here, there = socket.socketpair()

    def serve():
        try:
            server.wrap_socket(there, server_side=True).close()
        except OSError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(here, server_hostname=name).close()
    finally:
        here.close()
        thread.join()


@pytest.mark.parametrize("name", ["hook.ns.svc", "s3.lab.localhost", "127.0.0.1", "::1"])
def test_a_server_is_trusted_under_its_names(files, name):
    handshake(files, name, files / "ca")


def test_another_name_and_another_authority_are_refused(files, tmp_path):
    for name in ("other.ns.svc", "lab.localhost", "a.b.lab.localhost", "127.0.0.2"):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(files, name, files / "ca")
    (tmp_path / "other").write_text(OwnAuthority().new_authority("other")[0])
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(files, NAMES[0], tmp_path / "other")


def test_what_was_issued_is_described(files):
    facts = OwnAuthority().describe((files / "cert").read_text(), (files / "ca").read_text())
    assert facts.names == tuple(NAMES)
    assert facts.ours
    assert 0 < facts.ends - facts.begins <= LONGEST
    assert re.fullmatch(r"CN=mlstack test [0-9a-f]{8}", facts.issuer)
    assert re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", facts.fingerprint)
    assert (
        not OwnAuthority().describe((files / "cert").read_text(), OwnAuthority().new_authority("mlstack test")[0]).ours
    )
    with pytest.raises(MlstackError, match="cannot be read") as error:
        OwnAuthority().describe("-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n")
    assert error.value.code == "certificate.unreadable"
