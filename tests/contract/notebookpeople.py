"""Who may open whose notebooks, whichever program makes them."""

from __future__ import annotations

from callers import machine, person

from mlstack.core.people import Member, People, Profile

MEMBERS = (Member("bob@lab", "view"), Member("writers", "edit", group=True), Member("eve@lab", "admin"))
PEOPLE = People(profiles=(Profile("ann", "ann@lab", MEMBERS), Profile("bob", "bob@lab")))
WHO = {
    "owner": person("ann@lab"),
    "editor by group": person("x@lab", "writers"),
    "admin of the profile": person("eve@lab"),
    "administrator": person("root@lab", "admins"),
    "program": machine("ann"),
    "viewer": person("bob@lab"),
    "stranger": person("x@lab", "staff"),
    "nobody": {"principal": "https://lab/dex/y", "claims": {}},
    "viewing program": machine("ann", "default-viewer"),
    "step of a workflow": machine("ann", "workflow"),
    "program of bob": machine("bob"),
}
MAY = {
    "ann": {"owner", "editor by group", "admin of the profile", "administrator", "program"},
    "bob": {"administrator", "viewer", "program of bob"},
    "old": {"administrator"},
}
"""Namespace -> who may edit there, and with that open its notebooks."""
