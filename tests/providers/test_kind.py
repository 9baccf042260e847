"""The kind provider's life of a cluster, against an engine in memory."""

from __future__ import annotations

import stat

import pytest
from providerfakes import DIGEST, World, unreachable

from mlstack.core.errors import MlstackError
from mlstack.core.events import StepProgress
from mlstack.core.model import ClusterSpec, ClusterState, ImageRecord, ImageSource


def state(world: World) -> ClusterState:
    return world.provider.observe(world.spec).state


def test_create_makes_a_cluster_of_its_own_network_and_kubeconfig(world: World) -> None:
    assert state(world) is ClusterState.ABSENT
    world.create()
    assert state(world) is ClusterState.RUNNING
    argv, env = world.shell.calls[0]
    kubeconfig = world.provider.kubeconfig(world.spec)
    assert env["KUBECONFIG"] == str(kubeconfig) == argv[argv.index("--kubeconfig") + 1]
    assert env["KIND_EXPERIMENTAL_DOCKER_NETWORK"] == "mlstack-lab"
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
    assert [event.message for event in world.events if isinstance(event, StepProgress)][-1] == "Preparing nodes"


def test_create_again_changes_nothing(world: World) -> None:
    world.create()
    before = dict(world.engine.nodes)
    world.create()
    assert world.engine.nodes == before
    assert len(world.shell.calls) == 1


def test_node_image_is_loaded_once_under_a_name_with_its_digest_and_older_ones_go(world: World, node) -> None:
    ref = node.spec.image.ref
    world.engine.names.add(f"{ref}-ffffffffffff")
    world.create()
    name = f"{ref}-0123456789ab"
    assert world.engine.names == {name}
    assert world.shell.documents[0]["nodes"][0]["image"] == name
    world.delete()
    world.create()
    assert world.engine.loads == 1
    world.provider.purge()
    assert world.engine.names == set()


def test_a_node_image_of_the_users_choice_gets_none_of_the_recipes_settings(world: World) -> None:
    world.create(ClusterSpec("lab", "1.36.3", node_image="kindest/node:v1.36.1"))
    document = world.shell.documents[0]
    assert document["nodes"][0]["image"] == "kindest/node:v1.36.1"
    assert "podSubnet" not in document["networking"]
    assert world.engine.loads == 0


def test_limits_go_to_every_node(world: World) -> None:
    world.create(ClusterSpec("lab", "1.36.3", nodes=2, memory="4Gi", cpus="2"))
    assert world.engine.limits == [("lab-control-plane", 4 << 30, 2.0), ("lab-worker1", 4 << 30, 2.0)]


def test_a_killed_create_leaves_a_half_made_cluster_that_the_next_one_replaces(world: World) -> None:
    world.shell.killed = True
    with pytest.raises(KeyboardInterrupt):
        world.create()
    facts = world.provider.observe(world.spec)
    assert facts.state is ClusterState.BROKEN
    assert facts.half_made
    first = dict(world.engine.nodes)
    world.shell.killed = False
    world.engine.clock += 1
    world.create()
    assert state(world) is ClusterState.RUNNING
    assert world.engine.nodes != first


def test_a_failed_create_says_why_and_keeps_what_the_nodes_said(world: World) -> None:
    world.shell.fail = 1
    with pytest.raises(MlstackError) as caught:
        world.create()
    assert caught.value.code == "cluster.create"
    assert caught.value.why.startswith("ERROR: failed to create cluster: no space left")
    log = world.paths.instance("lab") / "logs" / "kind.log"
    assert "last words of the node" in log.read_text()
    assert "journal of the node" in log.read_text()


def test_delete_leaves_nothing_and_may_be_repeated(world: World) -> None:
    world.create()
    world.delete()
    assert not world.engine.nodes
    assert not world.engine.networks
    assert state(world) is ClusterState.ABSENT
    assert not list(world.paths.instance("lab").glob("*config*"))
    assert not (world.paths.instance("lab") / "cluster.json").exists()
    world.delete()


@pytest.mark.parametrize("call", ["create", "delete", "start", "stop"])
@pytest.mark.parametrize("network", ["kind", "mlstack-lab"])
def test_a_cluster_that_is_not_ours_is_never_touched(world: World, call: str, network: str) -> None:
    world.engine.add("lab", "lab-control-plane", network=network)
    before = dict(world.engine.nodes)
    assert state(world) is ClusterState.FOREIGN
    with pytest.raises(MlstackError) as caught:
        getattr(world, call)()
    assert caught.value.code == "cluster.foreign"
    assert world.engine.nodes == before
    assert [problem.code for problem in world.preflight()] == ["preflight.cluster-name"]


def test_a_cluster_made_by_somebody_after_ours_was_removed_is_not_ours(world: World) -> None:
    world.create()
    world.engine.nodes.clear()
    world.engine.clock += 5
    world.engine.add("lab", "lab-control-plane", network="kind")
    assert state(world) is ClusterState.FOREIGN


