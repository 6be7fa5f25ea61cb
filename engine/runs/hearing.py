"""Hearing: a worker's word is judged by what it has said before, and its names are made safe, before it is recorded.

A record that contradicts itself would outlive the attempt; so what cannot be is the attempt's failure, at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from engine.model.errors import WorkerError
from engine.model.frames import CallFrame, EventFrame, FilesFrame, JournalFrame, MessageFrame, UsageFrame
from engine.model.text import one_line

_NAMES = ("agent", "sender", "provider", "model", "name", "request_hash")
_LONGEST = 64  # characters of an id

Said: TypeAlias = CallFrame | EventFrame | FilesFrame | JournalFrame | MessageFrame | UsageFrame


class Hearing:
    """What one worker, or the next one of the same attempt, has said so far."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._open: set[str] = set()
        self._answered: set[tuple[str, int]] = set()

    def judge(self, frame: Said) -> Said:
        """The frame with safe names.

        Raises:
            WorkerError: it cannot follow on what was said.
        """
        match frame:
            case EventFrame():
                self._judge_event(frame)
            case JournalFrame():
                key = frame.agent, frame.sequence
                if key in self._answered:
                    raise WorkerError(f"the worker answered call {frame.sequence} of {one_line(frame.agent, 40)} twice")
                if frame.answer is not None:
                    self._answered.add(key)
            case _:
                self._require(frame.event)
        changes: dict[str, Any] = {}
        for name in _NAMES:
            value = getattr(frame, name, None)
            if isinstance(value, str) and (safe := one_line(value)) != value:
                changes[name] = safe
        if isinstance(frame, JournalFrame) and (lines := _lines(frame.request)) != frame.request:
            changes["request"] = lines
        return frame.model_copy(update=changes) if changes else frame

    def _judge_event(self, frame: EventFrame) -> None:
        self._require(frame.parent)
        if frame.id in self._known or len(frame.id) > _LONGEST or one_line(frame.id) != frame.id or not frame.id:
            raise WorkerError(f"the worker reported an event under a name that cannot be, {one_line(frame.id, 40)!r}")
        if frame.phase == "end":
            if frame.span not in self._open:
                raise WorkerError(f"the worker reported the end of what had not begun: {one_line(frame.title, 80)}")
            self._open.discard(frame.span)
        elif frame.phase == "start":
            self._open.add(frame.id)
        self._known.add(frame.id)

    def _require(self, event: str | None) -> None:
        if event is not None and event not in self._known:
            raise WorkerError(f"the worker reported something of an event that was not, {one_line(event, 40)!r}")


def _lines(request: Iterable[str]) -> list[str]:
    return [one_line(line) for line in request]
