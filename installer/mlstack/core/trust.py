"""How the systems and programs people use learn to trust the platform's authority, as commands. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from mlstack.core.accessresults import TrustStep

DEBIAN, FEDORA, SUSE = "/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors", "/etc/pki/trust/anchors"


def trust_steps(authority: str, bundle: str, name: str, subject: str, url: str) -> tuple[TrustStep, ...]:
    """One step for each kind. authority, bundle: files; name: a nickname of the authority;
    subject: the common name in it; url: something to try it with."""
    return (*_systems(authority, name, subject), *_browsers(authority, name), *_programs(authority, bundle, url))


def _linux(system: str, directory: str, refresh: str, file: str, name: str) -> TrustStep:
    target = f"{directory}/{name}.crt"
    return TrustStep(
        system=system,
        commands=(f"sudo install -m 0644 {file} {target}", f"sudo {refresh}"),
        undo=f"sudo rm {target} && sudo {refresh}",
    )


def _systems(authority: str, name: str, subject: str) -> Sequence[TrustStep]:
    file = quote(authority)
    return (
        _linux("Debian, Ubuntu, Alpine", DEBIAN, "update-ca-certificates", file, name),
        _linux("Fedora, RHEL, Rocky Linux", FEDORA, "update-ca-trust", file, name),
        _linux("openSUSE", SUSE, "update-ca-certificates", file, name),
        TrustStep(
            system="Arch Linux",
            commands=(f"sudo trust anchor --store {file}",),
            undo=f"sudo trust anchor --remove {file}",
        ),
        TrustStep(
            system="macOS",
            commands=(f"sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {file}",),
            undo=f"sudo security remove-trusted-cert -d {file}",
        ),
        TrustStep(
            system="Windows",
            commands=(f"certutil -user -addstore Root {name}.crt",),
            undo=f'certutil -user -delstore Root "{subject}"',
            note="in a command prompt, on a copy of the file",
        ),
        TrustStep(
            system="Windows browsers, from WSL",
            commands=(f'certutil.exe -user -addstore Root "$(wslpath -w {file})"',),
            undo=f'certutil.exe -user -delstore Root "{subject}"',
        ),
    )


def _browsers(authority: str, name: str) -> Sequence[TrustStep]:
    file = quote(authority)
    return (
        TrustStep(
            system="Chrome, Chromium on Linux",
            commands=(f"certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n {quote(name)} -i {file}",),
            undo=f"certutil -d sql:$HOME/.pki/nssdb -D -n {quote(name)}",
            note="certutil is in libnss3-tools (Debian, Ubuntu) or nss-tools (Fedora)",
        ),
        TrustStep(
            system="Firefox",
            commands=(f"Settings > Privacy & Security > View Certificates > Authorities > Import: {authority}",),
            note="it keeps a list of its own, also where the system trusts the authority",
        ),
    )


def _programs(authority: str, bundle: str, url: str) -> Sequence[TrustStep]:
    file, both = quote(authority), quote(bundle)
    variables = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "GIT_SSL_CAINFO")
    return (
        TrustStep(system="curl", commands=(f"curl --cacert {file} {quote(url)}",)),
        TrustStep(
            system="Python",
            commands=(
                f"requests.get({url!r}, verify={authority!r})",
                f"httpx.get({url!r}, verify=ssl.create_default_context(cafile={authority!r}))",
            ),
        ),
        TrustStep(
            system="Every program of a shell",
            commands=(*(f"export {one}={both}" for one in variables), f"export NODE_EXTRA_CA_CERTS={file}"),
            undo=f"unset {' '.join((*variables, 'NODE_EXTRA_CA_CERTS'))}",
            note="the file holds this host's authorities too, since these variables take the place of the system's list",
        ),
    )
