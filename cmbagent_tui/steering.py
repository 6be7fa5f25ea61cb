"""Pause, resume, cancel and redo, from a run's screen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cmbagent_tui import words
from cmbagent_tui.screens.confirm import ConfirmScreen
from engine.model.errors import CockpitError
from engine.model.records import NodeKind
from engine.model.states import RunState, StepState

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.state.board import Board
    from engine import Engine

_AT_WORK = (RunState.PLANNING, RunState.EXECUTING)


class Steering:
    """One run's wheel. What goes wrong with the engine is told to the person."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asked_to_pause = False

    def pausing(self, board: Board) -> bool:
        """Whether the run was told to pause from here, and something of it is still at work."""
        self._asked_to_pause = self._asked_to_pause and board.run.state in _AT_WORK
        return self._asked_to_pause

    async def pause(self, app: CockpitApp, board: Board, trouble: CockpitError | None) -> None:
        """Pause; or resume what is paused, in trouble, or without a process; or, asked first, stop what is pausing."""
        run_id = board.run.id
        try:
            if board.over():
                app.notify("This run is over: there is nothing to pause.", markup=False)
            elif board.run.state is RunState.PAUSED or trouble or not await self._engine.driven(run_id):
                await self._engine.resume(run_id)
            elif not self.pausing(board):
                self._asked_to_pause = True
                await self._engine.pause(run_id)
            elif await app.push_screen_wait(
                ConfirmScreen("Stop this run now?", f"{_at_work(board)}It goes on from there when it is resumed.")
            ):
                await self._engine.pause(run_id, now=True)
        except CockpitError as error:
            self._asked_to_pause = False
            app.complain(error)

    async def cancel(self, app: CockpitApp, board: Board) -> None:
        """Ask, and cancel."""
        if board.over():
            app.notify("This run is over: there is nothing to cancel.", markup=False)
        elif await app.push_screen_wait(
            ConfirmScreen("Cancel this run?", f"{_at_work(board)}What was written so far stays.")
        ):
            try:
                await self._engine.cancel(board.run.id)
            except CockpitError as error:
                app.complain(error)


async def redo_shown(app: CockpitApp, engine: Engine, board: Board | None, node_id: str | None) -> None:
    """Ask what is to be different about a step, and have it done again.

    Raises:
        CockpitError: what was selected cannot be read.
    """
    card = board.cards.get(node_id or "") if board else None
    if board is None or card is None or card.node.kind not in (NodeKind.STEP, NodeKind.PLANNING):
        app.notify("Select a step: only a step can be done again.", markup=False)
        return
    from cmbagent_tui.screens.redo import RedoScreen
    from cmbagent_tui.state.kept import Kept

    told = await engine.forecast(board.run.id, card.node.id)
    kept = Kept(app.state_dir, "redo", told.node.id)
    screen = RedoScreen(engine, board.run.id, told, kept, await asyncio.to_thread(kept.read))
    app.push_screen(screen, lambda redone: app.notify(f"{told.node.step} is done again.") if redone else None)


def _at_work(board: Board) -> str:
    running = board.counts().get(StepState.RUNNING, 0)
    return f"{words.plural(running, 'step')} at work will be stopped. " if running else ""
