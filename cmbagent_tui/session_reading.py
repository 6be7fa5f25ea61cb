"""What the list of sessions shows, read from the engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from cmbagent_tui.widgets.session_rows import AT_WORK

if TYPE_CHECKING:
    from engine import Engine
    from engine.model.browsing import DrivenBy, RunSummary
    from engine.model.records import SessionSummary

Found: TypeAlias = "tuple[list[SessionSummary], Mapping[str, list[RunSummary]], Mapping[str, DrivenBy]]"


async def look_up(engine: Engine, ids: Sequence[str], unfolded: Collection[str]) -> Found:
    """These sessions, the runs of those that are unfolded, and who drives what is at work."""
    sessions = await engine.summaries(ids)
    runs = {one: await engine.run_summaries(one) for one in ids if one in unfolded}
    known = [*(one.last_run for one in sessions), *(line.run for found in runs.values() for line in found)]
    at_work = {run.id: run for run in known if run and run.state in AT_WORK}
    return sessions, runs, await engine.drivers(list(at_work.values())) if at_work else {}
