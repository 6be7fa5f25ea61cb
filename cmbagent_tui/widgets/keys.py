"""A line of keys and what they do, at the foot of a dialog."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget


class KeyLine(Widget):
    """`a approve   r reject`, the keys set off; the keys alone where there is no room for more."""

    DEFAULT_CSS = "KeyLine { height: 1; width: 100%; margin-top: 1; }"

    def __init__(self, *keys: tuple[str, str]) -> None:
        super().__init__()
        self._keys = keys

    def render(self) -> Content:
        named = [
            Content.assemble((key, "bold $text-accent"), (f" {what}", "$foreground 70%")) for key, what in self._keys
        ]
        whole = Content("   ").join(named)
        if whole.cell_length <= self.size.width:
            return whole
        return Content(" ").join(Content.assemble((key, "bold $text-accent")) for key, _ in self._keys)
