"""The instance's own authority: what it issues is trusted by whoever trusts it, for the named hosts only."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest

from mlstack.adapters.certificates import OwnAuthority

NAMES = ["hook.ns.svc", "hook.ns.svc.cluster.local"]


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


@pytest.mark.parametrize("name", NAMES)
def test_a_server_is_trusted_under_its_names(files, name):
    handshake(files, name, files / "ca")


def test_another_name_and_another_authority_are_refused(files, tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(files, "other.ns.svc", files / "ca")
    (tmp_path / "other").write_text(OwnAuthority().new_authority("other")[0])
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(files, NAMES[0], tmp_path / "other")
