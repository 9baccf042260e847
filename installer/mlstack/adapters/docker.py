"""The Docker engine through its SDK, the only module that imports it; no docker program is run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mlstack.adapters.docker_exec import converse
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.ports import ContainerInfo, Process

MINIMUM = (20, 10)
"""The oldest engine whose API (1.41) has private cgroup namespaces, which node containers need."""
_QUICK = 60.0
_LOAD = 1800.0
_INSTALL = "run `mlstack doctor --fix`, or start Docker yourself and run the command again"


class DockerEngine:
    """ports.Engine. The connection is made at the first call and again after it broke; safe to use from several threads."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self._client: Any = None
        self._lock = threading.Lock()

    def version(self) -> str:
        """The engine's version; raises engine.unreachable, or engine.too-old below ``MINIMUM``."""
        with self._api() as api:
            version = str(api.version()["Version"])
        if release(version) < MINIMUM:
            raise MlstackError(
                "engine.too-old",
                f"the container engine is version {version}",
                why=f"nodes need {'.'.join(map(str, MINIMUM))} or newer (private cgroup namespaces)",
                remedy="upgrade Docker",
                exit_code=ExitCode.PREFLIGHT,
            )
        return version

    def info(self) -> Mapping[str, Any]:
        """What ``docker info`` tells: CgroupVersion, NCPU, MemTotal, DockerRootDir, OperatingSystem ..."""
        with self._api() as api:
            return dict(api.info())

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerInfo]:
        """Containers in any state that carry all the labels (an empty value: any value), by name."""
        wanted = [f"{key}={value}" if value else key for key, value in labels.items()]
        with self._api() as api:
            found = [
                api.inspect_container(entry["Id"]) for entry in api.containers(all=True, filters={"label": wanted})
            ]
        return sorted((_container(entry) for entry in found), key=lambda info: info.name)

    def has_image(self, ref: str) -> bool:
        """True when the engine holds an image of that name or id."""
        return self._unless_missing(lambda api: api.inspect_image(ref))

    def images(self, prefix: str) -> Sequence[str]:
        """Names (``repository:tag``) of the engine's images that begin with ``prefix``."""
        with self._api() as api:
            names = [name for image in api.images() for name in image.get("RepoTags") or ()]
        return sorted(name for name in names if name.startswith(prefix))

    def load(self, archive: Path) -> None:
        """Loads every image of a docker-archive; raises engine.failed with the engine's own words."""
        with self._api(_LOAD) as api, archive.open("rb") as stream:
            for line in api.load_image(stream):
                if "error" in line:
                    raise _failed("load", str(line["error"]))

    def remove_image(self, ref: str) -> None:
        """Removes a name, and the image with its last name; no error when it is not there or a container still uses it."""
        import docker.errors

        def remove(api: Any) -> None:
            try:
                api.remove_image(ref)
            except docker.errors.APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise

        self._unless_missing(remove)

    def start(self, container: str) -> None:
        """Starts a container; a running one is left alone."""
        with self._api() as api:
            api.start(container)

    def stop(self, container: str, timeout: int) -> None:
        """Sends the image's stop signal and kills after ``timeout`` seconds; a stopped one is left alone."""
        with self._api(timeout + _QUICK) as api:
            api.stop(container, timeout=timeout)

    def remove(self, container: str) -> None:
        """Removes a container in any state with its anonymous volumes; one that is not there is no error."""
        self._unless_missing(lambda api: api.remove_container(container, v=True, force=True))

    def limit(self, container: str, *, memory: int, cpus: float) -> None:
        """Bounds a container. memory: bytes, swap included; cpus: cores; zero leaves that one as it is."""
        limits: dict[str, Any] = {"mem_limit": memory, "memswap_limit": memory} if memory else {}
        if cpus:
            limits |= {"cpu_period": 100_000, "cpu_quota": int(cpus * 100_000)}
        with self._api() as api:
            api.update_container(container, **limits)

    def remove_network(self, name: str) -> bool:
        """Removes a network that no container uses, all of them where several bear the name, as two that were made at the
        same moment may. False when none was removed: not there, or still in use."""
        removed = False
        with self._api() as api:
            for network in api.networks(names=[name]):
                if network["Name"] == name and not api.inspect_network(network["Id"]).get("Containers"):
                    api.remove_network(network["Id"])
                    removed = True
        return removed

    def logs(self, container: str, tail: int) -> str:
        """The last ``tail`` lines a container printed."""
        with self._api() as api:
            output: bytes = api.logs(container, tail=tail)
        return output.decode(errors="replace").replace("\r", "")

    def execute(
        self, container: str, argv: Sequence[str], *, stdin: Path | bytes | None = None, timeout: float = 120.0
    ) -> Process:
        """Runs a program in a container, feeding it ``stdin``; raises engine.timeout after ``timeout`` seconds.

        A program that outlives the timeout is left to its container; nothing here can end it.
        """
        with self._api(timeout) as api:
            created = api.exec_create(container, list(argv), stdin=stdin is not None)["Id"]
            try:
                output, errors = converse(api, created, stdin, timeout)
            except TimeoutError:
                raise MlstackError(
                    "engine.timeout", f"{argv[0]} in {container} did not end within {timeout:.0f} s"
                ) from None
            code = api.exec_inspect(created)["ExitCode"]
        return Process(int(code or 0), output.decode(errors="replace"), errors.decode(errors="replace")[-4000:])

    def _unless_missing(self, call: Callable[[Any], object]) -> bool:
        import docker.errors

        with self._api() as api:
            try:
                call(api)
            except docker.errors.NotFound:
                return False
        return True

    @contextmanager
    def _api(self, timeout: float = _QUICK) -> Iterator[Any]:
        """The SDK's low-level client; its errors come out as ours. Long calls get a connection of their own."""
        import docker.errors
        import requests.exceptions

        try:
            with self._lock:
                if self._client is None:
                    self._client = _connect(self._environment, _QUICK)
                client = self._client
            yield client if timeout <= _QUICK else _connect(self._environment, timeout)
        except docker.errors.APIError as error:
            raise _failed("API", str(error.explanation or error)) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, ConnectionError) as error:
            self._client = None
            raise _unreachable(error) from error


