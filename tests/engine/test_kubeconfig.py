"""Kubeconfigs: what is understood, and that nothing but our own error comes out of any other file (goal R9)."""

from __future__ import annotations

import base64

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlstack.adapters.certificates import OwnAuthority
from mlstack.adapters.kubeconfig import load
from mlstack.core.errors import ExitCode, MlstackError


def write(tmp_path, cluster=None, user=None, **document):
    base = {
        "current-context": "c",
        "clusters": [{"name": "k", "cluster": cluster or {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump({**base, **document}))
    return path


def test_the_server_is_taken_apart(tmp_path):
    access = load(write(tmp_path, {"server": "https://host.example/k8s/c1/", "tls-server-name": "other"}))
    assert (access.host, access.port, access.prefix, access.server_name) == ("host.example", 443, "/k8s/c1", "other")
    assert access.url == "https://host.example:443/k8s/c1"


def test_a_token_becomes_a_header(tmp_path):
    assert load(write(tmp_path, user={"token": "t0k"})).headers(False) == {"Authorization": "Bearer t0k"}


def test_certificates_are_read_from_data_and_from_files_beside_the_kubeconfig(tmp_path):
    authority = OwnAuthority().new_authority("test")
    certificate, key = OwnAuthority().issue(authority, ["admin"])
    encoded = {
        name: base64.b64encode(text.encode()).decode()
        for name, text in (("c", certificate), ("k", key), ("a", authority[0]))
    }
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority-data": encoded["a"]}
    access = load(write(tmp_path, cluster, {"client-certificate-data": encoded["c"], "client-key-data": encoded["k"]}))
    assert access.context is not None and len(access.context.get_ca_certs()) == 1
    for name, text in (("c.pem", certificate), ("k.pem", key), ("a.pem", authority[0])):
        (tmp_path / name).write_text(text)
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority": "a.pem"}
    access = load(write(tmp_path, cluster, {"client-certificate": "c.pem", "client-key": "k.pem"}))
    assert access.context is not None and len(access.context.get_ca_certs()) == 1


def test_no_certificate_stays_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    certificate, key = OwnAuthority().issue(OwnAuthority().new_authority("t"), ["admin"])
    data = {"client-certificate-data": base64.b64encode(certificate.encode()).decode()}
    load(write(tmp_path, user={**data, "client-key-data": base64.b64encode(key.encode()).decode()}))
    assert list((tmp_path / "tmp").iterdir()) == []


BROKEN = {
    "empty": "",
    "no yaml": "a: [",
    "list": "- 1",
    "no context": "clusters: []",
    "other context": "current-context: x\ncontexts: [{name: c, context: {}}]",
    "no cluster": "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]",
    "bad server": "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters: [{name: k, cluster: {server: 'ftp://x'}}]",
    "bad port": "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters: [{name: k, cluster: {server: 'https://x:y'}}]",
    "bad authority": (
        "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
        "clusters: [{name: k, cluster: {server: 'https://x', certificate-authority-data: 'Zm9v'}}]"
    ),
    "missing file": (
        "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
        "clusters: [{name: k, cluster: {server: 'https://x', certificate-authority: 'none.pem'}}]"
    ),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_with_its_path(tmp_path, text):
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(MlstackError) as caught:
        load(path)
    assert caught.value.code == "kube.config" and str(path) in caught.value.what
    assert caught.value.exit_code is ExitCode.PREFLIGHT


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(MlstackError, match="cannot be used"):
        load(tmp_path / "none")


def test_a_damaged_key_is_not_repeated(tmp_path):
    canary = base64.b64encode(b"canary-key").decode()
    with pytest.raises(MlstackError) as caught:
        load(write(tmp_path, user={"client-certificate-data": canary, "client-key-data": canary}))
    assert "canary" not in str(caught.value) and canary not in str(caught.value)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["c", "k", "u", "https://x:1", "a/b", "Zm9v"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "cluster",
                    "user",
                    "context",
                    "server",
                    "certificate-authority-data",
                    "client-key-data",
                    "client-certificate-data",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["current-context", "clusters", "users", "contexts"]), JUNK), st.binary(max_size=30)
)
def test_any_other_file_gives_our_own_error_only(tmp_path, document, noise):
    path = tmp_path / "kubeconfig"
    for content in (yaml.safe_dump({"current-context": "c", **document}).encode(), noise):
        path.write_bytes(content)
        try:
            load(path)
        except MlstackError as error:
            assert error.code == "kube.config"
