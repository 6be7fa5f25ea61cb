"""What the home screen says above its list, or in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from textual.content import Content

from cmbagent_tui import words
from cmbagent_tui.state.remembered import HomePlace
from engine.model.browsing import SessionSort, Shelf
from engine.model.text import one_line

Key: TypeAlias = Callable[[str], str]  # the key that a binding's id has now

NAMES = {Shelf.CURRENT: "", Shelf.ARCHIVED: "archived ", Shelf.DELETED: "deleted ", Shelf.ALL: ""}
_ORDERS = {
    SessionSort.UPDATED: ("those last at work first", "those longest at rest first"),
    SessionSort.CREATED: ("newest first", "oldest first"),
    SessionSort.TITLE: ("by title", "by title, from Z to A"),
    SessionSort.COST: ("dearest first", "cheapest first"),
    SessionSort.STATE: ("what waits for you first", "what is over first"),
}


def count(number: int, place: HomePlace, shelf: Shelf, waiting: int, key: Key, *, finding: bool) -> Content:
    """How many sessions are listed, which and in which order, and what waits for a person."""
    said = words.plural(number, f"{NAMES[shelf]}session")
    if place.query and not finding:
        said += f" found by {one_line(place.query, 60)}"
    order = _ORDERS[SessionSort(place.sort)][place.reverse]
    return Content.assemble(
        (f"{said}   {order}", "$foreground 58%"),
        (f"   {words.plural(waiting, 'approval')} waiting for you: {key('app.approvals')}", "bold $text-warning")
        if waiting
        else "",
    )


def nothing(place: HomePlace, shelf: Shelf, key: Key) -> str:
    """Why nothing is listed although there is something."""
    if place.query:
        return f"No session fits that. Press {key('home.leave')} to see all of them."
    shelf_key = key("home.shelf")
    if shelf is Shelf.CURRENT:
        return (
            f"All sessions are archived or deleted. Press {shelf_key} to see them, or {key('home.new')} for a new one."
        )
    return f"There are no {NAMES[shelf]}sessions. Press {shelf_key} to see others."


def unreadable(key: Key) -> str:
    """What to do when the list cannot be read."""
    return f"The sessions cannot be read. Press {key('home.reload')} to try again, or {key('app.quit')} to leave."
