"""The keys of what is on the screen, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label, Static

from cmbagent_tui.widgets.keys import KeyLine

KEY_WIDTH = 16


class HelpScreen(ModalScreen[None]):
    """A list of keys, grouped by what they act on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "close", "Close", id="help.close", tooltip="Back to where you were"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="help.down", tooltip="A line down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="help.up", tooltip="A line up"),
        Binding("pagedown,space", "scroll(10)", "Page", show=False, id="help.page_down", tooltip="Further down"),
        Binding("pageup,b", "scroll(-10)", "Page", show=False, id="help.page_up", tooltip="Further up"),
    ]

    def __init__(self, groups: list[tuple[str, list[tuple[str, str]]]]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="help"):
            yield Label("Keys", classes="dialog-title", markup=False)
            with VerticalScroll(id="help-body", can_focus=False):
                yield Static(self._text(), markup=False)
            yield KeyLine(("esc", "close"))

    def _text(self) -> Content:
        parts: list[Content] = []
        for title, keys in self._groups:
            parts.append(Content.assemble("\n" if parts else "", (f"{title}\n", "bold $text-primary")))
            for key, what in keys:
                gap = " " * max(2, KEY_WIDTH - len(key))
                parts.append(Content.assemble((f"  {key}", "bold $text-accent"), gap, f"{what}\n"))
        return Content("").join(parts)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self.query_one("#help-body").scroll_relative(y=by, animate=False)


def groups_of(active: Iterable[ActiveBinding], display: dict[str, str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Bindings by the part of the program that their id names, the most special first; one line for all keys of an
    action. `display` maps a key to how it is written."""
    lines: dict[str, dict[str, tuple[list[str], str]]] = {}
    for node, binding, _, tooltip in active:
        if binding.id is None or binding.system:
            continue
        group = binding.id.split(".")[0]
        title = _TITLES.get(group, type(node).__name__)
        keys, _ = lines.setdefault(title, {}).setdefault(binding.id, ([], ""))
        keys.append(display.get(binding.key, binding.key))
        lines[title][binding.id] = (keys, tooltip or binding.tooltip or binding.description)
    return [(title, [(" ".join(keys), what) for keys, what in found.values()]) for title, found in lines.items()]


_TITLES = {
    "app": "Everywhere",
    "home": "Sessions",
    "run": "This run",
    "dag": "Steps",
    "list": "In a list",
    "text": "In a text",
    "files": "Files",
}
