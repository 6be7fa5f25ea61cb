"""The line that filters the timeline, and the one that says where to go, from a person's words to what is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cmbagent_tui.state.board import Card
from cmbagent_tui.widgets.dag.finding import found
from cmbagent_tui.widgets.timeline.kinds import of_kind
from engine.model.events import EventKind
from engine.model.timeline import EVERYTHING, EventFilter

HINT = 'words, "a phrase", step:fit, agent:engineer, kind:tool, ! for what went wrong'
PLACE_HINT = "50% of the way, 12:30 into the run, #4711"
ERRORS = "!"
_TOKEN = re.compile(r'(?:(\w+):)?(?:"([^"]*)"?|(\S+))')


@dataclass(frozen=True, slots=True)
class Query:
    """What a line asks for: the filter, each part of it in short, and what of the line means nothing."""

    filter: EventFilter = EVERYTHING
    chips: tuple[str, ...] = ()
    problem: str = ""


NOTHING = Query()


def query(line: str, cards: Iterable[Card]) -> Query:
    """Read a line. Several steps or kinds: any of them; several words: all of them."""
    cards = list(cards)
    nodes: set[str] | None = None
    kinds: set[EventKind] = set()
    words: list[str] = []
    chips: list[str] = []
    agent: str | None = None
    errors = False
    problem = ""
    for name, phrase, plain in _TOKEN.findall(line):
        value = phrase or plain
        if not value:
            continue
        match name:
            case "step" | "node":
                fitting = _exact(value, cards) or set(found(cards, value))
                nodes = (nodes or set()) | fitting
                problem = problem or ("" if fitting else f"no step fits {value!r}")
            case "agent":
                agent = value
            case "kind":
                some = _kinds(value)
                kinds |= some
                problem = problem or ("" if some else f"no kind of event is called {value!r}")
            case "" if value == ERRORS:
                errors = True
            case _:
                value = f"{name}:{value}" if name else value
                words.append(value)
        chips.append("errors only" if not name and value == ERRORS else f"{name}:{value}" if name in _NAMES else value)
    wanted = EventFilter(
        node_ids=None if nodes is None else frozenset(nodes),
        agent=agent,
        kinds=frozenset(kinds),
        words=tuple(words),
        errors=errors,
    )
    return Query(wanted, tuple(chips), problem)


_NAMES = ("step", "node", "agent", "kind")


def _exact(step: str, cards: Iterable[Card]) -> set[str]:
    return {card.node.id for card in cards if card.node.step == step}


def _kinds(name: str) -> set[EventKind]:
    wanted = name.casefold().replace("-", "_")
    exact = {kind for kind in EventKind if wanted in (kind.value, of_kind(kind).word)}
    return exact or {kind for kind in EventKind if kind.value.startswith(wanted) or of_kind(kind).word == wanted}


def with_token(line: str, token: str) -> str:
    """A line with a part more, or without it if it was there."""
    tokens = line.split()
    return " ".join([one for one in tokens if one != token] if token in tokens else [*tokens, token])


def place(text: str) -> tuple[Literal["share", "seconds", "seq"], float] | None:
    """Where a line says to go: a share of the run's events (0 to 1), seconds from its beginning, or an event's number.
    None: nowhere that it could be."""
    text = text.strip()
    if fit := re.fullmatch(r"#(\d{1,12})", text):
        return "seq", int(fit[1])
    if fit := re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%?", text):
        return ("share", float(fit[1]) / 100) if float(fit[1]) <= 100 else None
    if fit := re.fullmatch(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{2})", text):
        return "seconds", int(fit[1] or 0) * 3600 + int(fit[2]) * 60 + int(fit[3])
    return None
