"""What happens in runs that are not looked at, of this process or another: a line on the screen, and in the log."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from cmbagent_tui.keymap.now import key_now
from cmbagent_tui.work import begin
from engine.model.events import Event, EventKind
from engine.model.states import RunState
from engine.model.text import one_line

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp

Severity = Literal["information", "warning", "error"]
_TOLD: dict[str, tuple[str, Severity]] = {
    RunState.COMPLETED: ("completed", "information"),
    RunState.FAILED: ("failed", "error"),
    RunState.WAITING_APPROVAL: ("waits for you: {}", "warning"),
}


def hear(app: CockpitApp, happened: Sequence[Event]) -> None:
    """Tell of the runs among these events that came to an end or wait, but for the one that is seen."""
    news = {one.run_id: one for one in happened if one.kind is EventKind.RUN_STATE and one.data.get("after") in _TOLD}
    for run_id, event in news.items():
        seen = any(getattr(screen, "run_id", None) == run_id for screen in app.screen_stack)
        asked = event.data["after"] == RunState.WAITING_APPROVAL and not app.held_back(run_id)
        if not (seen or asked):
            begin(app, partial(_tell, app, event), "elsewhere")


async def _tell(app: CockpitApp, event: Event) -> None:
    if app.engine is None:
        return
    found = await app.engine.summaries([event.session_id])
    title = one_line(found[0].session.title, 60) if found else "a run"
    what, severity = _TOLD[event.data["after"]]
    what = what.format(key_now(app.screen, "app.approvals"))
    app.records.write("info", f"run {event.run_id} {what}")
    app.notify(title, title=what, severity=severity, timeout=8, markup=False)
