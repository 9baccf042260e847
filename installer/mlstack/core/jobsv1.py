"""Reads jobs of the first training operator (``kubeflow.org/v1``) out of manifests; what is wrong is told with its place. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlstack.core.errors import ExitCode, MlstackError, did_you_mean
from mlstack.core.yamldoc import Document

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """What a kind of job looks like. replicas: its field of ``spec``; container: the one that trains; roles: in order of rank;
    restart: what happens to pods that fail unless the job says otherwise; port: name and number of the port where all meet."""

    replicas: str
    container: str
    roles: tuple[str, ...]
    restart: str
    port: tuple[str, int]
    versions: tuple[str, ...] = ("kubeflow.org/v1",)


FORMS = {
    "PyTorchJob": Form("pytorchReplicaSpecs", "pytorch", ("Master", "Worker"), "OnFailure", ("pytorchjob-port", 23456)),
    "TFJob": Form(
        "tfReplicaSpecs", "tensorflow", ("Chief", "Master", "Worker", "PS", "Evaluator"), "Never", ("tfjob-port", 2222)
    ),
    "XGBoostJob": Form("xgbReplicaSpecs", "xgboost", ("Master", "Worker"), "Never", ("xgboostjob-port", 9999)),
    "MPIJob": Form(
        *("mpiReplicaSpecs", "", ("Launcher", "Worker"), "Never", ("mpi-port", 9999)),
        versions=("kubeflow.org/v1", "kubeflow.org/v2beta1"),
    ),
}


@dataclass(frozen=True, slots=True)
class Role:
    """The pods of one role. path: of its entry in the document; template: of its pods; container: of these, the one that trains."""

    name: str
    path: Path
    replicas: int
    restart: str
    template: Mapping[str, Any]
    container: Mapping[str, Any]
    number: int

    @property
    def pod(self) -> Mapping[str, Any]:
        """The specification of its pods."""
        found: Mapping[str, Any] = self.template["spec"]
        return found

    @property
    def pod_path(self) -> Path:
        """Where that is."""
        return (*self.path, "template", "spec")

    @property
    def container_path(self) -> Path:
        """Where its container is."""
        return (*self.pod_path, "containers", self.number)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its manifest has it. path: where it is in the document, of which a list may hold several; roles: by rank."""

    kind: str
    document: Document
    path: Path
    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    roles: tuple[Role, ...]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.metadata["name"])

    @property
    def nodes(self) -> int:
        """How many pods it has."""
        return sum(role.replicas for role in self.roles)


def read_jobs(document: Document) -> tuple[list[Job], list[MlstackError]]:
    """The jobs of a document, also those of a list, and all that is wrong in it (codes ``migrate.*`` and ``yaml.*``)."""
    reading = _Reading(document, problems=list(document.problems))
    if document.incomplete:
        return [], reading.problems
    jobs = [job for path, data in _objects(document.data) if (job := reading.job(path, data))]
    return jobs, reading.problems


