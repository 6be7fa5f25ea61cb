"""A table: columns as wide as they need, narrower where there is no room, its head set off."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from cmbagent_tui.widgets.detail.blocks import Row, Span, spans_of

_BETWEEN = 2  # blank cells
_NARROWEST = 4


class Table:
    """Cells in columns. Where they do not fit, the widest columns give way and their texts go on below."""

    def __init__(self, rows: Sequence[Sequence[Content]], *, ascii_only: bool = False) -> None:
        self._cells = [list(row) for row in rows]
        self._ascii = ascii_only
        self._rows: list[Row] = []
        self._width = 0

    @property
    def text(self) -> str:
        """The cells with tabs between them."""
        return "\n".join("\t".join(cell.plain for cell in row) for row in self._cells)

    def lay_out(self, width: int) -> Generator[None, None, int]:
        if width != self._width:
            rows: list[Row] = []
            widths = yield from self._widths(width)
            for number, row in enumerate(self._cells):
                rows += _laid(row, widths, "bold" if number == 0 else "")
                if number == 0:
                    line = "-" if self._ascii else "─"
                    rule = (" " * _BETWEEN).join(line * cells for cells in widths)
                    rows.append([Span(rule, "$foreground 35%")])
                if number % 50 == 49:
                    yield
            self._rows, self._width = rows, width
        return len(self._rows)

    def row(self, number: int) -> Row:
        return self._rows[number]

    def _widths(self, room: int) -> Generator[None, None, list[int]]:
        count = max(map(len, self._cells), default=0)
        widths = [1] * count
        for number, row in enumerate(self._cells):
            for column, cell in enumerate(row):
                widths[column] = max(widths[column], *map(cell_len, cell.plain.split("\n")))
            if number % 50 == 49:
                yield
        while sum(widths) + _BETWEEN * (count - 1) > room and max(widths, default=0) > _NARROWEST:
            widths[widths.index(max(widths))] -= 1
        return widths


def _laid(row: Sequence[Content], widths: Sequence[int], style: str) -> list[Row]:
    columns = [
        [part for line in cell.split("\n", allow_blank=True) for part in (line.wrap(max(2, width)) or [Content("")])]
        for cell, width in zip(row, widths, strict=False)
    ]
    rows: list[Row] = []
    for number in range(max(map(len, columns), default=0)):
        spans: list[Span] = []
        for column, width in zip(columns, widths, strict=False):
            part = column[number] if number < len(column) else Content("")
            text = part.stylize_before(style) if style else part
            cells = part.cell_length
            if cells > width:
                spans.append(Span(set_cell_size(part.plain, width), style))
                cells = width
            else:
                spans += spans_of(text)
            spans.append(Span(" " * (width - cells + _BETWEEN)))
        rows.append(spans)
    return rows
