"""The keys of what has the focus, and a sheet of them all, made from the bindings themselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label, Static

from cmbagent_tui.keymap.places import title_of
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.work import begin

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp

KEY_WIDTH = 16
Group: TypeAlias = tuple[str, list[tuple[str, str]]]  # a place, its keys and what each does


class HelpScreen(ModalScreen[None]):
    """A list of keys, grouped by what they act on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "close", "Close", id="help.close", tooltip="Back to where you were"),
        Binding("a", "whole", "All keys", id="help.whole", tooltip="The keys of the whole program, or those of here"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="help.down", tooltip="A line down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="help.up", tooltip="A line up"),
        Binding("pagedown,space", "scroll(10)", "Page", show=False, id="help.page_down", tooltip="Further down"),
        Binding("pageup,b", "scroll(-10)", "Page", show=False, id="help.page_up", tooltip="Further up"),
    ]

    app: CockpitApp

    def __init__(self, here: list[Group]) -> None:
        super().__init__()
        self._here = here
        self._whole = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="help"):
            yield Label("Keys", classes="dialog-title", id="help-title", markup=False)
            with VerticalScroll(id="help-body", can_focus=False):
                yield Static(_text(self._here), id="help-text", markup=False)
            yield KeyLine(("a", "all keys, or those of here"), ("esc", "close"))

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self.query_one("#help-body").scroll_relative(y=by, animate=False)

    def action_whole(self) -> None:
        """Show every key of the program, or again those of what had the focus."""
        self._whole = not self._whole
        begin(self, self._show, "sheet", exclusive=True)

    async def _show(self) -> None:
        groups = await asyncio.to_thread(self._every) if self._whole else self._here
        self.query_one("#help-title", Label).update("Keys of the whole program" if self._whole else "Keys")
        self.query_one("#help-text", Static).update(_text(groups))
        self.query_one("#help-body").scroll_home(animate=False)

    def _every(self) -> list[Group]:
        """In a thread: it imports every screen."""
        from cmbagent_tui.keymap.catalogue import every_key

        groups: dict[str, list[tuple[str, str]]] = {}
        for one in every_key(self.app.keymap):
            keys = " ".join(self.app.get_key_display(Binding(key, "")) for key in one.keys)
            groups.setdefault(one.where, []).append((keys, one.what))
        return list(groups.items())


def _text(groups: list[Group]) -> Content:
    parts: list[Content] = []
    for title, keys in groups:
        parts.append(Content.assemble("\n" if parts else "", (f"{title}\n", "bold $text-primary")))
        for key, what in keys:
            gap = " " * max(2, KEY_WIDTH - len(key))
            parts.append(Content.assemble((f"  {key}", "bold $text-accent"), gap, f"{what}\n"))
    return Content("").join(parts)


def here(app: CockpitApp) -> list[Group]:
    """The keys of what has the focus, by the part of the program that their ids name, the most special first; one line
    for all keys of an action."""
    lines: dict[str, dict[str, tuple[list[str], str]]] = {}
    for _, binding, _, tooltip in app.screen.active_bindings.values():
        if binding.id is None or binding.system:
            continue
        title = title_of(binding.id.partition(".")[0])
        keys, _ = lines.setdefault(title, {}).setdefault(binding.id, ([], ""))
        keys.append(app.get_key_display(binding))
        lines[title][binding.id] = (keys, tooltip or binding.tooltip or binding.description)
    return [(title, [(" ".join(keys), what) for keys, what in found.values()]) for title, found in lines.items()]
