"""The operator of MPI jobs: it reads no Secrets, its image's parts agree with each other and with the sample."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from contract_data import CATALOGUE, FACTS, ROOT, Workshop

from mlstack.core.sample import sample_object

NAME, VERSION = "mpi-operator", "0.8.0"
IMAGE = "mlstack.local/openmpi:4.1"
FOLDER = ROOT / "addons" / NAME / VERSION / "image"
SOURCE = ROOT / "stacks/locks/go" / NAME / "cmd" / NAME


@pytest.fixture(scope="module")
def objects(workshop: Workshop) -> list[dict[str, Any]]:
    return list(workshop.render(NAME, VERSION).objects)


def job_of(workshop: Workshop, **params: Any) -> dict[str, Any]:
    selection = workshop.offer(NAME, VERSION, "train-mpi")
    return dict(sample_object(selection, "train-mpi", params, FACTS)[0])


def program_of(job: dict[str, Any], role: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(pod, its only container) of a role."""
    pod = job["spec"]["mpiReplicaSpecs"][role]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


def settings(name: str) -> dict[str, str]:
    """Keyword -> value of a configuration of SSH."""
    lines = (FOLDER / name).read_text().splitlines()
    return dict(line.strip().split(" ", 1) for line in lines if line.strip() and not line.startswith(("#", "Host ")))


def test_it_makes_secrets_and_reads_none(objects: list[dict[str, Any]]) -> None:
    roles = [one for one in objects if one["kind"] in ("ClusterRole", "Role")]
    granted = [(res, {*rule["verbs"]}) for role in roles for rule in role["rules"] for res in rule["resources"]]
    assert [verbs for res, verbs in granted if res == "secrets"] == [{"create"}]
    assert not [res for res, verbs in granted if res in ("pods/exec", "*", "roles", "rolebindings") or "*" in verbs]


def test_its_program_asks_for_what_its_rights_allow() -> None:
    """Upstream's would watch all Secrets and priority classes, and end where it may not."""
    text = (SOURCE / "main.go").read_text()
    watched = set(re.findall(r"own\.\w+\(\)\.V1\(\)\.(\w+)\(\)", text))
    assert watched == {"ConfigMaps", "Services", "Jobs", "Pods"}
    (image,) = [one for one in CATALOGUE.entry(NAME, VERSION).document.spec.images if NAME in one.ref]
    assert image.ref.startswith("mlstack.local/"), "an image of upstream's takes other flags and needs other rights"
    assert image.build and image.build.go[0].packages == {NAME: f"./cmd/{NAME}"}


def test_server_client_and_job_agree_on_place_port_and_user(workshop: Workshop) -> None:
    server, client, job = settings("sshd_config"), settings("ssh_config"), job_of(workshop)
    keys = job["spec"]["sshAuthMountPath"]
    assert server["HostKey"] == client["IdentityFile"] == f"{keys}/id_rsa"
    assert server["AuthorizedKeysFile"] == f"{keys}/authorized_keys"
    assert f"{keys}/id_rsa.pub" in (FOLDER / "mpi-known-hosts.sh").read_text()
    pod, worker = program_of(job, "Worker")
    assert server["Port"] == client["Port"] == str(worker["ports"][0]["containerPort"])
    assert worker["startupProbe"]["tcpSocket"]["port"] == worker["ports"][0]["name"]
    (image,) = [one for one in CATALOGUE.entry(NAME, VERSION).document.spec.images if one.ref == IMAGE]
    assert image.build and image.build.debian and image.build.user == "1000:1000"
    entry = f"{server['AllowUsers']}:x:{pod['securityContext']['runAsUser']}:"
    assert entry in image.build.debian.commands[0] and client["User"] == server["AllowUsers"]
    assert image.build.env["HOME"] == str(Path(keys).parent)


