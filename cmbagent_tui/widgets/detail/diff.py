"""Two texts line by line."""

from __future__ import annotations

import difflib
from collections.abc import Generator, Sequence

from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.widgets.detail.blocks import MUTED, Row, Span, folded

_STYLES = {"+": STYLES[Tone.OK], "-": STYLES[Tone.FAILED], "@": MUTED}
_AROUND = 3  # lines that are the same, around those that are not
_PART = 200  # lines after which the keys have their turn


def difference(before: str, after: str) -> Diff:
    """The lines that differ. It may take long: best done in a thread."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=_AROUND)
    return Diff(list(lines)[2:])


class Diff:
    """Lines of a unified diff; a long one goes on in the next row."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.text = "\n".join(lines)
        self._lines = lines
        self._rows: list[Row] = []
        self._width = 0

    def lay_out(self, width: int) -> Generator[None, None, int]:
        if width != self._width:
            rows: list[Row] = []
            for number, text in enumerate(self._lines):
                style = _STYLES.get(text[:1], "")
                if text.startswith("@@"):
                    rows.append([Span(text, style)])
                    continue
                for place, part in enumerate(folded(text[1:].expandtabs(4), max(2, width - 2))):
                    sign = text[:1] if place == 0 else " "
                    rows.append([Span(f"{sign} ", style), Span(part, style)])
                if number % _PART == _PART - 1:
                    yield
            self._rows, self._width = rows, width
        return len(self._rows)

    def row(self, number: int) -> Row:
        """One of the rows."""
        return self._rows[number]
