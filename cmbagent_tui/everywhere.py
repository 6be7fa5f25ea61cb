"""What the app's own keys open, wherever one is. Every screen is imported when it is first wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.app import SystemCommand
from textual.screen import Screen

from cmbagent_tui.in_turn import KeysInTurn
from cmbagent_tui.state.branches import comes_from
from engine.model.ids import short
from engine.model.text import one_line

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.log import Log
    from cmbagent_tui.opened import OpenRuns
    from cmbagent_tui.settings import Settings
    from engine import Engine

NOT_OPEN = "The database is not open yet."


class Everywhere(KeysInTurn):
    """The side of the app that shows its palette, help, settings, log, costs and open runs."""

    ascii_only: bool
    settings: Settings
    records: Log
    runs: OpenRuns
    engine: Engine | None

    def action_help(self) -> None:
        """Show the keys."""
        from cmbagent_tui.screens.help import HelpScreen, here

        self.push_screen(HelpScreen(here(cast("CockpitApp", self))))

    def action_command_palette(self) -> None:
        """Open the palette over what is shown."""
        from cmbagent_tui.screens.palette import PaletteScreen

        if not isinstance(self.screen, PaletteScreen):
            self.push_screen(PaletteScreen(self.screen, ascii_only=self.ascii_only))

    def action_settings(self) -> None:
        """Show the settings."""
        from cmbagent_tui.screens.settings import SettingsScreen

        if not isinstance(self.screen, SettingsScreen):
            self.push_screen(SettingsScreen(self.settings, ascii_only=self.ascii_only))

    def action_log(self) -> None:
        """Show the log."""
        from cmbagent_tui.screens.log import LogScreen

        self.push_screen(LogScreen(self.records.file, ascii_only=self.ascii_only))

    def action_costs(self) -> None:
        """Show what was spent, or go back from there."""
        from cmbagent_tui.screens.costs import CostsScreen, scopes_of

        if isinstance(self.screen, CostsScreen):
            self.screen.dismiss(None)
        elif self.engine is None:
            self.notify(NOT_OPEN, markup=False)
        else:
            self.push_screen(CostsScreen(self.engine, scopes_of(self.screen), ascii_only=self.ascii_only))

    def action_branches(self) -> None:
        """Show the tree of runs of what one is at, or go back from there."""
        from cmbagent_tui.screens.branch_tree import BranchTreeScreen, tree_at

        if isinstance(self.screen, BranchTreeScreen):
            self.screen.dismiss(None)
        elif self.engine is None:
            self.notify(NOT_OPEN, markup=False)
        elif (found := tree_at(self.screen)) is None:
            self.notify("Go to a session or a run first: this shows its branches.", markup=False)
        else:
            self.push_screen(BranchTreeScreen(self.engine, *found, ascii_only=self.ascii_only))

    def compare(self, first_id: str, second_id: str) -> None:
        """Show two runs beside each other."""
        from cmbagent_tui.screens.compare import CompareScreen

        if self.engine is None:
            self.notify(NOT_OPEN, markup=False)
        else:
            self.push_screen(CompareScreen(self.engine, first_id, second_id, ascii_only=self.ascii_only))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        app = cast("CockpitApp", self)
        yield SystemCommand("New session", "Ask a question: start a new session", app.new_session)
        yield SystemCommand("Demo", "Run the shipped demo session, without any key or network", app.begin_demo)
        yield SystemCommand("Change theme", "Choose other colours", self.action_change_theme)
        for title, what, pair in _comparable(app, screen):
            yield SystemCommand(title, what, partial(self.compare, *pair))

    def action_jump(self) -> None:
        """Show a letter over every place that can be gone to."""
        from cmbagent_tui.screens.jump import JumpScreen, targets

        if targets(self.screen):
            self.push_screen(JumpScreen(self.screen))
        else:
            self.notify("There is nothing to jump to here.", markup=False)

    def action_beside(self, by: int) -> None:
        """Show another of the runs that are open."""
        run_id = self.runs.beside(by)
        if run_id is None:
            self.notify("No other run is open.", markup=False)
        else:
            self.runs.show(run_id)


def _comparable(app: CockpitApp, screen: Screen[object]) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """The runs that the one on the screen can be compared with: its origin, and those that are open."""
    from cmbagent_tui.screens.run import RunScreen

    if not isinstance(screen, RunScreen) or screen.board is None:
        return
    run = screen.board.run
    origin = comes_from(run)
    if origin:
        yield "Compare runs", f"Compare this run with {short(origin)}, which it comes from", (origin, run.id)
    for other in app.runs.all():
        if other.run_id not in (run.id, origin):
            of = one_line(other.board.session.title, 50) if other.board else ""
            yield "Compare runs", f"Compare this run with {short(other.run_id)}: {of}", (other.run_id, run.id)
