"""What every provider promises, whatever is behind it: inherited by the tests of the providers on fakes and on real clusters.

A subclass gives ``provider`` (of a running cluster), ``spec``, ``stored`` (an image the nodes have, as the store knows it),
and says by ``makes_cluster`` whether the provider may change the cluster's life.
"""

from __future__ import annotations

import json
import pickle
from typing import Any, ClassVar

import pytest

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Event
from mlstack.core.model import ClusterSpec, ClusterState, ImageRecord
from mlstack.core.ports import ClusterProvider


class ProviderContract:
    makes_cluster: ClassVar[bool]

    @pytest.fixture
    def events(self) -> list[Event]:
        return []

    def test_observe_tells_nodes_and_images_and_is_repeatable(
        self, provider: ClusterProvider, spec: ClusterSpec, stored: ImageRecord
    ) -> None:
        facts = provider.observe(spec)
        assert facts.state is ClusterState.RUNNING
        assert len(facts.nodes) >= 1
        assert stored.ref in facts.images
        assert facts.architecture in ("amd64", "arm64")
        assert not facts.half_made
        assert provider.observe(spec) == facts

    def test_preflight_of_a_good_cluster_finds_nothing(self, provider: ClusterProvider, spec: ClusterSpec) -> None:
        assert list(provider.preflight(spec)) == []

    def test_create_of_a_running_cluster_keeps_it(
        self, provider: ClusterProvider, spec: ClusterSpec, events: list[Event]
    ) -> None:
        before = provider.observe(spec)
        provider.create(spec, events.append, "create", lambda: False)
        assert provider.observe(spec) == before

    def test_start_of_a_running_cluster_keeps_it(
        self, provider: ClusterProvider, spec: ClusterSpec, events: list[Event]
    ) -> None:
        before = provider.observe(spec)
        provider.start(spec, events.append, "start", lambda: False)
        assert provider.observe(spec) == before
        assert all(json.dumps(event.to_json()) for event in events)

    def test_an_image_that_is_there_is_not_loaded_again(
        self, provider: ClusterProvider, spec: ClusterSpec, stored: ImageRecord, events: list[Event]
    ) -> None:
        assert provider.load_image(spec, stored, events.append, "load") is False

    def test_kubeconfig_is_a_file_of_this_cluster(self, provider: ClusterProvider, spec: ClusterSpec) -> None:
        path = provider.kubeconfig(spec)
        assert path.is_file()
        assert path.stat().st_mode & 0o077 == 0

    def test_a_cluster_of_somebody_else_survives_delete_and_stop(
        self, provider: ClusterProvider, spec: ClusterSpec, events: list[Event]
    ) -> None:
        if self.makes_cluster:
            pytest.skip("the cluster is this provider's own: its tests delete and stop it")
        for call in (provider.delete, provider.stop):
            with pytest.raises(MlstackError) as caught:
                call(spec, events.append, "end")
            assert caught.value.exit_code is ExitCode.PREFLIGHT
            assert caught.value.remedy
        assert provider.observe(spec).state is ClusterState.RUNNING

    def test_specs_and_facts_are_plain_values(self, provider: ClusterProvider, spec: ClusterSpec) -> None:
        facts: Any = pickle.loads(pickle.dumps(provider.observe(spec)))  # noqa: S301
        assert facts == provider.observe(spec)
