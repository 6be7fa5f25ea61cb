"""A line of keys and what they do, at the foot of a dialog."""

from __future__ import annotations

from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget

from cmbagent_tui.keymap.catalogue import plain, split


class KeyLine(Widget):
    """`a approve   r reject`, the keys set off; the keys alone where there is no room for more.

    Keys are given as the screen's bindings have them; where a person has put others in their place, those are shown.
    """

    DEFAULT_CSS = "KeyLine { height: 1; width: 100%; margin-top: 1; }"

    def __init__(self, *keys: tuple[str, str]) -> None:
        super().__init__()
        self._keys = keys

    def show(self, *keys: tuple[str, str]) -> None:
        """Show other keys."""
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def render(self) -> Content:
        keys = [("/".join(map(self._now, key.split("/"))), what) for key, what in self._keys]
        named = [Content.assemble((key, "bold $text-accent"), (f" {what}", "$foreground 70%")) for key, what in keys]
        whole = Content("   ").join(named)
        if whole.cell_length <= self.size.width:
            return whole
        return Content(" ").join(Content.assemble((key, "bold $text-accent")) for key, _ in keys)

    def _now(self, key: str) -> str:
        """The key that does now what this one does by default."""
        keymap = getattr(self.app, "keymap", {})
        name = "escape" if key == "esc" else key
        for binding in type(self.screen).BINDINGS if keymap else ():
            if isinstance(binding, Binding) and binding.id in keymap and name in split(binding.key):
                return plain(split(keymap[binding.id])[0])
        return key
