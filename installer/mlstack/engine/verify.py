"""``mlstack test``: checks a running platform by using it. One case a stack's objects, endpoint and sample; no stack is named."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlstack.core.errors import MlstackError
from mlstack.core.events import Emit, Message
from mlstack.core.results import CaseResult, EndpointInfo, SampleInfo, SampleResult, StackStatus


@dataclass(frozen=True, slots=True)
class Case:
    """A check to run. check: returns what is wrong, empty when all is well; may raise MlstackError."""

    name: str
    stack: str
    check: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Subjects:
    """What there is to check. stacks: each re-reads its state when its case runs."""

    stacks: Sequence[str]
    state_of: Callable[[str], StackStatus]
    endpoints: Sequence[EndpointInfo]
    reach: Callable[[str], str]
    samples: Sequence[SampleInfo]
    run: Callable[[str], SampleResult]
    expected: Callable[[str], Sequence[str]]
    """Names of the results a sample must leave."""


def cases(subjects: Subjects, stack: str = "") -> Iterator[Case]:
    """The checks of every stack, or of one: cheap ones first."""
    for name in subjects.stacks:
        if stack in ("", name):
            yield Case("workloads are ready", name, partial(_unready, subjects, name))
    for point in subjects.endpoints:
        url = point.routed or point.url  # as users are told it
        if url and stack in ("", point.stack):
            yield Case(f"endpoint {point.name} answers", point.stack, partial(subjects.reach, url))
    for sample in subjects.samples:
        if stack in ("", sample.stack):
            yield Case(f"sample {sample.name} succeeds", sample.stack, partial(_sample, subjects, sample.name))


def run_cases(found: Sequence[Case], emit: Emit, cancelled: Callable[[], bool]) -> list[CaseResult]:
    """Runs the checks one after another; what was not run because of an interruption is reported as skipped."""
    results = []
    for case in found:
        if cancelled():
            results.append(CaseResult(name=case.name, stack=case.stack, seconds=0.0, skipped="interrupted"))
            continue
        began = time.monotonic()
        try:
            error = case.check()
        except MlstackError as problem:
            error = str(problem)
        seconds = time.monotonic() - began
        emit(Message(text=f"{case.stack}: {case.name}: {error or 'ok'}", level="error" if error else "info"))
        results.append(CaseResult(name=case.name, stack=case.stack, seconds=seconds, error=error))
    return results


def write_junit(results: Sequence[CaseResult], path: Path) -> Path:
    """A JUnit XML file of the results, readable by CI systems."""
    from xml.etree import ElementTree as Xml

    suite = Xml.Element(
        "testsuite",
        name="mlstack",
        tests=str(len(results)),
        failures=str(sum(bool(result.error) for result in results)),
        skipped=str(sum(bool(result.skipped) for result in results)),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        node = Xml.SubElement(suite, "testcase", classname=result.stack, name=result.name, time=f"{result.seconds:.3f}")
        if result.error:
            Xml.SubElement(node, "failure", message=result.error.splitlines()[0]).text = result.error
        if result.skipped:
            Xml.SubElement(node, "skipped", message=result.skipped)
    path.parent.mkdir(parents=True, exist_ok=True)
    Xml.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    return path


def _unready(subjects: Subjects, stack: str) -> str:
    return "; ".join(f"{item.resource}: {item.reason}" for item in subjects.state_of(stack).pending)


def _sample(subjects: Subjects, name: str) -> str:
    result = subjects.run(name)
    if result.phase != "Succeeded":
        return f"{result.run} ended as {result.phase}: {result.message}".rstrip(": ")
    missing = [wanted for wanted in subjects.expected(name) if wanted not in {**result.results, **result.artifacts}]
    return f"{result.run} left no {', '.join(missing)}" if missing else ""
