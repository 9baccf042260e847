"""Findings about host and engine, and what preflight makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from providerfakes import World

from mlstack.core.errors import ExitCode
from mlstack.core.host import HostInfo, PortUser
from mlstack.core.model import ClusterFacts, ClusterSpec, ClusterState, PortMapping
from mlstack.core.results import CheckState
from mlstack.providers import checks
from mlstack.providers.checks import FIX_TAGS, Need
from mlstack.providers.kindpreflight import preflight_checks

DEBIAN = HostInfo(distribution="debian", release="12", init="systemd", cgroup=2, root=True)
GIB = 1 << 30
PORTS = ClusterSpec("lab", "1.36.3", ports=(PortMapping("s3", 30900, 9000), PortMapping("web", 30080, 8080)))


@pytest.mark.parametrize(
    ("host", "runtime", "state"),
    [
        (DEBIAN, "runc", CheckState.OK),
        (replace(DEBIAN, missing_capabilities=("CAP_SYS_RESOURCE",)), "runc", CheckState.FAILED),
        (replace(DEBIAN, missing_capabilities=("CAP_SYS_RESOURCE",)), "mlstack-runc", CheckState.OK),
        (replace(DEBIAN, missing_capabilities=("CAP_SYS_RESOURCE",), root=False), "runc", CheckState.OK),
    ],
)
def test_missing_capabilities_matter_to_root_without_the_wrapper(
    host: HostInfo, runtime: str, state: CheckState
) -> None:
    check = checks.check_capabilities(host, {"DefaultRuntime": runtime})
    assert check.state is state
    assert check.fixable is (state is CheckState.FAILED)


@pytest.mark.parametrize(
    ("host", "says", "state"),
    [
        (DEBIAN, "registry, bundle and build", CheckState.OK),
        (replace(DEBIAN, distribution="ubuntu", family=("debian",)), "build", CheckState.OK),
        (replace(DEBIAN, distribution="fedora", release="42"), "fedora 42", CheckState.WARNING),
        (HostInfo(system="darwin"), "macOS", CheckState.WARNING),
        (HostInfo(system="windows"), "Windows", CheckState.WARNING),
        (replace(DEBIAN, distribution="opensuse", wsl=True), "WSL2 (opensuse)", CheckState.WARNING),
    ],
)
def test_doctor_says_which_image_sources_work_here(host: HostInfo, says: str, state: CheckState) -> None:
    check = checks.check_sources(host)
    assert says in check.detail
    assert check.state is state
    assert ("registry" in check.detail) and ("bundle" in check.detail)


@pytest.mark.parametrize(
    ("instances", "watches", "state"),
    [
        (128, 8192, CheckState.WARNING),
        (512, 65536, CheckState.OK),
        (1024, 8192, CheckState.WARNING),
        (0, 0, CheckState.SKIPPED),
    ],
)
def test_inotify_limits(instances: int, watches: int, state: CheckState) -> None:
    check = checks.check_inotify(replace(DEBIAN, inotify_instances=instances, inotify_watches=watches))
    assert check.state is state


def test_cgroup_version_one_and_no_init_are_handled_and_said() -> None:
    assert checks.check_cgroup({"CgroupVersion": "1"}).state is CheckState.WARNING
    assert checks.check_cgroup({"CgroupVersion": "2"}).state is CheckState.OK
    assert checks.check_init(replace(DEBIAN, init="")).state is CheckState.WARNING
    assert checks.check_init(HostInfo(system="darwin", init="launchd")).state is CheckState.OK


@pytest.mark.parametrize(
    ("proxies", "state"),
    [
        ((), CheckState.OK),
        (("HTTPS_PROXY",), CheckState.WARNING),
        (("HTTPS_PROXY", "NO_PROXY"), CheckState.OK),
    ],
)
def test_proxy_without_exceptions_is_a_warning(proxies: tuple[str, ...], state: CheckState) -> None:
    assert checks.check_proxies(replace(DEBIAN, proxies=proxies)).state is state


def test_too_little_disk_says_how_much_where_and_what_is_missing() -> None:
    (check,) = checks.check_disk({Path("/cache"): 25 * GIB}, {Path("/cache"): 10 * GIB})
    assert check.state is CheckState.FAILED
    assert "10.0 GiB free at /cache" in check.detail
    assert "25.0 GiB needed" in check.detail
    assert "15.0 GiB" in check.remedy


@pytest.mark.parametrize(("total", "state"), [(15.9, CheckState.OK), (8, CheckState.FAILED)])
def test_memory_is_the_engines_with_some_slack(total: float, state: CheckState) -> None:
    need = Need(memory=16 * GIB)
    check = checks.check_memory(need, {"MemTotal": int(total * GIB)}, replace(DEBIAN, memory=64 * GIB))
    assert check.state is state


@pytest.mark.parametrize(
    ("total", "cores", "said"),
    [
        (6, 4, "mlstack up --profile middle"),
        (4, 4, "mlstack up --profile small"),
        (6, 2, "mlstack up --profile small"),
        (2, 1, "switch stacks off"),
    ],
)
def test_the_largest_profile_that_fits_is_proposed(total: int, cores: int, said: str) -> None:
    profiles = [(4 * GIB, 2, "small"), (6 * GIB, 4, "middle"), (16 * GIB, 4, "full")]
    need, info = Need(memory=16 * GIB, cores=8, profiles=profiles), {"MemTotal": total * GIB, "NCPU": cores}
    for check in (checks.check_memory(need, info, DEBIAN), checks.check_cores(need, info, DEBIAN)):
        assert check.state is CheckState.FAILED and said in check.remedy


def test_every_fix_tag_belongs_to_a_task_of_the_host_playbook() -> None:
    text = (Path(__file__).parents[2] / "playbooks" / "host.yml").read_text()
    assert all(f"tags: [plan, {tag}]" in text for tag in FIX_TAGS.values())


def test_preflight_finds_everything_at_once_and_changes_nothing(world: World) -> None:
    world.host.taken = {9000: PortUser(9000, "127.0.0.1", 77, "minio"), 8080: PortUser(8080)}
    world.host.free = GIB
    need = Need({Path("/cache"): 5 * GIB}, 32 * GIB, 8)
    object.__setattr__(world.provider, "need", lambda: need)
    problems = world.preflight(PORTS)
    codes = [problem.code for problem in problems]
    assert codes == ["preflight.disk", "preflight.memory", "preflight.cores", "preflight.port", "preflight.port"]
    assert all(problem.exit_code is ExitCode.PREFLIGHT and problem.remedy for problem in problems)
    assert "taken by minio (pid 77)" in problems[3].what
    assert "taken by another process" in problems[4].what
    assert not world.engine.nodes
    assert not world.paths.state.exists()


def test_a_running_cluster_holds_its_own_ports(world: World) -> None:
    world.create()
    world.host.taken = {9000: PortUser(9000, "127.0.0.1", 77, "docker-proxy")}
    assert world.preflight(PORTS) == []
    world.stop()
    assert [problem.code for problem in world.preflight(PORTS)] == ["preflight.port"]


def test_a_dead_engine_is_one_problem_with_a_remedy(world: World) -> None:
    world.engine.dead = True
    (problem,) = world.preflight()
    assert (problem.code, problem.exit_code) == ("preflight.engine", ExitCode.PREFLIGHT)
    assert problem.remedy


def test_doctor_lists_what_is_in_order_too(world: World) -> None:
    facts = world.provider.observe(world.spec)
    found = preflight_checks(PORTS, facts, world.engine, world.host, Need())
    assert {"engine", "capabilities", "cgroup", "init", "inotify", "proxy", "sources", "cluster-name", "port"} == {
        check.name for check in found
    }
    assert all(check.state in (CheckState.OK, CheckState.SKIPPED) for check in found)


def test_a_half_made_cluster_of_ours_does_not_fail_for_the_ports_it_holds(world: World) -> None:
    half = ClusterFacts(ClusterState.BROKEN, "ended while it was made", half_made=True)
    found = preflight_checks(PORTS, half, world.engine, world.host, Need())
    assert not [check for check in found if check.name == "port"]
    absent = preflight_checks(PORTS, ClusterFacts(ClusterState.ABSENT), world.engine, world.host, Need())
    assert [check for check in absent if check.name == "port"]
