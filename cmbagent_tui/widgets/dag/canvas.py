"""Lines on a character grid: each cell holds which of its four sides a line leaves by, and becomes one character."""

from __future__ import annotations

from collections.abc import Iterable

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8

_BOX = " ╵╷│╴╯╮┤╶╰╭├─┴┬┼"
_ASCII = " |||-'..`-..+-+++"
_PLAIN = {0: " ", UP: "|", DOWN: "|", UP | DOWN: "|", LEFT: "-", RIGHT: "-", LEFT | RIGHT: "-"}


def character(mask: int, ascii_only: bool) -> str:
    """The character that joins these sides."""
    return _PLAIN.get(mask, "+") if ascii_only else _BOX[mask]


class Canvas:
    """A sparse grid of line cells, by row and column. A cell remembers whose line (`net`) runs through it, so that two
    lines that only cross are drawn as a crossing (the vertical one passes over) and not as a junction."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[int, int]] = {}
        self._nets: dict[tuple[int, int], int] = {}

    def vertical(self, x: int, top: int, bottom: int, net: int) -> None:
        """A line down through rows top to bottom, both wholly."""
        for y in range(top, bottom + 1):
            self._mark(x, y, UP | DOWN, net)

    def bus(self, y: int, tops: Iterable[int], bottoms: Iterable[int], net: int) -> None:
        """A horizontal line in row y that joins columns that come from above with columns that go on below."""
        above, below = set(tops), set(bottoms)
        ends = above | below
        left, right = min(ends), max(ends)
        for x in range(left, right + 1):
            mask = (UP if x in above else 0) | (DOWN if x in below else 0)
            mask |= (LEFT if x > left else 0) | (RIGHT if x < right else 0)
            self._mark(x, y, mask, net)

    def text(self, y: int, start: int, stop: int, ascii_only: bool) -> str:
        """The characters of row y from column `start` up to `stop`."""
        row = self.rows.get(y)
        if not row:
            return " " * (stop - start)
        return "".join(character(row[x], ascii_only) if x in row else " " for x in range(start, stop))

    def _mark(self, x: int, y: int, mask: int, net: int) -> None:
        row = self.rows.setdefault(y, {})
        here = row.get(x, 0)
        if {here, mask} == {UP | DOWN, LEFT | RIGHT} and self._nets[x, y] != net:
            row[x] = UP | DOWN
            return
        row[x] = here | mask
        self._nets[x, y] = net
