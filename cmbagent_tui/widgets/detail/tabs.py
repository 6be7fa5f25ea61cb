"""The strip of tabs: each has a digit, and where it is narrow only the shown one has its name."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

TABS: tuple[tuple[str, str, str], ...] = (
    ("summary", "4", "Summary"),
    ("plan", "5", "Plan"),
    ("code", "6", "Code"),
    ("output", "7", "Output"),
    ("files", "8", "Files"),
    ("messages", "9", "Messages"),
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

    def render(self) -> Content:
        tabs = [tab for tab in TABS if tab[0] != "event" or self._with_event]
        whole = sum(len(digit) + 1 + len(title) for _, digit, title in tabs) + len(tabs) - 1 <= self.size.width
        parts: list[Content] = []
        self._ends = []
        column = 0
        for name, digit, title in tabs:
            on = name == self._shown
            label = Content.assemble(
                (digit, "bold $text-accent" if on else "$foreground 58%"),
                (f" {title}" if whole or on else "", "bold underline" if on else "$foreground 58%"),
                " ",
            )
            parts.append(label)
            column += label.cell_length
            self._ends.append((column, name))
        return Content("").join(parts)
