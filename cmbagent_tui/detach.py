"""Without a terminal: how a process goes on with runs that nobody looks at, and how one is started for that.

`python -m cmbagent_tui.detach RUN` is such a process.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cmbagent_tui.settings import Settings, load
from engine.model.errors import CockpitError, UsageError
from engine.model.ids import short
from engine.model.states import RunState

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.model.records import RunView

_LOOK = 0.2  # seconds between two looks at what there is to do
_GRACE = 1.0  # seconds of rest that may be a pause within something that a person has just asked for
_RUNS = 200  # of the newest, in which this process may have one that waits


async def drive_on(engine: Engine) -> None:
    """Go on until nothing is left that can proceed. Where people are asked, wait for an answer as long as the setting
    `suspend_after` says. A termination ends it earlier.

    Raises:
        CockpitError: the database cannot be read.
    """
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    at_work = time.monotonic()
    while not ended.is_set():
        rested = time.monotonic() - at_work
        if engine.active():
            at_work = time.monotonic()
        elif (
            rested >= _GRACE
            and not await _waits(engine, rested < engine.settings.suspend_after)
            and not engine.active()  # nobody has had a run go on meanwhile
        ):
            return
        await asyncio.sleep(_LOOK)


async def _waits(engine: Engine, patient: bool) -> bool:
    """Whether a run of this process waits for an answer: a person's, if there is patience, or else one by deadline."""
    if patient:  # by the state of its run an answer is missed until the run has taken it
        waiting = [one.id for one in await engine.runs(limit=_RUNS) if one.state is RunState.WAITING_APPROVAL]
    else:
        waiting = [one.run_id for one in await engine.approvals() if one.deadline_at is not None]
    return any(engine.fleet.owns(run_id) for run_id in waiting)


async def start_detached(engine: Engine, run_id: str) -> Path:
    """Have a process of its own go on with a run that none drives; return the log of its progress, once the run is in
    its hands.

    Raises:
        CockpitError: it could not go on with the run.
    """
    logs = engine.settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = logs / f"{short(run_id)}.log"
    with log.open("a+b") as progress:
        begins_at = progress.tell()
        process = _launch(run_id, progress)
        while process.poll() is None and not await engine.driven(run_id):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(_LOOK)
        if process.returncode and not await engine.driven(run_id):
            progress.seek(begins_at)
            cause, _, hint = progress.read(4096).decode(errors="replace").strip().partition("\n")
            kind = UsageError if process.returncode == UsageError.exit_code else CockpitError
            raise kind(cause or f"the process that was to drive it ended with {process.returncode}", hint)
    return log


def _launch(run_id: str, progress: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "cmbagent_tui.detach", run_id],
        stdin=subprocess.DEVNULL,
        stdout=progress,
        stderr=progress,
        start_new_session=True,
    )


def goes_on(run_id: str, log: Path) -> str:
    """What to tell of a run that was left to a process of its own."""
    shows = f"`cmbagent-tui attach {short(run_id)}` shows it"
    return f"It goes on without this terminal: {shows}, {log} keeps its progress."


def main() -> int:
    """Drive the run that is named, to where it cannot go on alone."""
    (run_id,) = sys.argv[1:]
    try:
        asyncio.run(_drive(load(), run_id))
    except CockpitError as error:
        print(f"{error.cause}\n{error.hint}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


async def _drive(settings: Settings, run_id: str) -> None:
    from cmbagent_tui.commands.common import opened
    from cmbagent_tui.commands.progress import telling

    async with opened(settings, drives=True, warm=True) as engine:
        view = await engine.view(run_id)
        _check_models(engine, view)
        async with telling(engine, run_id, after=view.last_seq):
            await engine.resume(run_id)
            await drive_on(engine)


def _check_models(engine: Engine, view: RunView) -> None:
    """Leave a run alone whose models this process cannot reach: in the environment of who woke it a key may be missing.

    Raises:
        UsageError: so it is.
    """
    from engine.agents.registry import load_agents
    from engine.model.options import RunOptions
    from engine.model.records import Mode
    from engine.runs.models import check_models

    options = RunOptions.from_json(view.run.options)
    if options.replay:
        return  # it asks no model
    agents = load_agents(engine.settings.agents_dir)
    if view.run.plan is not None:
        names = {str(step["agent"]) for step in view.run.plan["steps"]}
    elif view.run.mode is Mode.ONE_SHOT:
        names = {options.agent}
    else:
        names = {"planner", "plan_reviewer", *engine.agent_names()}
    check_models([agents[name] for name in sorted(names & agents.keys())], options, engine.settings.environ)


if __name__ == "__main__":
    sys.exit(main())
