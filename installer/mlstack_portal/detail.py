"""One run with all that its page shows: steps with log lines, results, and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlstack.core.holdups import LOOK, QUIET, Holdup, ailing, holdups, last_news, unseen
from mlstack.core.model import LABEL_INSTANCE, Object
from mlstack.core.pipelinerun import run_results
from mlstack.core.resourcerun import resource_results
from mlstack.core.workflow import results_of
from mlstack_portal.cluster import EVENT, POD, SERVERS, WORKFLOW, Cluster
from mlstack_portal.logs import Logs, Step
from mlstack_portal.offer import Offer
from mlstack_portal.pipelines import Pipelines, PipelinesError
from mlstack_portal.runs import Run, run_of
from mlstack_portal.subjects import Subject

OTHERWISE = "if it stays so, ask an administrator: `mlstack status` and `mlstack doctor` look at the platform"
"""What to do about what holds a run up where no rule fits."""

RECENT = timedelta(minutes=5)
"""For how long after a failure it is worth saying what of the platform is down."""
Results = tuple[Mapping[str, str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Detail:
    """A run with all that its page shows. values, places: results by name; holdups: what it waits for that does not come by
    itself, or what of the platform was down when it failed; trouble: why results are missing, else empty."""

    run: Run
    steps: tuple[Step, ...]
    values: Mapping[str, str]
    places: Mapping[str, str]
    holdups: tuple[Holdup, ...] = ()
    trouble: str = ""

    @property
    def said(self) -> str:
        """One sentence about how far it is, for those who hear the page."""
        if self.run.done:
            return f"The run ended: {self.run.phase}."
        if self.holdups:
            return f"The run does not go on: {', '.join(one.resource for one in self.holdups)}."
        active = [one.step.name for one in self.steps if one.step.phase == "Running"]
        return f"Running: {', '.join(active)}." if active else f"The run is {self.run.phase.lower()}."


class RunReader:
    """Reads one run, as often as it is asked. Raises ClusterError."""

    def __init__(self, cluster: Cluster, pipelines: Pipelines, subject: Subject, obj: Object) -> None:
        self._cluster, self._pipelines, self._subject = cluster, pipelines, subject
        self._namespace, self._name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        self._logs = Logs(cluster, subject, obj)
        self._held: tuple[Holdup, ...] = ()
        self._looked = datetime.min.replace(tzinfo=UTC)
        self._blamed = False

    async def read(self, obj: Object, offer: Offer) -> Detail:
        """The run as the object tells it now."""
        run, steps = run_of(self._subject, obj), await self._logs.steps(obj)
        trouble = ""
        results: Results = {}, {}
        try:
            results = await self._results(obj, offer, steps, done=run.done)
        except PipelinesError as error:
            trouble = f"The results cannot be read: {error.message}."
        held = await self._blame(obj, offer) if run.done else await self._holdups(obj, offer)
        return Detail(run, steps, *results, held, trouble)

    async def _results(self, obj: Object, offer: Offer, steps: Sequence[Step], *, done: bool) -> Results:
        wanted, subject = self._subject.wanted, self._subject
        if subject.pipeline:
            # written down as steps end: asked for once, when all have
            if not (done and wanted and offer.pipelines):
                return {}, {}
            return run_results(await self._pipelines.record(offer.pipelines, self._namespace, subject.pipeline), wanted)
        if subject.kind == WORKFLOW:
            return results_of(obj, wanted)
        return resource_results(obj, (line for one in steps for line in one.raw), wanted), {}

    async def _holdups(self, obj: Object, offer: Offer) -> tuple[Holdup, ...]:
        now = datetime.now(UTC)
        if now - self._looked >= timedelta(seconds=LOOK):
            self._looked, self._held = now, await self._look(obj, offer, now)
        return self._held

    async def _look(self, obj: Object, offer: Offer, now: datetime) -> tuple[Holdup, ...]:
        selector, _ = self._subject.state.pods(self._name)
        pods = await self._cluster.objects(POD, self._namespace, selector=selector)
        if now - last_news(obj, pods) < timedelta(seconds=QUIET):
            return ()
        warnings = await self._cluster.objects(EVENT, self._namespace, fields="type=Warning")
        began = datetime.fromisoformat(obj["metadata"]["creationTimestamp"])
        found = holdups(pods, warnings, self._name, began, OTHERWISE) or unseen(obj)
        return (*await self._ailing(offer), *found)

    async def _blame(self, obj: Object, offer: Offer) -> tuple[Holdup, ...]:
        """What is down under a run that failed just now, which may be why."""
        failed = self._subject.state.phase(obj) != "Succeeded"
        if failed and not self._blamed and datetime.now(UTC) - last_news(obj, []) < RECENT:
            self._blamed, self._held = True, await self._ailing(offer)
        return self._held if failed and self._blamed else ()

    async def _ailing(self, offer: Offer) -> tuple[Holdup, ...]:
        """What does not work of the stacks under the sample."""
        ground = self._subject.sample.ground if self._subject.sample else ()
        if not ground:
            return ()
        selector = f"{LABEL_INSTANCE}={offer.instance}"
        lists = [await self._cluster.objects(kind, selector=selector) for kind in SERVERS]
        return tuple(ailing([obj for found in lists for obj in found], ground))
