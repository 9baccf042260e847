"""The real playbook that ends an engine of ours, against an engine script and a docker client that only keep a state."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlstack.adapters.ansible import AnsiblePlaybooks
from mlstack.core.events import Event, StepProgress

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
SCRIPT = """#!/bin/sh
state={state}
case $1 in
    status) if [ -e $state ]; then echo "running, pid 1"; else echo "not running"; fi ;;
    stop) rm $state; echo stopped ;;
esac
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("containers", "running", "ends"),
    [("", "refuse", True), ("db (mysql:9)", "refuse", False), ("db (mysql:9)", "stop", True)],
)
def test_an_engine_with_containers_of_others_goes_on(tmp_path: Path, containers: str, running: str, ends: bool) -> None:
    state, script, docker = (tmp_path / name for name in ("running", "script", "docker"))
    state.touch()
    script.write_text(SCRIPT.format(state=state))
    docker.write_text(f"#!/bin/sh\necho '{containers}'\n" if containers else "#!/bin/sh\n")
    for program in (script, docker):
        program.chmod(0o700)
    variables = {
        "mlstack_engine_script": str(script),
        "mlstack_engine_path": f"{tmp_path}:/usr/bin:/bin",
        "mlstack_engine_running": running,
    }
    events: list[Event] = []
    result = AnsiblePlaybooks(PLAYBOOKS, tmp_path / "private").run("engine-stop", variables, events.append, "host")
    assert result.error is None
    assert (result.changed, state.exists()) == ((1, False) if ends else (0, True))
    said = [event.message for event in events if isinstance(event, StepProgress)]
    assert "mlstack_engine : Leave the engine running for the containers of others" in said or ends
