"""When a server certificate is due, whom it is for, and how people learn to trust its authority."""

import pytest

from mlstack.core.tls import DAY, CertificateFacts, covers, fault, server_names, why_due
from mlstack.core.trust import trust_steps

NOW = 1_800_000_000.0
NAMES = ("lab.localhost", "*.lab.localhost", "127.0.0.1")


def facts(ends=300 * DAY, begins=-DAY, names=NAMES, **more):
    return CertificateFacts(names=names, begins=NOW + begins, ends=NOW + ends, **more)


@pytest.mark.parametrize(
    ("known", "wanted", "due", "wrong"),
    [
        (facts(), NAMES, "", ""),
        (facts(), NAMES[:1], "", ""),
        (facts(ends=31 * DAY), NAMES, "", ""),
        (facts(ends=29 * DAY), NAMES, "it ends in 29 days", ""),
        (facts(ends=-3 * DAY), NAMES, "it ended 3 days ago", "it ended 3 days ago"),
        (facts(ends=-3600), NAMES, "it ended 1 hours ago", "it ended 1 hours ago"),
        (facts(), ("new.example", *NAMES), "it is not for new.example", "it is not for new.example"),
        (facts(begins=5 * DAY), NAMES, "it begins only in 5 days", "check the clock"),
        (facts(ours=False), NAMES, "another authority", "another authority"),
        (facts(ends=1825 * DAY), NAMES, "valid for 1826 days", ""),
    ],
)
def test_a_certificate_is_due_with_a_reason(known, wanted, due, wrong):
    for expected, told in ((due, why_due(known, wanted, NOW)), (wrong, fault(known, wanted, NOW))):
        assert expected in told
        assert bool(expected) == bool(told)


def test_names_are_told_once_and_addresses_have_no_subdomains():
    names = ("Lab.localhost.", "lab.localhost", "10.0.0.1", "*.10.0.0.1", "::1")
    assert server_names(names) == ("lab.localhost", "10.0.0.1", "::1")


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("lab.localhost", True),
        ("LAB.localhost", True),
        ("s3.lab.localhost", True),
        ("a.s3.lab.localhost", False),
        ("127.0.0.1", True),
        ("127.0.0.2", False),
        ("localhost", False),
        ("evil-lab.localhost", False),
    ],
)
def test_a_wildcard_stands_for_one_label(host, covered):
    assert covers(NAMES, host) is covered


def test_every_way_to_trust_quotes_the_path_and_names_the_file():
    steps = trust_steps("/a b/ca.crt", "/a b/all.crt", "mlstack-lab", "mlstack lab 12", "https://lab.localhost/")
    systems = " ".join(step.system for step in steps)
    for name in ("Debian", "Fedora", "macOS", "Windows", "WSL", "Firefox", "curl", "Python"):
        assert name in systems
    for step in steps:
        for command in step.commands:
            bare = command.replace("'/a b/", "").replace("Import: /a b/", "")
            assert "/a b/" not in bare, step
