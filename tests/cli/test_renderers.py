"""Renderers and the folded state of a run, from a recorded event stream."""

import io
import json
import re
import threading

import pytest
from fakeapp import CANARY, STEPS, recorded

from mlstack.cli import words
from mlstack.cli.landing.board import Scene
from mlstack.cli.landing.view import make_view
from mlstack.cli.progress import Phase, Run
from mlstack.cli.render_json import JsonRenderer
from mlstack.cli.render_plain import PlainRenderer
from mlstack.cli.render_tty import TtyRenderer
from mlstack.core import events as ev
from mlstack.core.redact import redact, redact_strictly


class Terminal(io.TextIOWrapper):
    """A text stream over bytes with an encoding, as a terminal is."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict")

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


def play(renderer, fails=False):
    for _, event in recorded(fails):
        renderer.emit(event)
    renderer.close()


def run_until(when, fails=False):
    run = Run()
    for at, event in recorded(fails):
        if at <= when:
            run.apply(event)
    return run


def test_state_in_the_middle_of_a_run():
    run = run_until(2.6)
    now = 1002.6
    assert run.groups["host"].phase is Phase.DONE
    assert [step.info.id for step in run.groups["images"].running()] == ["image:node", "image:minio", "image:argo"]
    assert run.steps["image:node"].fraction(now) == pytest.approx(0.5)
    assert run.steps["image:argo"].fraction(now) == pytest.approx(1.2 / 30)
    assert run.groups["minio"].phase is Phase.QUEUED and run.groups["minio"].seconds(now) == 0
    assert 0 < run.fraction(now) < 0.2 and run.remaining(now) > 20


def test_the_estimate_of_a_run_never_says_done_too_early_and_ends_at_nothing():
    fractions = []
    run = Run()
    for at, event in recorded():
        run.apply(event)
        fractions.append(run.fraction(1000 + at))
        assert run.remaining(1000 + at) >= 0
    assert fractions == sorted(fractions) and fractions[-1] == 1 and max(fractions[:-3]) < 1
    assert run.remaining(1008) == 0 and run.outcome == "ok"


def test_a_step_without_an_estimate_never_looks_nearly_done_early():
    run = Run()
    run.apply(ev.RunStarted(time=0, command="up", instance="x", steps=(ev.StepInfo(id="a", title="a", group="g"),)))
    run.apply(ev.StepStarted(time=0, step="a"))
    assert [round(run.fraction(now), 2) for now in (0, 3, 30, 3000)] == [0, 0.09, 0.5, 0.95]
    assert run.remaining(30) == 0


def test_a_failed_group_and_its_victims():
    run = run_until(99, fails=True)
    assert run.groups["minio"].phase is Phase.FAILED and run.groups["argo-workflows"].phase is Phase.BLOCKED
    assert run.count(Phase.BLOCKED) == 31 and run.count(Phase.DONE) == 17


def test_a_queued_part_names_the_parts_that_hold_it_up():
    def step(name, group, *needs):
        return ev.StepInfo(id=name, title=name, group=group, needs=needs)

    steps = (
        step("image", "images"),
        step("minio", "minio", "image"),
        step("mysql", "mysql"),
        step("intent", "argo"),
        step("argo", "argo", "intent", "minio", "mysql", "gone"),
    )
    run = Run()
    run.apply(ev.RunStarted(command="up", instance="lab", steps=steps, time=1000))
    argo, minio = run.groups["argo"], run.groups["minio"]
    assert run.holding_up(minio) == ["images"] and run.holding_up(argo) == [], "its first step needs nothing"
    run.apply(ev.StepDone(step="intent", time=1001, seconds=1))
    assert run.holding_up(argo) == ["minio", "mysql"]
    shown = {one["name"]: one["state"] for one in make_view(Scene(run=run), 1001, str, {})["groups"]}
    assert shown["argo"] == "waits for minio, mysql" and shown["mysql"] == "waiting for its turn"
    run.apply(ev.StepDone(step="mysql", time=1002, seconds=1))
    run.apply(ev.StepStarted(step="image", time=1002))
    assert run.holding_up(argo) == ["minio"]
    run.apply(ev.StepDone(step="image", time=1003, seconds=1))
    run.apply(ev.StepDone(step="minio", time=1003, seconds=1))
    assert run.holding_up(argo) == [] and run.holding_up(minio) == []


def test_events_of_unannounced_steps_are_taken():
    run = Run()
    run.apply(ev.StepDone(step="extra:1", seconds=1))
    assert run.groups["extra"].phase is Phase.DONE


def test_plain_lines_are_few_and_tell_the_story():
    stream = io.StringIO()
    play(PlainRenderer(stream))
    lines = stream.getvalue().splitlines()
    assert all(re.match(r" +\d+:\d\d  \S", line) for line in lines)
    assert len(lines) < 20
    text = stream.getvalue()
    for part in (
        "up of 'lab': 49 steps, less than 10 s",
        "warning: no registry answers",
        "waiting for Pod/minio/minio-0: pulling image",
        "argo-workflows: all 31 steps done in 0.8 s, 31 changes",
        "build quay.io/minio/minio: done in 3 s, nothing to change",
        "ok after 8 s: 49 done, 48 changed",
    ):
        assert part in text
    assert "compiled package" not in text


def test_plain_verbose_tells_every_step_and_log_line():
    stream = io.StringIO()
    play(PlainRenderer(stream, verbose=True))
    text = stream.getvalue()
    assert all(step.title in text for step in STEPS) and "go build | compiled package 12" in text


def test_plain_tells_failure_and_does_not_list_every_victim():
    stream = io.StringIO()
    play(PlainRenderer(stream), fails=True)
    text = stream.getvalue()
    assert (
        "FAILED after 1 s: minio is not ready" in text
        and "1 failed, 31 not started" in text
        and "Role/argo" not in text
    )


def test_json_lines_are_whole_versioned_and_complete():
    stream = io.StringIO()
    play(JsonRenderer(stream))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    wanted = [event.type for _, event in recorded()]
    assert [line["type"] for line in lines] == wanted and {line["v"] for line in lines} == {ev.EVENTS_VERSION}
    assert lines[0]["steps"][0] == {
        "id": "host:prepare",
        "title": "prepare this machine",
        "group": "host",
        "estimate": 1.5,
        "needs": [],
    }


@pytest.mark.parametrize("make", [JsonRenderer, PlainRenderer, TtyRenderer])
def test_events_from_many_threads_come_out_whole(make):
    stream = Terminal()
    renderer = make(stream)
    renderer.emit(ev.RunStarted(command="up", instance="x"))

    def work(number):
        for n in range(50):
            renderer.emit(ev.Message(text=f"<{number}-{n}>"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    renderer.close()
    found = re.findall(r"<(\d)-(\d+)>", stream.text())
    assert len(set(found)) == 200 and len(found) == 200


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize(("width", "height"), [(100, 40), (40, 12), (20, 5)])
def test_the_live_view_fits_every_screen(encoding, width, height, monkeypatch):
    from rich.console import Console

    stream = Terminal(encoding)
    renderer = TtyRenderer(stream)
    renderer._console = Console(file=stream, force_terminal=True, width=width, height=height, highlight=False)
    monkeypatch.setattr("mlstack.cli.render_tty.time.time", lambda: 1006.0)
    for at, event in recorded():
        if at <= 6:
            renderer._run.apply(event)
    lines = renderer._console.render_lines(renderer._view(), pad=False)
    assert len(lines) <= max(3, height - 1)
    rows = ["".join(segment.text for segment in line) for line in lines]
    assert all(len(row) <= width - 2 for row in rows)
    assert rows[0].startswith("up 'lab'")
    if width == 100:
        text = "\n".join(rows)
        for part in (
            "host",
            "1/1",
            "minio",
            "12/13",
            "waiting for Pod/minio/minio-0: pulling image",
            "argo-workflows",
            "0/31",
        ):
            assert part in text
    "\n".join(rows).encode(encoding)


def test_the_live_view_ends_with_a_summary_and_a_visible_cursor():
    stream = Terminal()
    play(TtyRenderer(stream))
    text = stream.text()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "argo-workflows" in text[text.rindex("\x1b[?25h") :]
    assert "ok after 8 s" in text


@pytest.mark.parametrize("make", [JsonRenderer, PlainRenderer, TtyRenderer])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_renderer_shows_a_secret_in_a_reason_or_message(make, verbose):
    stream = Terminal()
    renderer = make(stream) if make is JsonRenderer else make(stream, verbose=verbose)
    play(renderer, fails=True)
    renderer.emit(ev.Message(text=f"retrying http://admin:{CANARY}@host with token={CANARY}"))
    renderer.close()
    assert CANARY not in stream.text()


SECRETS = [
    f"password={CANARY}", f"MYSQL_ROOT_PASSWORD: {CANARY}", f'{{"secretKey": "{CANARY}"}}', f"Authorization: Bearer {CANARY}",
    f"https://user:{CANARY}@host/x", f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
    f"AWS_SECRET_ACCESS_KEY={CANARY}", f"accesskey: '{CANARY}'", f"x-token={CANARY}&y=1", f"client_secret={CANARY}",
]  # fmt: skip


@pytest.mark.parametrize("text", SECRETS)
def test_redaction(text):
    assert CANARY not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "sha256:" + "0a1b" * 16,
        "Deployment/minio/minio: 1/2 ready",
        "h1:Abc0" + "xY9+" * 9 + "A=",
        "mlstack credentials minio",
    ],
)
def test_redaction_leaves_what_is_no_secret(text):
    assert redact(text) == text


def test_strict_redaction_takes_bare_generated_secrets_and_keeps_digests():
    digest = "sha256:" + "0a1b" * 16
    assert redact_strictly(f"value {CANARY} of {digest}") == f"value [redacted] of {digest}"


WORDS = [
    (words.clock, (7,), "0:07"),
    (words.clock, (3723,), "1:02:03"),
    (words.duration, (0.42,), "0.4 s"),
    (words.duration, (161,), "2 min 41 s"),
    (words.duration, (3720,), "1 h 2 min"),
    (words.about, (4,), "less than 10 s"),
    (words.about, (42,), "about 40 s"),
    (words.about, (200,), "about 3 min"),
    (words.about, (7200,), "about 2.0 h"),
    (words.size, (512,), "512 B"),
    (words.size, (1536,), "1.5 KiB"),
    (words.size, (12 * 2**30,), "12 GiB"),
    (words.size, (5 * 2**40,), "5120 GiB"),
    (words.amount, (3, 10, "tasks"), "3/10 tasks"),
    (words.amount, (45, 0, "packages"), "45 packages"),
    (words.amount, (2**20, 2**21, "B"), "1.0 MiB of 2.0 MiB"),
    (words.plural, (1, "change"), "1 change"),
    (words.plural, (0, "change"), "0 changes"),
]


@pytest.mark.parametrize(("function", "arguments", "text"), WORDS, ids=str)
def test_words(function, arguments, text):
    assert function(*arguments) == text
