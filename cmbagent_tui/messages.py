"""What widgets tell the screen that holds them. State goes down, these go up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from engine.model.events import Event


class NodeHighlighted(Message):
    """The cursor is on a node; `by_hand` unless it only followed the run."""

    def __init__(self, node_id: str, by_hand: bool) -> None:
        super().__init__()
        self.node_id = node_id
        self.by_hand = by_hand


class NodeOpened(Message):
    """A person wants to see more of a node."""

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self.node_id = node_id


class EventHighlighted(Message):
    """The timeline's cursor was moved to an event."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class EventOpened(Message):
    """A person wants to see more of an event."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class NodeWanted(Message):
    """A person wants to be shown a node among the steps."""

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self.node_id = node_id


class RowHighlighted(Message):
    """The cursor of a list is on another row."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index


class RowOpened(Message):
    """Enter on a row of a list."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index
