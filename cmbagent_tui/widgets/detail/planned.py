"""A step of a plan as a block."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from textual.content import Content

from cmbagent_tui.widgets.detail.blocks import Row, spans_of
from cmbagent_tui.widgets.plan_text import step_content

_AS_TEXT = 100  # cells of a line where it leaves the screen


class Planned:
    """Written anew for every width, because its lines are set in."""

    def __init__(self, given: Mapping[str, Any], ascii_only: bool, numbered: str = "") -> None:
        self._given = given
        self._ascii = ascii_only
        self._numbered = numbered
        self._rows: list[Row] = []
        self._width = 0

    @property
    def text(self) -> str:
        return self._content(_AS_TEXT).plain.rstrip()

    def lay_out(self, width: int) -> Generator[None, None, int]:
        yield
        if width != self._width:
            self._width = width
            self._rows = [spans_of(line) for line in self._content(width).split("\n")]
        return len(self._rows)

    def row(self, number: int) -> Row:
        return self._rows[number]

    def _content(self, width: int) -> Content:
        return step_content(self._given, width, self._numbered, ascii_only=self._ascii)