def test_nobody_comes_in_without_the_jobs_key() -> None:
    server, client = settings("sshd_config"), settings("ssh_config")
    assert server["AuthenticationMethods"] == "publickey"
    assert {server[f"{way}Authentication"] for way in ("Password", "KbdInteractive")} == {"no"}
    assert {server[f"Allow{what}Forwarding"] for what in ("Agent", "Tcp", "StreamLocal")} == {"no"}
    assert client["StrictHostKeyChecking"] == "yes" and client["UserKnownHostsFile"] == "/dev/null"
    (image,) = [one for one in CATALOGUE.entry(NAME, VERSION).document.spec.images if one.ref == IMAGE]
    assert image.build and image.build.debian
    assert "rm -f /etc/ssh/ssh_host_*" in image.build.debian.commands, "else every job would have the image's keys"


def script(name: str, directory: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a script of the image on a root of its own. Programs it calls are looked for in its ``bin``."""
    text = (FOLDER / name).read_text()
    for place in ("/etc/mpi", "/home/mpi"):
        text = text.replace(place, f"{directory}{place}")
    path = f"{directory}/bin:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", text, name, *arguments], capture_output=True, text=True, timeout=20, env={"PATH": path, **env}
    )


def put(directory: Path, path: str, text: str) -> None:
    file = directory / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


def test_hosts_are_known_by_the_jobs_key(tmp_path: Path) -> None:
    put(tmp_path, "home/mpi/.ssh/id_rsa.pub", "ecdsa-sha2-nistp521 AAAA= of the job\n")
    assert script("mpi-known-hosts.sh", tmp_path).stdout == "* ecdsa-sha2-nistp521 AAAA=\n"


@pytest.mark.parametrize(("known", "said"), [("1", "started -n 2 python3 -c print(1)\n"), ("9", "")])
def test_nothing_is_launched_before_all_names_are_known(tmp_path: Path, known: str, said: str) -> None:
    """getent knows the second worker at the given attempt, and three are made."""
    put(tmp_path, "etc/mpi/hostfile", "w-0.job.ns.svc slots=1\nw-1.job.ns.svc slots=1\n")
    put(tmp_path, "bin/mpirun", '#!/bin/sh\necho "started $*"\n')
    put(tmp_path, "bin/sleep", "#!/bin/sh\n")
    asked = f'test "$2" = w-0.job.ns.svc || {{ echo x >>{tmp_path}/n; test $(wc -l <{tmp_path}/n) -gt {known}; }}'
    put(tmp_path, "bin/getent", f"#!/bin/sh\n{asked}\n")
    ran = script("mpi-launch.sh", tmp_path, "-n", "2", "python3", "-c", "print(1)", MPI_WAIT="3")
    assert ran.stdout == said and (ran.returncode == 0) == bool(said)
    assert ("nobody is called w-1.job.ns.svc" in ran.stderr) == (not said)


def test_the_samples_parameters_reach_it_and_its_pods_are_confined(workshop: Workshop) -> None:
    job = job_of(workshop, workers=3, slots=2, steps=7)
    assert (job["spec"]["slotsPerWorker"], job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"]) == (2, 3)
    _, launcher = program_of(job, "Launcher")
    env = {one["name"]: one["value"] for one in launcher["env"]}
    assert (env["PROCESSES"], env["STEPS"]) == ("6", "7")
    compile(env["PROGRAM"], "train.py", "exec")
    for role in ("Launcher", "Worker"):
        pod, container = program_of(job, role)
        assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
        security = container["securityContext"]
        assert security["capabilities"] == {"drop": ["ALL"]} and security["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"]["memory"] and container["image"] == IMAGE


def test_both_operators_of_jobs_go_together(workshop: Workshop, objects: list[dict[str, Any]]) -> None:
    """A cluster has one kind of a name, and the first training operator had this one too."""
    (release,) = [one.spec for one in [workshop.release]]
    other = workshop.render("training-operator", release.addons["training-operator"]).objects
    mine, theirs = ({(one["kind"], one["metadata"]["name"]) for one in found} for found in (objects, other))
    shared = {pair for pair in mine & theirs if pair[0] in ("CustomResourceDefinition", "ClusterRole")}
    assert ("CustomResourceDefinition", "mpijobs.kubeflow.org") in mine and not shared
