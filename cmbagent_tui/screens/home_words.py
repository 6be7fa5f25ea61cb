"""What the home screen says above its list, or in its place."""

from __future__ import annotations

from textual.content import Content

from cmbagent_tui import words
from cmbagent_tui.state.remembered import HomePlace
from engine.model.browsing import SessionSort, Shelf
from engine.model.text import one_line

NAMES = {Shelf.CURRENT: "", Shelf.ARCHIVED: "archived ", Shelf.DELETED: "deleted ", Shelf.ALL: ""}
_ORDERS = {
    SessionSort.UPDATED: ("those last at work first", "those longest at rest first"),
    SessionSort.CREATED: ("newest first", "oldest first"),
    SessionSort.TITLE: ("by title", "by title, from Z to A"),
    SessionSort.COST: ("dearest first", "cheapest first"),
    SessionSort.STATE: ("what waits for you first", "what is over first"),
}
_GUIDANCE = (
    "To ask a question of your own, a model is needed. Set one of",
    "    OPENAI_API_KEY       (and OPENAI_BASE_URL for any compatible server)",
    "    ANTHROPIC_API_KEY    GEMINI_API_KEY    or a local Ollama",
    "and, if you like, CMBAGENT_MODEL=provider:model. Then press n.",
)


def count(number: int, place: HomePlace, shelf: Shelf, waiting: int, *, finding: bool) -> Content:
    """How many sessions are listed, which and in which order, and what waits for a person."""
    said = words.plural(number, f"{NAMES[shelf]}session")
    if place.query and not finding:
        said += f" found by {one_line(place.query, 60)}"
    order = _ORDERS[SessionSort(place.sort)][place.reverse]
    return Content.assemble(
        (f"{said}   {order}", "$foreground 58%"),
        (f"   {words.plural(waiting, 'approval')} waiting for you: A", "bold $text-warning") if waiting else "",
    )


def nothing(place: HomePlace, shelf: Shelf) -> str:
    """Why nothing is listed although there is something."""
    if place.query:
        return "No session fits that. Press esc to see all of them."
    if shelf is Shelf.CURRENT:
        return "All sessions are archived or deleted. Press v to see them, or n for a new one."
    return f"There are no {NAMES[shelf]}sessions. Press v to see others."


def welcome() -> Content:
    """What to do where there is no session at all."""
    lines = [
        Content.assemble(("Nothing here yet.\n\n", "bold")),
        Content.assemble(
            ("Press ", ""),
            ("d", "bold $text-accent"),
            (" to see a whole research session now: a plan to approve, ", ""),
        ),
        Content("two rival fits in parallel,\na figure and a report. It needs no key and no network.\n\n"),
        Content("\n".join(_GUIDANCE)),
    ]
    return Content("").join(lines)
