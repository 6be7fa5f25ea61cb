"""Two runs beside each other: how far each is, what it cost, its steps, and how alike its files are."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.widgets.detail.prose import Prose
from cmbagent_tui.work import begin
from engine.model.errors import CockpitError
from engine.model.ids import short

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine import Engine
    from engine.compare.runs import RunComparison

VIEWS = ("all", "differences", "steps", "files")


class CompareScreen(Screen[None]):
    """Compares when it is opened, and again by key: runs that are at work write on meanwhile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                str(number),
                f"view('{name}')",
                name.capitalize(),
                show=False,
                id=f"compare.{name}",
                tooltip=f"Show {name if name != 'all' else 'all of it'}",
            )
            for number, name in enumerate(VIEWS, 1)
        ),
        Binding("s", "swap", "Swap", id="compare.swap", tooltip="Put the other run first"),
        Binding("r", "again", "Again", id="compare.again", tooltip="Compare them again as they are now"),
        Binding("o", "open(1)", "Open", id="compare.open", tooltip="Open the second of the two runs"),
        Binding("O", "open(0)", "Open", show=False, id="compare.open_first", tooltip="Open the first of the two runs"),
        Binding("escape", "back", "Back", id="compare.back", tooltip="Back to where you were"),
    ]
    AUTO_FOCUS = "#compare-text"

    app: CockpitApp

    def __init__(self, engine: Engine, first_id: str, second_id: str, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._engine = engine
        self._ids = (first_id, second_id)
        self._ascii = ascii_only
        self._view = VIEWS[0]
        self._found: RunComparison | None = None

    def compose(self) -> ComposeResult:
        yield Static("", id="compare-title", markup=False)
        yield Static("", id="compare-views", markup=False)
        yield Prose(ascii_only=self._ascii, id="compare-text")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._begin()

    def on_screen_resume(self) -> None:
        self.app.set_title("compare")

    # Comparing

    def _begin(self) -> None:
        self._found = None
        self._show()
        begin(self, self._compare, "compare", exclusive=True)

    async def _compare(self) -> None:
        try:
            self._found = await self._engine.compare(*self._ids)
        except CockpitError as error:
            self._say(f"The runs cannot be compared: {error.cause} {error.hint}")
        else:
            self._show()

    def _show(self) -> None:
        first, second = map(short, self._ids)
        self.query_one("#compare-title", Static).update(
            Content.assemble(("Compare", "bold $text-primary"), (f"  run {first} with run {second}", "$foreground 58%"))
        )
        self.query_one("#compare-views", Static).update(_views(self._view))
        if self._found is None:
            self._say("comparing")
            return
        from cmbagent_tui.widgets.beside import compared

        self.query_one(Prose).show(compared(self._found, self._view, ascii_only=self._ascii), anew=True)

    def _say(self, text: str) -> None:
        from cmbagent_tui.widgets.detail.blocks import MUTED, line

        self.query_one(Prose).show([line((text, MUTED))], anew=True)

    # Keys

    def action_view(self, name: str) -> None:
        """Show a part of it."""
        self._view = name
        self._show()

    def action_tab(self, by: int) -> None:
        """Show the part beside the one that is shown."""
        self.action_view(VIEWS[(VIEWS.index(self._view) + by) % len(VIEWS)])

    def action_swap(self) -> None:
        """Compare the other way round."""
        self._ids = self._ids[::-1]
        self._begin()

    def action_again(self) -> None:
        """Compare them as they are now."""
        self.notify("Comparing them again.", timeout=3, markup=False)
        self._begin()

    def action_open(self, which: int) -> None:
        """Open one of the runs."""
        self.app.open_run(self._ids[which])

    def action_back(self) -> None:
        """Back to where one was."""
        self.dismiss(None)


def _views(shown: str) -> Content:
    parts: list[Content] = []
    for number, one in enumerate(VIEWS, 1):
        on = one == shown
        key = (str(number), "bold $text-accent" if on else STYLES[Tone.MUTED])
        parts.append(Content.assemble(key, (f" {one}", "bold underline" if on else STYLES[Tone.MUTED])))
    return Content("  ").join(parts)
