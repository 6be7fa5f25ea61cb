"""Numbers as bars and sparklines, of block characters or of ASCII."""

from __future__ import annotations

from collections.abc import Sequence

from cmbagent_tui.words import UNKNOWN

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS, _PLAIN_LEVELS = "▁▂▃▄▅▆▇█", "_:-=+*#@"


def bar(part: int, whole: int, width: int, *, ascii_only: bool = False) -> str:
    """As much of `width` cells as a part is of the whole: all at most, and something of whatever is not nothing."""
    if part <= 0 or width <= 0:
        return ""
    eighths = max(1, min(part, whole) * width * 8 // whole)
    if ascii_only:
        return "#" * max(1, round(eighths / 8))
    full, rest = divmod(eighths, 8)
    return _EIGHTHS[8] * full + _EIGHTHS[rest].strip()


def sparkline(values: Sequence[int | None], *, ascii_only: bool = False) -> str:
    """A cell a number, of the height that it has beside the largest; nothing is blank, and what is not known "?"."""
    levels = _PLAIN_LEVELS if ascii_only else _LEVELS
    most = max((one for one in values if one), default=1)

    def cell(value: int | None) -> str:
        if value is None:
            return UNKNOWN
        return levels[max(0, -(-value * len(levels) // most) - 1)] if value > 0 else " "

    return "".join(map(cell, values))