@pytest.mark.parametrize("noise", [b"", b"{", b"\x00\xff\x00", b'{"cluster": "lab"}', b"[]"])
def test_a_damaged_record_is_made_good_by_the_network(world: World, noise: bytes) -> None:
    world.create()
    (world.paths.instance("lab") / "cluster.json").write_bytes(noise)
    assert state(world) is ClusterState.RUNNING
    world.delete()
    assert not world.engine.nodes


def test_a_damaged_record_does_not_claim_a_stranger(world: World) -> None:
    world.create()
    (world.paths.instance("lab") / "cluster.json").write_bytes(b"noise")
    world.engine.nodes.clear()
    world.engine.add("lab", "lab-control-plane", network="kind")
    facts = world.provider.observe(world.spec)
    assert facts.state is ClusterState.FOREIGN
    assert "damaged" in facts.detail


def test_a_lost_node_is_a_broken_cluster_with_something_in_it(world: World) -> None:
    world.create(ClusterSpec("lab", "1.36.3", nodes=2))
    del world.engine.nodes["lab-worker1"]
    facts = world.provider.observe(world.spec)
    assert facts.state is ClusterState.BROKEN
    assert not facts.half_made
    with pytest.raises(MlstackError) as caught:
        world.create()
    assert caught.value.code == "cluster.exists"
    assert world.engine.nodes


def test_stop_ends_the_pods_first_and_start_brings_all_back(world: World) -> None:
    world.create()
    world.stop()
    assert world.engine.scripts == ["lab-control-plane"]
    assert world.engine.stopped == [("lab-control-plane", 3)]
    assert state(world) is ClusterState.STOPPED
    world.stop()
    assert len(world.engine.stopped) == 1
    world.start()
    assert state(world) is ClusterState.RUNNING


def test_start_revives_a_dead_engine(world: World) -> None:
    world.create()
    world.stop()
    world.engine.dead = True
    assert world.provider.observe(world.spec).detail == "the container engine does not answer"

    def revive(emit: object, step: str) -> None:
        world.engine.dead = False

    object.__setattr__(world.provider, "revive", revive)
    world.start()
    assert state(world) is ClusterState.RUNNING


def test_start_with_a_dead_engine_and_no_way_to_start_it_is_an_error(world: World) -> None:
    world.engine.dead = True
    assert state(world) is ClusterState.ABSENT
    with pytest.raises(MlstackError) as caught:
        world.start()
    assert caught.value.code == unreachable().code


def test_start_of_nothing_says_what_to_do(world: World) -> None:
    with pytest.raises(MlstackError) as caught:
        world.start()
    assert (caught.value.code, caught.value.remedy) == ("cluster.absent", "run `mlstack up`")


def test_start_writes_a_lost_kubeconfig_again(world: World) -> None:
    world.create()
    world.stop()
    world.provider.kubeconfig(world.spec).unlink()
    world.start()
    assert world.provider.kubeconfig(world.spec).exists()


def test_images_are_loaded_where_they_are_lacking_and_only_there(world: World) -> None:
    world.create(ClusterSpec("lab", "1.36.3", nodes=2))
    name = "docker.io/library/thing:1"
    world.engine.runtime["lab-control-plane"] = {name: DIGEST}
    record = ImageRecord("thing:1", DIGEST, 10, ImageSource.BUILD)
    load = lambda: world.provider.load_image(world.spec, record, world.events.append, "load")  # noqa: E731
    assert load() is True
    assert world.images.exports[-1] == ("thing:1", name)
    assert world.engine.runtime["lab-worker1"] == {name: DIGEST}
    exports = len(world.images.exports)
    assert load() is False
    assert len(world.images.exports) == exports


def test_observed_images_leave_out_those_the_store_has_newer(world: World) -> None:
    world.create()
    world.engine.runtime["lab-control-plane"] = {
        "r.io/same:1": DIGEST,
        "r.io/old:1": "sha256:" + "e" * 64,
        "unknown/x:1": DIGEST,
    }
    world.images.stored |= {"r.io/same:1": DIGEST, "r.io/old:1": DIGEST}
    assert world.provider.observe(world.spec).images == {"r.io/same:1", "unknown/x:1"}


def test_a_node_whose_runtime_does_not_answer_yet_is_observed_all_the_same(world: World) -> None:
    world.create()
    world.engine.runtime_down = True
    facts = world.provider.observe(world.spec)
    assert (facts.state, facts.images) == (ClusterState.RUNNING, frozenset())
    assert "runtime of lab-control-plane does not answer" in facts.detail
    with pytest.raises(MlstackError) as caught:
        world.provider.load_image(
            world.spec, ImageRecord("a/b:1", DIGEST, 1, ImageSource.BUILD), world.events.append, "l"
        )
    assert caught.value.code == "node.runtime"
    assert "cannot access socket" in caught.value.why