def engine_host(environment: Mapping[str, str] | None) -> str:
    """Where the engine listens: DOCKER_HOST or, without it, what the docker program's current context says, as kind itself would
    use; empty for the SDK's default."""
    import os

    from docker.context import ContextAPI

    env = os.environ if environment is None else environment
    if env.get("DOCKER_HOST"):
        return env["DOCKER_HOST"]
    context = ContextAPI.get_current_context()
    return str(context.Host) if context is not None and context.Host else ""


def _connect(environment: Mapping[str, str] | None, timeout: float) -> Any:
    """A client of the engine at ``engine_host``."""
    import os

    import docker

    env = os.environ if environment is None else environment
    settings: dict[str, Any] = {"version": "auto", "timeout": int(timeout)}
    if not env.get("DOCKER_HOST") and (host := engine_host(env)):
        return docker.APIClient(base_url=host, **settings)
    return docker.DockerClient.from_env(environment=dict(env), **settings).api


def _container(entry: Mapping[str, Any]) -> ContainerInfo:
    state = entry["State"]
    return ContainerInfo(
        id=entry["Id"],
        name=entry["Name"].lstrip("/"),
        image=entry["Config"]["Image"],
        state=state["Status"],
        labels=entry["Config"].get("Labels") or {},
        started=_moment(state.get("StartedAt", "")),
        networks=tuple(entry["NetworkSettings"].get("Networks") or ()),
    )


def _moment(text: str) -> float:
    """Seconds since the epoch of the engine's time stamps, whose nine fractional digits Python 3.11 does not read."""
    seconds, _, _ = text.rstrip("Z").partition(".")
    if not seconds or seconds.startswith("0001"):
        return 0.0
    return datetime.fromisoformat(seconds + "+00:00").timestamp()


def release(version: str) -> tuple[int, int]:
    """Major and minor number of an engine version (``20.10.24+dfsg1``, ``v28.2.2-ce``); zeros when it has none."""
    parts = version.lstrip("v").split(".")
    numbers = [int("".join(ch for ch in part if ch.isdigit()) or 0) for part in parts[:2]]
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0)


def _failed(doing: str, why: str) -> MlstackError:
    return MlstackError("engine.failed", f"the container engine refused a request ({doing})", why=why.strip())


def _unreachable(error: Exception) -> MlstackError:
    text = str(error)
    denied = "Permission denied" in text or "PermissionError" in text
    return MlstackError(
        "engine.unreachable",
        "the container engine does not answer",
        why="this user may not use its socket" if denied else text.splitlines()[0][:300],
        remedy="add yourself to the group `docker` and log in again, or run as root" if denied else _INSTALL,
        exit_code=ExitCode.PREFLIGHT,
    )
