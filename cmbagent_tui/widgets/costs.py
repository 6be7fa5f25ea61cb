"""What was spent, painted: a line a sum with its bar, and a sparkline of it over time."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.widget import Widget

from cmbagent_tui import words
from cmbagent_tui.bars import bar, sparkline
from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.state import costs
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows
from engine.model.records import CostTotal
from engine.model.spending import Grouping, Spending, SpendingLine, Spent

_WIDE, _MIDDLE, _NARROW = 100, 60, 24  # columns from which everything, most, and the cost is shown


class CostRows(Rows):
    """The lines of a grouping; last, as one, those beyond the limit."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tone--bar"}

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(id="costs-lines", ascii_only=ascii_only)
        self._found: Spending | None = None
        self._labels: list[str] = []
        self._costs: list[str] = []
        self._most = 0

    @property
    def count(self) -> int:
        return len(self._labels)

    @property
    def by(self) -> Grouping | None:
        """What the lines are sums by."""
        return self._found.by if self._found else None

    @property
    def chosen(self) -> SpendingLine | None:
        """The line that the cursor is on, if it is a line of its own."""
        lines = self._found.lines if self._found else ()
        return lines[self.cursor] if self.cursor < len(lines) else None

    def label(self) -> str:
        """What the cursor's line is of."""
        return self._labels[self.cursor] if self._labels else ""

    def spent(self, index: int | None = None) -> Spent:
        """What was spent in a row, or in the cursor's."""
        assert self._found is not None
        place = self.cursor if index is None else index
        return self._found.lines[place].spent if place < len(self._found.lines) else self._found.others

    def show(self, found: Spending, *, with_run: bool) -> None:
        """Show a grouping. The cursor stays on the line that it is on, if the grouping is the same."""
        chosen = self.chosen
        same = self.by is found.by
        self._found = found
        self._labels = [costs.label(line, found.by, with_run=with_run) for line in found.lines]
        if found.other_lines:
            self._labels.append(words.plural(found.other_lines, "other"))
        spent = [self.spent(index).cost for index in range(self.count)]
        self._costs = [words.cost(one) for one in spent]
        self._most = max(map(costs.measure(found.total.cost), spent), default=0)
        keys = [line.key for line in found.lines]
        self.resized()
        if not same:
            self.go(0)
        elif chosen is not None and chosen.key in keys:
            self.go(keys.index(chosen.key))

    def pieces(self, index: int, width: int) -> list[Piece]:
        right, pieces = width - 1, list[Piece]()
        for cell in reversed(self._cells(index, width)):
            right -= len(cell.text)
            pieces.insert(0, cell._replace(column=right))
            right -= 1
        label = words.fit(self._labels[index], max(1, right - 1), ascii_only=self.ascii_only)
        return [Piece(1, label, Tone.PLAIN if self._is_line(index) else Tone.MUTED), *pieces]

    def _cells(self, index: int, width: int) -> list[Piece]:
        """What stands behind a label, one beside the other, each in a column of its width."""
        cost = self.spent(index).cost
        cells: list[Piece] = []
        if width >= _MIDDLE:
            cells += self._share(cost, 24 if width >= _WIDE else 12)
        if width >= _NARROW:
            price = self._costs[index].rjust(max(8, *map(len, self._costs)))
            cells.append(Piece(0, price, Tone.WAITING if cost.unknown_calls else Tone.PLAIN, strong=True))
        tokens_in, tokens_out = cost.prompt_tokens, cost.completion_tokens
        if width >= _WIDE:
            cells.append(Piece(0, f"{words.tokens(tokens_in):>7} in {words.tokens(tokens_out):>7} out", Tone.MUTED))
        elif width >= _MIDDLE:
            cells.append(Piece(0, f"{words.tokens(tokens_in + tokens_out):>7} tokens", Tone.MUTED))
        if width >= _MIDDLE:
            cells.append(Piece(0, f"{words.plural(cost.calls, 'call'):>10}", Tone.MUTED))
        return cells

    def _share(self, cost: CostTotal, width: int) -> list[Piece]:
        """A bar beside the longest, and the part of the whole."""
        assert self._found is not None
        total = self._found.total.cost
        of = costs.measure(total)
        part, whole = of(cost), of(total)
        drawn = bar(part, self._most, width, ascii_only=self.ascii_only)
        percent = f"{100 * part // whole or '<1'}%" if part else ""
        return [Piece(0, drawn.ljust(width), "bar"), Piece(0, f"{percent:>4}", Tone.MUTED)]

    def _is_line(self, index: int) -> bool:
        return self._found is not None and index < len(self._found.lines)


class CostGraph(Widget):
    """A sparkline and which time it shows; where it is wider than the screen, the newest of it."""

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(id="costs-graph")
        self._ascii = ascii_only
        self._found: Spending | None = None

    def show(self, found: Spending) -> None:
        """Show how something spent lies in time."""
        self._found = found
        self.refresh()

    def render(self) -> Content:
        if self._found is None or not self._found.points:
            return Content("")
        width = self.size.width
        drawn = sparkline(costs.heights(self._found)[-width:], ascii_only=self._ascii)
        said = words.fit(costs.span(self._found, width), width, ascii_only=self._ascii)
        return Content.assemble((drawn, "$primary"), "\n", (said.rstrip(), STYLES[Tone.MUTED]))
