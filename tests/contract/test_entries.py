"""Every stack and addon: it renders, its golden output is current, its documents hold together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from contract_data import CATALOGUE, FACTS, ROOT, Workshop, variations

from mlstack.core.budget import check_budget
from mlstack.core.catalogue import Entry
from mlstack.core.context import NetworkFacts, ProviderFacts
from mlstack.core.desired import RenderedStack
from mlstack.core.golden import golden_files
from mlstack.core.model import LABEL_INSTANCE, LABEL_STACK
from mlstack.core.resolve import Chosen

OTHER_FACTS = {
    "existing cluster": replace(
        FACTS, provider=ProviderFacts(type="existing", node_ports=False, pod_cidr="", storage_class="fast")
    ),
    "arm64": replace(FACTS, provider=ProviderFacts(architecture="arm64")),
    "proxy": replace(
        FACTS, network=NetworkFacts("http://proxy:3128", "http://proxy:3128", 'localhost,"quoted".svc', "-----BEGIN")
    ),
}


def test_objects_are_labelled_and_namespaces_come_first(rendered: RenderedStack, entry: Entry) -> None:
    kinds = [obj["kind"] for obj in rendered.objects]
    assert kinds, "an entry renders to something"
    assert kinds == sorted(kinds, key=lambda kind: kind != "Namespace")
    for obj in rendered.objects:
        assert obj["metadata"]["labels"][LABEL_STACK] == entry.name
        assert obj["metadata"]["labels"][LABEL_INSTANCE] == "contract"


def test_namespaces_say_their_pod_security_level(rendered: RenderedStack) -> None:
    for obj in rendered.objects:
        if obj["kind"] == "Namespace":
            assert obj["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] in {
                "privileged",
                "baseline",
                "restricted",
            }


def test_golden_output_is_current(workshop: Workshop, entry: Entry) -> None:
    wanted = golden_files(workshop.renderer, workshop.select(entry.name, entry.version), entry.name)
    directory = ROOT / entry.directory / "golden"
    found = {path.name: path.read_text() for path in directory.iterdir()} if directory.is_dir() else {}
    assert found == wanted, "run: mlstack dev golden (and look at what changed)"


@pytest.mark.parametrize("name", ["notebooks", "kubeflow-pipelines"])
def test_golden_output_is_the_same_whatever_code_is_in_images(workshop: Workshop, name: str) -> None:
    """Also where what is rendered is hashed: a ConfigMap may hold an image's reference, and pods a hash of the ConfigMap."""
    selection = workshop.select(name, CATALOGUE.versions(name)[0])

    def later(chosen: Chosen) -> Chosen:
        document = chosen.entry.document
        images = [
            one.model_copy(update={"ref": f"{one.ref.rpartition('-')[0]}-0123456789ab"})
            if one.build and one.build.packages
            else one
            for one in document.spec.images
        ]
        assert chosen.entry.name != name or images != document.spec.images
        spec = document.spec.model_copy(update={"images": images})
        return replace(chosen, entry=replace(chosen.entry, document=document.model_copy(update={"spec": spec})))

    changed = replace(selection, stacks=tuple(later(one) for one in selection.stacks))
    assert golden_files(workshop.renderer, changed, name) == golden_files(workshop.renderer, selection, name)


def test_every_param_changes_the_output_at_each_of_its_values(workshop: Workshop, entry: Entry) -> None:
    """A parameter that changes nothing is not used; one without another value to try cannot be tested."""
    plain = comparable(workshop.render(entry.name, entry.version))
    tried = variations(entry.document.spec.params)
    untried = set(entry.document.spec.params) - {name for values in tried for name in values}
    assert not untried, f"give these examples, bounds or values: {sorted(untried)}"
    changing: set[str] = set()
    for params in tried:
        other = comparable(workshop.render(entry.name, entry.version, **params))
        changing |= set(params) if other != plain else set()
    assert changing == set(entry.document.spec.params)


