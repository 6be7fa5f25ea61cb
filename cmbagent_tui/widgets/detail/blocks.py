"""What a long text is made of: blocks that know how many rows they take in a width, and say each row when it is seen.

A row is a list of spans: text with a style in Textual's words (`bold $text-accent`), or several laid over each other
(`bold|$text-accent`). Nothing here is markup: brackets stay brackets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, Protocol

from rich.cells import cell_len, get_character_cell_size
from rich.style import Style
from textual.content import Content

MUTED = "$foreground 58%"
TITLE = "bold $text-primary"
_TAB = 4  # cells
_PART = 400  # lines after which the keys have their turn


class Span(NamedTuple):
    """Text in one style: in Textual's words, or where there are thousands of different ones ready-made."""

    text: str
    style: str | Style = ""


Row = Sequence[Span]
_NOTHING = Span("")


class Block(Protocol):
    """A part of a text."""

    def lay_out(self, width: int) -> Generator[None, None, int]:
        """Take a width (in cells), in slices; return how many rows it takes."""
        ...

    def row(self, number: int) -> Row:
        """One of the rows."""
        ...

    @property
    def text(self) -> str:
        """All of it as plain text, to be copied or opened elsewhere."""
        ...


@dataclass(slots=True)
class Words:
    """Text that breaks between words. `first` stands before its first row, `rest` before the others."""

    content: Content
    first: Span = _NOTHING
    rest: Span = _NOTHING
    _rows: list[Row] = field(default_factory=list["Row"], repr=False)
    _width: int = 0

    def lay_out(self, width: int) -> Generator[None, None, int]:
        if width != self._width:
            room = max(4, width - cell_len(self.first.text))
            rows: list[Row] = []
            for line in self.content.split("\n", allow_blank=True):
                for part in line.expand_tabs(_TAB).wrap(room) or [Content("")]:
                    before = self.rest if rows else self.first
                    rows.append([before, *spans_of(part)] if before.text else spans_of(part))
                yield
            self._rows, self._width = rows, width
        return len(self._rows)

    def row(self, number: int) -> Row:
        return self._rows[number]

    @property
    def text(self) -> str:
        return self.first.text.lstrip() + self.content.plain


class Raw:
    """Text as it was printed or written, of any length: long lines go on in the next row."""

    def __init__(self, text: str, style: str = "") -> None:
        self.text = text
        self._style = style
        self._lines = text.expandtabs(_TAB).split("\n") if text else []
        if self._lines and not self._lines[-1]:
            self._lines.pop()
        self._firsts: list[int] = []  # the first row of every line
        self._rows = 0
        self._width = 0

    def lay_out(self, width: int) -> Generator[None, None, int]:
        if width != self._width:
            width = max(2, width)
            firsts: list[int] = []
            rows = 0
            for number, line in enumerate(self._lines):
                firsts.append(rows)
                short = len(line) <= width and (line.isascii() or cell_len(line) <= width)
                rows += 1 if short else len(folded(line, width))
                if number % _PART == _PART - 1:
                    yield
            self._firsts, self._rows, self._width = firsts, rows, width
        return self._rows

    def row(self, number: int) -> Row:
        line = bisect_right(self._firsts, number) - 1
        text = self._lines[line]
        if len(text) > self._width or not text.isascii():
            text = folded(text, self._width)[number - self._firsts[line]]
        return [Span(text, self._style)]


class Code:
    """Highlighted lines with their numbers."""

    def __init__(self, text: str, lines: Sequence[Row]) -> None:
        self.text = text
        self._lines = lines
        self._gutter = len(str(len(lines))) + 2
        self._rows: list[tuple[int, int]] = []  # line, and from which of its cells on
        self._width = 0

    def lay_out(self, width: int) -> Generator[None, None, int]:
        if width != self._width:
            room = max(8, width - self._gutter)
            rows: list[tuple[int, int]] = []
            for number, line in enumerate(self._lines):
                length = sum(cell_len(span.text) for span in line)
                rows += [(number, start) for start in range(0, max(1, length), room)]
                if number % _PART == _PART - 1:
                    yield
            self._rows, self._width = rows, width
        return len(self._rows)

    def row(self, number: int) -> Row:
        line, start = self._rows[number]
        label = str(line + 1) if start == 0 else ""
        gutter = Span(f"{label.rjust(self._gutter - 2)}  ", "$foreground 35%")
        return [gutter, *cut(self._lines[line], start, start + max(8, self._width - self._gutter))]


@dataclass(slots=True)
class Fixed:
    """Rows that do not depend on the width: what is too long is cut off."""

    rows: Sequence[Row]

    def lay_out(self, width: int) -> Generator[None, None, int]:
        yield
        return len(self.rows)

    def row(self, number: int) -> Row:
        return self.rows[number]

    @property
    def text(self) -> str:
        return "\n".join("".join(span.text for span in row).rstrip() for row in self.rows)


@dataclass(slots=True)
class Rule:
    """A line across."""

    ascii_only: bool
    _width: int = 0

    def lay_out(self, width: int) -> Generator[None, None, int]:
        yield
        self._width = width
        return 1

    def row(self, number: int) -> Row:
        return [Span(("-" if self.ascii_only else "─") * self._width, "$foreground 35%")]

    @property
    def text(self) -> str:
        return "-" * 20


def blank() -> Fixed:
    """A blank row."""
    return Fixed([[Span("")]])


def title(text: str, aside: str = "") -> Words:
    """A heading, with something muted behind it."""
    return Words(Content.assemble((text, TITLE), (f"  {aside}" if aside else "", MUTED)))


def line(*parts: str | tuple[str, str]) -> Words:
    """A line of parts, each with its style or plain."""
    return Words(Content.assemble(*parts))


def field_row(name: str, *parts: str | tuple[str, str], label: int = 8) -> Words:
    """A name, and what it has beside it."""
    return Words(Content.assemble(*parts), Span(f"{name:<{label}} ", MUTED), Span(" " * (label + 1)))


def folded(text: str, width: int) -> list[str]:
    """A line in pieces of at most so many cells."""
    if text.isascii():
        return [text[start : start + width] for start in range(0, max(1, len(text)), width)]
    found: list[str] = []
    start = cells = 0
    for place, character in enumerate(text):
        if character.isascii() or character.isalnum():
            cells += get_character_cell_size(character)
        else:  # what joins its neighbours can make them wider together than they are alone
            cells = cell_len(text[start : place + 1])
        if cells > width:
            found.append(text[start:place])
            start, cells = place, get_character_cell_size(character)
    return [*found, text[start:]]


def spans_of(content: Content) -> list[Span]:
    """Content as spans, its styles as they are."""
    if not content.spans:
        return [Span(content.plain)]
    marks = sorted({0, len(content), *(at for span in content.spans for at in (span.start, span.end))})
    found: list[Span] = []
    for start, end in pairwise(marks):
        style = "|".join(str(span.style) for span in content.spans if span.start <= start and end <= span.end)
        found.append(Span(content.plain[start:end], style))
    return found


def cut(row: Row, start: int, stop: int) -> list[Span]:
    """What of a row lies between two of its cells."""
    found: list[Span] = []
    at = 0
    for text, style in row:
        length = cell_len(text)
        if at < stop and at + length > start:
            if text.isascii():
                text = text[max(0, start - at) : stop - at]
            else:
                text = "".join(character for place, character in _places(text, at) if start <= place < stop)
            found.append(Span(text, style))
        at += length
    return found


def _places(text: str, at: int) -> Generator[tuple[int, str], None, None]:
    for character in text:
        yield at, character
        at += cell_len(character)
