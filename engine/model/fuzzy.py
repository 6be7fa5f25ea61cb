"""Finding by what one remembers of a text: its words, parts of them, or the letters that they begin with."""

from __future__ import annotations

from dataclasses import dataclass

_NEAR = 2  # letters that may be left out between two of one word


@dataclass(frozen=True, slots=True)
class Fit:
    """How well something fits (smaller is better), and the places of its letters in the text."""

    score: int
    places: tuple[int, ...]


def fit(wanted: str, text: str) -> Fit | None:
    """How `wanted` fits a text, whatever the case; None when it does not.

    It fits where it occurs, best at the beginning, then at a word's. Else its letters may stand in their order, each
    near the one before or at the beginning of a later word (`osdmp` finds "oscillator, damped").
    """
    wanted, text = wanted.lower(), text.lower()
    if not wanted:
        return Fit(0, ())
    at = text.find(wanted)
    if at >= 0:
        first = at
        while at > 0 and text[at - 1].isalnum():  # a later one may begin a word
            at = text.find(wanted, at + 1)
        begins = at >= 0
        at = at if begins else first
        return Fit(0 if at == 0 else 1 if begins else 2, tuple(range(at, at + len(wanted))))
    best: Fit | None = None
    start = text.find(wanted[0])
    while start >= 0:
        if start == 0 or not text[start - 1].isalnum():
            found = _from(wanted, text, start)
            if found and (best is None or found.score < best.score):
                best = found
        start = text.find(wanted[0], start + 1)
    return best


def _from(wanted: str, text: str, start: int) -> Fit | None:
    """The letters in order from a place on, each near or at a word's beginning, whichever comes first."""
    places, score = [start], 3
    for letter in wanted[1:]:
        last = places[-1]
        at = text.find(letter, last + 1)
        if at < 0:
            return None
        if not _near(text, last, at):
            while at >= 0 and text[at - 1].isalnum():
                at = text.find(letter, at + 1)
            if at < 0:
                return None
        score += min(at - last - 1, _NEAR)
        places.append(at)
    return Fit(score, tuple(places))


def _near(text: str, last: int, at: int) -> bool:
    """Whether two letters stand near each other within one word."""
    return at - last - 1 <= _NEAR and text[last + 1 : at + 1].isalnum()
