"""What is coming in now: the words of the model, or what the code prints, as blocks that grow."""

from __future__ import annotations

from collections.abc import Sequence

from cmbagent_tui.slices import at_once
from cmbagent_tui.widgets.detail.blocks import Block, Raw, blank, line
from cmbagent_tui.widgets.detail.markdown import markdown

_TAIL = 8_000  # characters of an unfinished part that are read as markdown again and again; more is shown as it is


class Coming:
    """A stream that is read as markdown part by part: what an empty line has closed is not read again."""

    def __init__(self, *, ascii_only: bool) -> None:
        self._ascii = ascii_only
        self._stream = ""
        self._closed = 0  # characters that are in `_blocks`
        self._blocks: list[Block] = []

    def blocks(self, stream: str, *, printed: bool) -> Sequence[Block]:
        """The blocks of a stream as it is now."""
        if not stream:
            self._stream, self._closed, self._blocks = "", 0, []
            return []
        if printed:
            return [blank(), line(("printing now", "bold $text-accent")), Raw(stream)]
        if not stream.startswith(self._stream[:200]) or len(stream) < len(self._stream):
            self._closed, self._blocks = 0, []  # another stream, or one whose beginning is gone
        self._stream = stream
        end = _closed(stream, self._closed)
        if end > self._closed:
            self._blocks += [*self._gap(), *at_once(markdown(stream[self._closed : end], ascii_only=self._ascii))]
            self._closed = end
        rest = stream[self._closed :]
        last = at_once(markdown(rest, ascii_only=self._ascii)) if len(rest) <= _TAIL else [Raw(rest)]
        head = line(("the model is writing", "bold $text-accent"))
        return [blank(), head, *self._blocks, *(self._gap() if last else ()), *last]

    def _gap(self) -> list[Block]:
        return [blank()] if self._blocks else []


def _closed(text: str, start: int) -> int:
    """Where the last empty line ends that stands outside a fence, behind `start`."""
    end, at, fenced = start, start, False
    for row in text[start:].splitlines(keepends=True):
        at += len(row)
        if row.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        if not row.strip() and row.endswith("\n") and not fenced:
            end = at
    return end
