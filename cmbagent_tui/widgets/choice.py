"""One of a few words, on a line, changed by left and right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class Choice(Widget, can_focus=True):
    """Shows the chosen word between arrows, and what it means."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l,space", "choose(1)", "Next", show=False, id="choice.next", tooltip="Choose the next"),
        Binding("left,h", "choose(-1)", "Before", show=False, id="choice.before", tooltip="Choose the one before"),
    ]

    class Chosen(Message):
        """Another word was chosen."""

    def __init__(self, options: Sequence[tuple[str, str]], value: str, *, id: str, ascii_only: bool = False) -> None:
        super().__init__(id=id)
        self._options = options
        self._arrows = "<>" if ascii_only else "‹›"
        self.value = value if value in dict(options) else options[0][0]

    def render(self) -> Content:
        left, right = self._arrows
        style = "bold $text-accent" if self.has_focus else "bold"
        return Content.assemble(
            (f"{left} {self.value} {right}", style), (f"  {dict(self._options)[self.value]}", "$foreground 58%")
        )

    def action_choose(self, by: int) -> None:
        """Choose another."""
        words = [word for word, _ in self._options]
        self.value = words[(words.index(self.value) + by) % len(words)]
        self.refresh()
        self.post_message(self.Chosen())
