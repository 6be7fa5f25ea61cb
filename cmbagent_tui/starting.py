"""From the form of a new session to its first run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cmbagent_tui.options import run_options
from cmbagent_tui.screens.new_session import NewSessionScreen
from cmbagent_tui.settings import Settings
from cmbagent_tui.state.form import Drafts, NewSession
from engine.model.modelref import default_model
from engine.model.records import Mode

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine import Engine

_PLANNERS = ("planner", "plan_reviewer")


async def ask_for_session(
    app: CockpitApp,
    engine: Engine,
    state_dir: Path,
    start: Callable[[Engine, NewSession], Awaitable[str]] | None,
    opened: Callable[[], None],
) -> str | None:
    """Have the form filled in, with the draft that was left last; the id of the run that it began, or None. `opened` is
    called when it is there to be written in."""
    drafts = Drafts(state_dir)
    values = app.settings.values
    draft = await asyncio.to_thread(drafts.take)
    first = draft or NewSession(approval=str(values.get("approval", NewSession().approval)))

    async def begin(given: NewSession) -> str:
        return await (start(engine, given) if start else submit(engine, app.settings, given))

    form = NewSessionScreen(
        drafts,
        first,
        (*_PLANNERS, *engine.agent_names()),
        str(values.get("model") or default_model(app.settings.environ) or ""),
        begin,
        ascii_only=app.ascii_only,
    )
    form.call_later(opened)
    try:
        return await app.push_screen_wait(form)
    finally:
        drafts.release()


async def submit(engine: Engine, settings: Settings, given: NewSession) -> str:
    """Begin a run as a form says, over what the settings say; return its id.

    Raises:
        UsageError: something of it is not usable. Nothing was written.
    """
    models = {**settings.values.get("models", {}), **given.roles([*_PLANNERS, *engine.agent_names()])}
    options = run_options(
        settings,
        approval=given.approval,
        budget=given.budget.strip() or None,
        model=models.pop("default", None),
        models=models,
    )
    run = await engine.submit(given.task, mode=Mode(given.mode), options=options, attach=given.paths)
    return run.id
