"""What the app's own keys open, wherever one is. Every screen is imported when it is first wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import App

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.log import Log
    from cmbagent_tui.opened import OpenRuns
    from cmbagent_tui.settings import Settings
    from engine import Engine


class Everywhere(App[None]):
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
            self.notify("The database is not open yet.", markup=False)
        else:
            self.push_screen(CostsScreen(self.engine, scopes_of(self.screen), ascii_only=self.ascii_only))

    def action_branches(self) -> None:
        """Show the tree of runs of what one is at, or go back from there."""
        from cmbagent_tui.screens.branch_tree import BranchTreeScreen, tree_at

        if isinstance(self.screen, BranchTreeScreen):
            self.screen.dismiss(None)
        elif self.engine is None:
            self.notify("The database is not open yet.", markup=False)
        elif (found := tree_at(self.screen)) is None:
            self.notify("Go to a session or a run first: this shows its branches.", markup=False)
        else:
            self.push_screen(BranchTreeScreen(self.engine, *found, ascii_only=self.ascii_only))

    def action_jump(self) -> None:
        """Show a letter over every place that can be gone to."""
        from cmbagent_tui.screens.jump import JumpScreen, targets

        if found := targets(self.screen):
            self.push_screen(JumpScreen(found))
        else:
            self.notify("There is nothing to jump to here.", markup=False)

    def action_beside(self, by: int) -> None:
        """Show another of the runs that are open."""
        run_id = self.runs.beside(by)
        if run_id is None:
            self.notify("No other run is open.", markup=False)
        else:
            self.runs.show(run_id)
