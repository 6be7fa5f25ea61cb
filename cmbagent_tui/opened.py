"""The runs that are open at once: a screen each, kept alive behind the one that is seen, switched by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import ModalScreen

from cmbagent_tui.work import begin

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.screens.run import RunScreen

KEPT = 6  # screens; of what is behind them all stays in the database, and the place in each is remembered


class OpenRuns:
    """One per app."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app
        self._screens: dict[str, RunScreen] = {}  # in the order in which they were opened

    def all(self) -> list[RunScreen]:
        """The screens of the runs that are open, in the order in which they were opened."""
        return [one for one in self._screens.values() if one.board is not None]

    def show(self, run_id: str, node_id: str | None = None) -> None:
        """Bring a run to the front, opening it if need be; with the cursor on a node, if one is named."""
        kept = self._screens.get(run_id)
        if kept is not None and kept.board is not None:
            self._bring(kept)
            self._app.offer_approvals(run_id)
            if node_id is not None:
                kept.select(node_id)
        else:
            self._open(run_id)

    def beside(self, by: int) -> str | None:
        """The run that comes so many places after the one that is seen; None when no other is open."""
        ids = [one.run_id for one in self.all()]
        here = getattr(self._app.screen, "run_id", None)
        if here not in ids:
            return ids[-1 if by > 0 else 0] if ids else None
        return ids[(ids.index(here) + by) % len(ids)] if len(ids) > 1 else None

    def _open(self, run_id: str) -> None:
        from cmbagent_tui.screens.run import RunScreen

        app = self._app
        if app.engine is None:
            return
        failed = self._screens.pop(run_id, None)  # could not be read the last time
        if failed is not None and failed not in app.screen_stack:
            app.uninstall_screen(failed)
        screen = RunScreen(app.engine, run_id, app.clock, app.remembered, ascii_only=app.ascii_only)
        self._screens[run_id] = screen
        app.install_screen(screen, f"run-{run_id}")
        self._bring(screen)
        begin(app, self._close_old, "close-old")

    def _bring(self, screen: RunScreen) -> None:
        app = self._app
        while app.screen not in (app.screen_stack[0], *self._screens.values()) and not isinstance(
            app.screen, ModalScreen
        ):
            app.pop_screen()  # costs, say: a run is shown in their place
        if screen in app.screen_stack:
            return
        if isinstance(app.screen, ModalScreen) or app.screen is app.screen_stack[0]:
            app.push_screen(screen)
        else:
            app.switch_screen(screen)

    async def _close_old(self) -> None:
        for run_id, one in list(self._screens.items())[:-KEPT]:
            if one not in self._app.screen_stack:
                del self._screens[run_id]
                self._app.uninstall_screen(one)
                await one.remove()
