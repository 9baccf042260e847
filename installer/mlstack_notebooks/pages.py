"""The pages of this program: links to one's notebooks, and what a notebook that does not answer yet is waiting for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from mlstack_notebooks.site import Notebook, Site
from mlstack_pod.kube import Object

_FRAME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
{head}<title>{title}</title>
<main>
<h1>{title}</h1>
{body}
</main>
</html>
"""
RELOAD_SECONDS = 2


def home(site: Site, mine: Sequence[Notebook], states: Mapping[str, str]) -> str:
    """The links. states: namespace -> what its notebook does."""
    links = "".join(
        f'<li><a href="{escape(one.page)}">{escape(one.namespace)}</a>: '
        f"{escape(states.get(one.namespace, 'not made yet'))}</li>\n"
        for one in mine
    )
    none = "<p>You may open none. Whoever owns a profile can share it with you, with the role edit.</p>"
    body = f"<ul>\n{links}</ul>\n<p>Each has {escape(site.told)}.</p>" if mine else none
    return _FRAME.format(head="", title="Notebooks", body=body)


def waiting(namespace: str, reason: str) -> str:
    """The page that opens the notebook as soon as that answers."""
    head = f'<meta http-equiv="refresh" content="{RELOAD_SECONDS}">\n'
    body = "<p>This page opens it as soon as it answers. What you saved is where it was.</p>"
    if reason:
        body += f"\n<p>It waits: {escape(reason)}</p>"
    return _FRAME.format(head=head, title=f"The notebook of {escape(namespace)} is starting", body=body)


def state(obj: Object | None) -> str:
    """What a StatefulSet's notebook does, in a word or two."""
    if obj is None:
        return "not made yet"
    if (obj.get("status") or {}).get("readyReplicas"):
        return "running"
    return "starting" if obj["spec"].get("replicas") else "asleep"


def why(pods: Sequence[Object], events: Sequence[Object]) -> str:
    """Why a notebook does not come up: its containers' own words, else the last warning about it; empty: nothing is wrong."""
    for pod in pods:
        for one in (pod.get("status") or {}).get("containerStatuses") or ():
            held = (one.get("state") or {}).get("waiting") or {}
            if held.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                return f"{held['reason']}: {held.get('message') or 'see the log of pod notebook-0'}"
    about = [
        event
        for event in events
        if event.get("type") == "Warning"
        if (event.get("involvedObject") or {}).get("name") in ("notebook", "notebook-0")
    ]
    if not about or any((pod.get("status") or {}).get("phase") == "Running" for pod in pods):
        return ""
    last = max(about, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))
    return f"{last.get('reason')}: {last.get('message')}"
