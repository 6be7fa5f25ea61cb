"""What the palette offers, and how it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cmbagent_tui.look import Tone


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to choose. `words` are found by beside the title, `note` is shown at the end of the line."""

    kind: str
    title: str
    choose: Callable[[], object]
    note: str = ""
    words: str = ""
    tone: Tone = Tone.MUTED  # of the note
    text: str = field(init=False)  # all that it is found by

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", f"{self.title} {self.words} {self.kind}".casefold())


def fitting(entries: Iterable[Entry], wanted: str) -> list[int]:
    """The places of the entries that fit, the best first; all of them for no words.

    Every word must occur, best at the beginning of the title, then of a word. Where nothing has them all, letters in
    their order are enough.
    """
    terms = wanted.casefold().split()
    found = list[tuple[int, int]]()
    loose = list[tuple[int, int]]()
    for place, one in enumerate(entries):
        if all(term in one.text for term in terms):
            found.append((_badness(one.text, terms), place))
        elif not found and (gaps := scattered(one.title.casefold(), "".join(terms))) is not None:
            loose.append((gaps, place))
    return [place for _, place in sorted(found or loose)]


def _badness(text: str, terms: list[str]) -> int:
    if not terms or text.startswith(terms[0]):
        return 0
    return 1 + sum(f" {term}" not in text for term in terms)


def scattered(text: str, letters: str) -> int | None:
    """How many other letters stand between the wanted ones in their order, or None."""
    at, gaps = -1, 0
    for letter in letters:
        place = text.find(letter, at + 1)
        if place < 0:
            return None
        gaps += place - at - 1 if at >= 0 else 0
        at = place
    return gaps
