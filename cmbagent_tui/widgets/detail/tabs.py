"""The strip of tabs: each has a key, and as many as there is room for their names, the shown one always."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

TABS: tuple[tuple[str, str, str], ...] = (
    ("summary", "4", "Summary"),
    ("plan", "5", "Plan"),
    ("code", "6", "Code"),
    ("output", "7", "Output"),
    ("files", "8", "Files"),
    ("messages", "9", "Messages"),
    ("journal", "J", "Journal"),
    ("event", "0", "Event"),
)


class TabStrip(Widget):
    """One line of tabs."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown = "summary"
        self._with_event = False
        self._ends: list[tuple[int, str]] = []

    def show(self, tab: str, *, with_event: bool) -> None:
        """Mark a tab as the one that is shown."""
        if (tab, with_event) != (self._shown, self._with_event):
            self._shown, self._with_event = tab, with_event
            self.refresh()

    def tab_at(self, x: int) -> str | None:
        """The tab at a column."""
        return next((name for end, name in self._ends if x < end), None)

    def starts(self) -> list[tuple[int, str]]:
        """The columns at which the tabs begin."""
        return list(zip([0, *(end for end, _ in self._ends)], (name for _, name in self._ends), strict=False))

    def render(self) -> Content:
        tabs = [tab for tab in TABS if tab[0] != "event" or self._with_event]
        named = _named(tabs, self._shown, self.size.width)
        parts: list[Content] = []
        self._ends = []
        column = 0
        for name, key, title in tabs:
            on = name == self._shown
            label = Content.assemble(
                (key, "bold $text-accent" if on else "$foreground 58%"),
                (f" {title}" if name in named else "", "bold underline" if on else "$foreground 58%"),
                " ",
            )
            parts.append(label)
            column += label.cell_length
            self._ends.append((column, name))
        return Content("").join(parts)


def _named(tabs: Sequence[tuple[str, str, str]], shown: str, width: int) -> set[str]:
    """The tabs whose names fit, the shown one among them, the others from the left."""
    room = width - sum(len(key) + 1 for _, key, _ in tabs) + 1
    found: set[str] = set()
    for name, _, title in sorted(tabs, key=lambda tab: tab[0] != shown):
        room -= len(title) + 1
        if room < 0 and name != shown:
            break
        found.add(name)
    return found
