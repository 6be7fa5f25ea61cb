"""What happens in an attempt, as frames for the host: nested events, messages, deltas and usage, with all texts made
safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from engine.model.events import EventKind
from engine.model.frames import DeltaFrame, EventFrame, MessageFrame, UsageFrame
from engine.model.ids import new_id
from engine.model.text import clean, one_line
from engine.worker.channel import Channel

TEXT_LIMIT = 1_000_000  # characters of one text in an event or a message

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Span:
    """Something that has begun and lasts."""

    id: str
    kind: EventKind
    agent: str | None
    parent: str | None
    title: str


class Capture:
    """Turns what happens into frames, without ever waiting."""

    def __init__(self, channel: Channel, now: Callable[[], datetime] | None = None) -> None:
        self._channel = channel
        self.now = now or _utc_now
        self._open: dict[str, Span] = {}

    def start(
        self, kind: EventKind, data: Mapping[str, Any], *, agent: str | None, parent: str | None = None, title: str = ""
    ) -> Span:
        """Open a span."""
        span = Span(new_id(), kind, agent, parent, one_line(title))
        self._open[span.id] = span
        self._emit(span.id, kind, "start", None, span, data)
        return span

    def end(self, span: Span, data: Mapping[str, Any]) -> None:
        """Close a span with its outcome."""
        self._open.pop(span.id, None)
        self._emit(new_id(), span.kind, "end", span.id, span, data)

    def end_all(self, error: str) -> None:
        """Close what is still open, the innermost first: whatever it was doing was broken off."""
        for span in reversed(list(self._open.values())):
            self.end(span, {"ok": False, "error": error})

    def point(
        self, kind: EventKind, data: Mapping[str, Any], *, agent: str | None, parent: str | None = None, title: str = ""
    ) -> None:
        """Report something that does not last."""
        identifier = new_id()
        self._emit(identifier, kind, "point", None, Span(identifier, kind, agent, parent, one_line(title)), data)

    def delta(self, span: Span, text: str) -> None:
        """Show a piece of text as it comes."""
        safe = clean(text)
        if safe:
            self._channel.emit(DeltaFrame(event=span.id, text=safe))

    def message(self, span: Span | None, sender: str, role: Role, content: str) -> None:
        """Report one turn of a conversation, whole."""
        self._channel.emit(
            MessageFrame(
                event=span.id if span else None,
                sender=sender,
                role=role,
                content=clean(content, TEXT_LIMIT),
                at=self.now(),
            )
        )

    def usage(self, span: Span, agent: str, provider: str, model: str, tokens: tuple[int, int, int]) -> None:
        """Report a model call's (prompt, completion, cached) tokens, inclusive counts."""
        prompt, completion, cached = tokens
        self._channel.emit(
            UsageFrame(
                event=span.id,
                agent=agent,
                provider=provider,
                model=one_line(model),
                prompt_tokens=prompt,
                completion_tokens=completion,
                cached_tokens=cached,
                at=self.now(),
            )
        )

    def _emit(
        self,
        identifier: str,
        kind: EventKind,
        phase: Literal["start", "end", "point"],
        opened: str | None,
        span: Span,
        data: Mapping[str, Any],
    ) -> None:
        self._channel.emit(
            EventFrame(
                id=identifier,
                kind=kind.value,
                at=self.now(),
                phase=phase,
                parent=span.parent,
                span=opened,
                agent=span.agent,
                title=span.title,
                data={key: safe(value) for key, value in data.items() if value is not None},
            )
        )


def safe(value: Any) -> Any:
    """The same data with every text in it, keys too, made safe and bounded."""
    if isinstance(value, str):
        return clean(value, TEXT_LIMIT)
    if isinstance(value, Mapping):
        return {clean(str(key), 200): safe(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [safe(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _utc_now() -> datetime:
    return datetime.now(UTC)