@pytest.mark.parametrize("facts", OTHER_FACTS.values(), ids=OTHER_FACTS)
def test_renders_for_other_hosts(workshop: Workshop, entry: Entry, facts) -> None:
    one = workshop.render(entry.name, entry.version, facts)
    if not facts.provider.node_ports:
        assert all(point.route for point in one.endpoints), "only what is behind a gateway can be reached"
        kinds_apart = [obj for obj in one.objects if obj["kind"] != "CustomResourceDefinition"]
        assert "NodePort" not in json.dumps(kinds_apart), "definitions of kinds may have the word"


def test_requests_stay_within_the_budget(workshop: Workshop, rendered: RenderedStack, entry: Entry) -> None:
    for params in [{}, *variations(entry.document.spec.params)]:
        one = workshop.render(entry.name, entry.version, **params)
        assert check_budget(entry.name, one.objects, entry.document.spec.budget) is None, params


def test_what_it_exports_is_what_it_provides(rendered: RenderedStack, entry: Entry) -> None:
    spec = entry.document.spec
    assert set(spec.exports) <= set(spec.provides)
    for values in rendered.exports.values():
        assert all(isinstance(value, str) and "{{" not in value for value in values.values())


def test_buckets_and_databases_name_generated_secrets(entry: Entry) -> None:
    spec = entry.document.spec
    secrets = {secret.name: {*secret.keys, *secret.literals} for secret in spec.secrets}
    for bucket in spec.buckets:
        assert not bucket.secret or secrets[bucket.secret] >= {"accesskey", "secretkey"}
    for database in spec.databases:
        assert secrets[database.secret] >= {"username", "password"}
    assert not spec.buckets or "object-store" in spec.requires
    assert not spec.databases or "database" in spec.requires


def test_generated_values_have_at_least_128_bit(entry: Entry) -> None:
    for secret in entry.document.spec.secrets:
        secret_keys = {key: length for key, length in secret.keys.items() if key != "accesskey"}
        assert all(length >= 22 for length in secret_keys.values()), secret.name


def test_endpoints_point_at_services(rendered: RenderedStack) -> None:
    services = {obj["metadata"]["name"]: obj for obj in rendered.objects if obj["kind"] == "Service"}
    for endpoint in rendered.endpoints:
        ports = services[endpoint.service]["spec"]["ports"]
        assert endpoint.node_port in [port.get("nodePort", 0) for port in ports], endpoint.name
        credentials = {secret.credential for secret in rendered.secrets}
        assert not endpoint.credential or endpoint.credential in credentials


def test_has_a_readme_of_its_own(entry: Entry) -> None:
    readme = (ROOT / entry.directory / "README.md").read_text()
    assert readme.startswith(f"# {entry.name}\n")
    assert len(readme) > 100


def test_directory_holds_no_program_and_no_stray_file(entry: Entry) -> None:
    directory = ROOT / entry.directory
    known = {"stack.yaml", "patches.yaml", "README.md", "templates", "samples", "golden"}
    named = {
        item.file for image in entry.document.spec.images if image.build for item in image.build.files if item.file
    }
    allowed = known | {Path(name).parts[0] for name in named}
    assert {path.name for path in directory.iterdir()} <= allowed
    assert not list(directory.rglob("*.py"))


def test_no_two_entries_of_a_release_share_a_port() -> None:
    release = CATALOGUE.release(CATALOGUE.releases()[-1]).spec
    chosen = {**release.stacks, **release.addons}
    points = [point for pair in chosen.items() for point in CATALOGUE.entry(*pair).document.spec.endpoints]
    published = [point for point in points if point.node_port]
    for ports in ([p.port for p in published], [p.node_port for p in published], [p.name for p in points]):
        assert len(ports) == len(set(ports))


def comparable(one: RenderedStack) -> str:
    """All that a rendering says, as text."""
    return repr((one.objects, one.secrets, one.exports, one.endpoints, one.images))