def _objects(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The objects of a document: itself, or the items of what ``kubectl get`` writes of several."""
    items = data.get("items") if isinstance(data, dict) and str(data.get("kind", "")).endswith("List") else None
    if not isinstance(items, list):
        yield path, data
        return
    for index, item in enumerate(items):
        yield (*path, "items", index), item


@dataclass(slots=True)
class _Reading:
    """One document being read."""

    document: Document
    problems: list[MlstackError] = field(default_factory=list)

    def wrong(self, path: Path, what: str, remedy: str, code: str = "migrate.invalid") -> None:
        place = self.document.place_of(path)
        self.problems.append(MlstackError(code, what, remedy=remedy, place=place, exit_code=ExitCode.USAGE))

    def job(self, path: Path, data: Any) -> Job | None:
        form = self.form(path, data)
        if form is None:
            return None
        known = len(self.problems)
        metadata = self.mapping((*path, "metadata"), data.get("metadata"))
        if metadata and not (isinstance(metadata.get("name"), str) and metadata["name"]):
            self.wrong((*path, "metadata"), "the job has no name", "give it one: metadata.name")
        self.noted((*path, "metadata"), metadata)
        spec = self.mapping((*path, "spec"), data.get("spec"))
        self.optional((*path, "spec"), spec, ("runPolicy",))
        roles = self.roles((*path, "spec", form.replicas), spec.get(form.replicas), form) if spec else []
        if len(self.problems) > known:
            return None
        return Job(data["kind"], self.document, path, metadata, spec, tuple(roles))

    def form(self, path: Path, data: Any) -> Form | None:
        kind = data.get("kind") if isinstance(data, dict) else None
        form = FORMS.get(kind) if isinstance(kind, str) else None
        if form and data.get("apiVersion") in form.versions:
            return form
        named = f"{data.get('apiVersion', '')} {kind}".strip() if isinstance(kind, str) else "a document without a kind"
        near = did_you_mean(kind, list(FORMS)) if isinstance(kind, str) and not form else ""
        remedy = (
            near if near.startswith("did") else f"leave it out; what is read: {', '.join(FORMS)} of kubeflow.org/v1"
        )
        self.wrong(path, f"{named} is no job of the first training operator", remedy, "migrate.foreign")
        return None

    def mapping(self, path: Path, value: Any) -> Mapping[str, Any]:
        if isinstance(value, dict) and value:
            return value
        self.wrong(path, f"'{path[-1]}' must hold fields", "write 'field: value' lines below it")
        return {}

    def roles(self, path: Path, value: Any, form: Form) -> list[Role]:
        """The roles with pods, by rank."""
        found: dict[str, Role | None] = {}
        for given, entry in self.mapping(path, value).items():
            name = next((one for one in form.roles if one.lower() == given.lower()), "")
            if not name:
                remedy = did_you_mean(given, form.roles)
                self.wrong((*path, given), f"'{given}' is no role of such a job", remedy)
                continue
            found[name] = self.role((*path, given), name, entry, form)
        roles = [role for name in form.roles if (role := found.get(name)) and role.replicas]
        if found and None not in found.values() and not roles:
            self.wrong(path, "the job has no pods", "give a role more than 0 replicas")
        return roles

    def role(self, path: Path, name: str, entry: Any, form: Form) -> Role | None:
        known = len(self.problems)
        entry = self.mapping(path, entry)
        replicas = entry.get("replicas", 1)
        if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
            self.wrong((*path, "replicas"), f"'{replicas}' is no number of pods", "write a whole number, 0 or more")
        template = self.mapping((*path, "template"), entry.get("template")) if entry else {}
        pod = self.mapping((*path, "template", "spec"), template.get("spec")) if template else {}
        where = (*path, "template", "spec", "containers")
        number = self.container(where, pod.get("containers"), form) if pod else -1
        self.optional(where[:-1], pod, ("securityContext",))
        self.noted((*path, "template", "metadata"), template.get("metadata"))
        if len(self.problems) > known:
            return None
        restart = str(entry.get("restartPolicy") or form.restart)
        return Role(name, path, replicas, restart, template, pod["containers"][number], number)

    def container(self, path: Path, value: Any, form: Form) -> int:
        """The number of the container that trains."""
        containers = value if isinstance(value, list) else []
        named = [index for index, one in enumerate(containers) if isinstance(one, dict) and self.trains(one, form)]
        if not named:
            wanted = f"no container is called '{form.container}'" if form.container else "there is no container"
            self.wrong(path, f"{wanted}: that is the one that trains", "add it, or give it that name")
            return -1
        one, where = containers[named[0]], (*path, named[0])
        if not isinstance(one.get("image"), str):
            self.wrong(where, "the container has no image", "name one: image")
        for key in ("command", "args"):
            self.items((*where, key), one.get(key), lambda item: isinstance(item, str), "texts")
        self.items((*where, "env"), one.get("env"), _is_variable, "names with texts as values")
        for key in ("ports", "volumeMounts"):
            self.items((*where, key), one.get(key), lambda item: isinstance(item, dict), "mappings")
        self.optional(where, one, ("resources", "securityContext"))
        return named[0]

    @staticmethod
    def trains(container: Mapping[str, Any], form: Form) -> bool:
        return not form.container or container.get("name") == form.container

    def optional(self, path: Path, data: Mapping[str, Any], keys: Sequence[str]) -> None:
        for key in keys:
            if not isinstance(data.get(key) or {}, dict):
                self.wrong((*path, key), f"'{key}' must hold fields", "write 'field: value' lines below it")

    def noted(self, path: Path, metadata: Any) -> None:
        """Metadata, of which labels and annotations are taken over."""
        name = str(path[-1])
        self.optional(path[:-1], {name: metadata}, (name,))
        if isinstance(metadata, dict):
            self.optional(path, metadata, ("labels", "annotations"))

    def items(self, path: Path, value: Any, good: Callable[[Any], bool], what: str) -> None:
        if value is not None and not (isinstance(value, list) and all(map(good, value))):
            self.wrong(path, f"'{path[-1]}' must be a list of {what}", "correct it; numbers go in quotes")


def _is_variable(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("value") or "", str)


def difference(one: Mapping[str, Any], other: Mapping[str, Any], left_out: Sequence[str] = ()) -> list[str]:
    """The fields that two mappings do not have alike."""
    keys = [key for key in {**one, **other} if key not in left_out]
    return [key for key in keys if one.get(key) != other.get(key)]
