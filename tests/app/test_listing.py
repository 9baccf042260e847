"""Which versions of a stack are told to be of a registry only, and which stacks to be installed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fakeapi import FakeApi

from mlstack.adapters.catalog import DataCatalogue
from mlstack.adapters.kube import KubeClient
from mlstack.adapters.kube_http import Patience
from mlstack.app.listing import UNREAD, stack_infos
from mlstack.core.desired import StackInventory
from mlstack.core.model import SYSTEM_NAMESPACE, ClusterFacts, ClusterState
from mlstack.core.resolve import Choice, home_choices, resolve
from mlstack.engine.inventory import write_inventory

CATALOGUE = DataCatalogue(Path(__file__).resolve().parents[2])
RELEASE = CATALOGUE.release(CATALOGUE.releases()[-1])
STACK = "kubeflow-pipelines"


def session_of(choices: dict[str, Choice], state: ClusterState = ClusterState.ABSENT, kube: Any = None) -> Any:
    """What the listing asks of a session: the catalogue, the choice, and the cluster."""
    return SimpleNamespace(
        name="mlstack",
        spec=None,
        provider=SimpleNamespace(observe=lambda _: ClusterFacts(state=state)),
        connect=lambda: kube,
        release=RELEASE,
        catalogue=CATALOGUE,
        selection=resolve(CATALOGUE, RELEASE, "pipelines", choices),
    )


def test_versions_of_which_only_a_registry_has_images_are_told_whichever_is_chosen() -> None:
    for version in ("", "2.17.0"):
        choices = home_choices(RELEASE, STACK, Choice(version=version, enabled=True))
        found = {info.name: info for info in stack_infos(session_of(choices), addons=False)}
        assert found[STACK].version == (version or "2.0.5")
        assert found[STACK].registry_only == ("2.17.0",) and "2.0.5" in found[STACK].versions
        assert found["minio"].registry_only == ()


def test_what_is_installed_is_what_the_cluster_has_not_what_is_chosen(fake: FakeApi) -> None:
    kube = KubeClient(fake.kubeconfig)
    with fake.lock:
        fake.put(("v1", "namespaces", "", SYSTEM_NAMESPACE), {"metadata": {"name": SYSTEM_NAMESPACE}}, "ADDED")
    write_inventory(kube, "mlstack", StackInventory("mlflow", "3.0.0", ensured=("bucket:x",)))
    off = session_of({}, ClusterState.RUNNING, kube)
    assert {info.name: info.installed for info in stack_infos(off, addons=True) if info.installed} == {
        "mlflow": "3.0.0"
    }
    assert not any(info.installed for info in stack_infos(session_of({}), addons=True))


def test_a_cluster_that_cannot_be_asked_hides_no_addon(fake: FakeApi) -> None:
    kube = KubeClient(fake.kubeconfig, patience=Patience(first=0.1))
    fake.stop()
    found = stack_infos(session_of({}, ClusterState.RUNNING, kube), addons=True)
    assert "mlflow" in {info.name for info in found} and {info.installed for info in found} == {UNREAD}
