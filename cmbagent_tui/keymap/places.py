"""Where keys count: the first part of a binding's id, in words, and what it lies in."""

from __future__ import annotations

APP = "app"
_TITLES = {
    APP: "Everywhere",
    "home": "Sessions",
    "find": "Finding sessions",
    "line": "A line to write",
    "new": "New session",
    "choice": "A choice",
    "run": "This run",
    "dag": "Steps",
    "timeline": "Timeline",
    "text": "In a text",
    "files": "Files and messages",
    "list": "In a list",
    "costs": "Costs",
    "branches": "Branches",
    "compare": "Comparing runs",
    "inbox": "All approvals",
    "approval": "Approval",
    "plan": "Editing a plan",
    "step": "Editing a step",
    "wire": "What a step waits for",
    "rules": "When a run asks",
    "mode": "Choosing when it asks",
    "feedback": "Feedback",
    "attempts": "Two attempts",
    "redo": "Doing a step again",
    "palette": "Palette",
    "jump": "Jumping",
    "settings": "Settings",
    "log": "Log",
    "help": "Help",
    "confirm": "A question",
    "quit": "Quitting",
}
# What has the focus may hide a key of what it lies in.
_INSIDE = {
    "dag": ("run",),
    "timeline": ("run",),
    "text": ("run", "compare"),
    "files": ("run",),
    "list": ("home", "run", "inbox", "costs", "branches", "plan", "wire", "rules", "mode"),
    "find": ("home",),
}


def title_of(place: str) -> str:
    """A place in words."""
    return _TITLES.get(place, place.replace("_", " ").capitalize())


def rank(place: str) -> int:
    """Where a place comes in a list of all."""
    order = list(_TITLES)
    return order.index(place) if place in order else len(order)


def around(place: str) -> tuple[str, ...]:
    """The places that a place lies in, the app left out."""
    return _INSIDE.get(place, ())
