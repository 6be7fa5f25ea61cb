"""The small language in which sessions are looked for: words, and `state:failed mode:one-shot tag:x since:7d`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import TypeVar

from cmbagent_tui.amounts import span_of
from engine.model.browsing import SessionFilter, Shelf
from engine.model.errors import UsageError
from engine.model.records import Mode
from engine.model.states import RunState

T = TypeVar("T")
HINT = "words state:failed mode:one-shot tag:x since:7d before:2026-01-31 is:archived"

_STATES: dict[str, frozenset[RunState]] = {
    **{state.value.replace("_", "-"): frozenset({state}) for state in RunState},
    "running": frozenset({RunState.PLANNING, RunState.EXECUTING}),
    "waiting": frozenset({RunState.WAITING_APPROVAL}),
    "over": frozenset(state for state in RunState if state.terminal),
    "empty": frozenset(),
}
_MODES = {mode.value: mode for mode in Mode}
_SHELVES = {shelf.value: shelf for shelf in Shelf}


def read_query(text: str, now: datetime) -> SessionFilter:
    """What a query asks for. Several values, as in state:failed,paused, are ways of which one is enough; several tags
    must all be there. Words in quotation marks are one. Dates are taken in the local time zone.

    Raises:
        UsageError: a part of it makes no sense; it says which.
    """
    made = SessionFilter()
    for part in _parts(text):
        key, colon, value = part.partition(":")
        read = _KEYS.get(key.lower()) if colon else None
        if read is not None:
            made = read(made, value, now)
        elif colon and re.fullmatch(r"[A-Za-z]+", key):
            raise UsageError(f"there is no {key}:", f"There are {', '.join(f'{one}:' for one in _KEYS)}.")
        else:
            made = replace(made, words=(*made.words, part))
    return made


def _parts(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.quotes, lexer.escape = True, "", '"', ""
    try:
        return [part for part in lexer if part]
    except ValueError:  # the closing mark is still to be typed
        return [part for part in text.replace('"', " ").split() if part]


def _state(made: SessionFilter, value: str, _: datetime) -> SessionFilter:
    names = [_meant("state", one, _STATES) for one in _several("state", value)]
    states = made.states.union(*(_STATES[name] for name in names))
    return replace(made, states=states, empty=made.empty or "empty" in names)


def _mode(made: SessionFilter, value: str, _: datetime) -> SessionFilter:
    modes = (_MODES[_meant("mode", one, _MODES)] for one in _several("mode", value))
    return replace(made, modes=made.modes.union(modes))


def _tag(made: SessionFilter, value: str, _: datetime) -> SessionFilter:
    return replace(made, tags=(*made.tags, *_several("tag", value)))


def _is(made: SessionFilter, value: str, _: datetime) -> SessionFilter:
    return replace(made, shelf=_SHELVES[_meant("is", value, _SHELVES)])


def _since(made: SessionFilter, value: str, now: datetime) -> SessionFilter:
    return replace(made, since=_moment("since", value, now))


def _before(made: SessionFilter, value: str, now: datetime) -> SessionFilter:
    return replace(made, before=_moment("before", value, now))


_KEYS: Mapping[str, Callable[[SessionFilter, str, datetime], SessionFilter]] = {
    "state": _state,
    "mode": _mode,
    "tag": _tag,
    "since": _since,
    "before": _before,
    "is": _is,
}


def _several(key: str, value: str) -> list[str]:
    found = [one for one in value.split(",") if one]
    if not found:
        raise UsageError(f"{key}: of what?", "Write it without a blank, as in state:failed.")
    return found


def _meant(key: str, value: str, known: Mapping[str, T]) -> str:
    """The one name that a beginning of it means."""
    wanted = value.lower().replace("_", "-")
    fitting = [wanted] if wanted in known else [name for name in known if wanted and name.startswith(wanted)]
    if fitting and all(known[name] == known[fitting[0]] for name in fitting):
        return fitting[0]
    if fitting:
        raise UsageError(f"{key}:{value} may be {_either(fitting)}")
    raise UsageError(f"there is no {key}:{value}", f"There are {', '.join(known)}.")


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)


def _moment(key: str, value: str, now: datetime) -> datetime:
    """A day, or how long ago."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            day = datetime.fromisoformat(value)
        except ValueError:
            raise UsageError(f"there is no day {value}") from None
        return datetime.combine(day, time()).astimezone(UTC)
    try:
        return now - span_of(value)
    except UsageError:
        raise UsageError(
            f"{key}:{value} is no time", "Give a day, as 2026-01-31, or how long ago: 12h, 7d, 8w."
        ) from None
