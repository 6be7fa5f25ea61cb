"""Commands that have something driven: the app, demo, run, resume; in the app or headless."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cmbagent_tui.commands.common import note, opened, out, out_json
from cmbagent_tui.settings import Settings, load
from engine.model.errors import UsageError
from engine.model.ids import short
from engine.model.states import RunState

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.model.comparison import Comparison
    from engine.model.options import RunOptions
    from engine.model.records import Mode, Run

    Begin = Callable[[Engine], Awaitable[str]]

INTERRUPTED = 130
_EXITS = {
    RunState.COMPLETED: 0,
    RunState.FAILED: 1,
    RunState.CANCELLED: 1,
    RunState.WAITING_APPROVAL: 3,
    RunState.PAUSED: 3,
}


_AT_WORK = frozenset({RunState.DRAFT, RunState.PLANNING, RunState.EXECUTING})
_LOOK = 0.2  # seconds between two looks at a run that another process drives


def app(arguments: Namespace) -> int:
    """Open the app on the home screen."""
    if not has_terminal():
        raise UsageError(
            "the app needs a terminal", "For a script there is `cmbagent-tui run --headless` and others: see --help."
        )
    return _in_app(load(), arguments, None)


def demo(arguments: Namespace) -> int:
    """The shipped session: in the app it waits for a person to approve its plan, headless it asks for nothing."""
    headless = arguments.headless or not has_terminal()
    begin = demo_beginner(arguments.name, approval="none" if headless else None, paced=not headless)
    return start(arguments, begin, headless=headless)


def run(arguments: Namespace) -> int:
    """Work on a task."""
    from cmbagent_tui.commands.approve import read_plan
    from cmbagent_tui.options import run_options

    settings = load()
    task = sys.stdin.read() if arguments.task == "-" else arguments.task
    mode = _mode(arguments.mode)
    plan = read_plan(arguments.plan) if arguments.plan else None
    options = run_options(
        settings,
        approval=arguments.approval,
        deadline=arguments.deadline,
        on_expiry=arguments.on_expiry,
        budget=arguments.budget,
        max_tokens=arguments.max_tokens,
        max_calls=arguments.max_calls,
        max_time=arguments.max_time,
        max_answer=arguments.max_answer,
        max_parallel=arguments.max_parallel,
        retries=arguments.retries,
        model=arguments.model,
        agent=arguments.agent,
        rules_file=arguments.rules,
    )

    async def begin(engine: Engine) -> str:
        session_id = (await engine.identify("sessions", arguments.session))[0] if arguments.session else None
        started = await engine.submit(
            task,
            mode=mode,
            options=await _as_before(engine, session_id, options) if arguments.approval is None else options,
            plan=plan,
            title=arguments.title,
            session_id=session_id,
            attach=[Path(one) for one in arguments.attach],
            drive=not arguments.detach,
        )
        return started.id

    if arguments.detach:
        return _detach(settings, begin, arguments.json)
    return start(arguments, begin, headless=arguments.headless or not has_terminal())


async def _as_before(engine: Engine, session_id: str | None, options: RunOptions) -> RunOptions:
    """A session's runs ask as its last one did, unless another mode is named."""
    from engine.model.options import ApprovalMode, RunOptions

    for last in await engine.runs(session_id=session_id, limit=20) if session_id else ():
        if last.replay_of is None:
            before = RunOptions.from_json(last.options)
            if before.approval is not ApprovalMode.MANUAL:
                return replace(options, approval=before.approval, rules=before.rules)
    return options


def attach(arguments: Namespace) -> int:
    """Open the app on a run, whoever drives it."""

    async def begin(engine: Engine) -> str:
        return (await engine.identify("runs", arguments.run))[0]

    if not has_terminal():
        raise UsageError("the app needs a terminal", "`cmbagent-tui show RUN --follow` follows a run without one.")
    return _in_app(load(), arguments, begin)


def resume(arguments: Namespace) -> int:
    """Go on with a run: in the app, headless, or without a terminal in a process of its own."""

    detach = not arguments.headless and not has_terminal()

    async def begin(engine: Engine) -> str:
        run_id, _ = await engine.identify("runs", arguments.run)
        if not detach:
            await engine.resume(run_id)
        return run_id

    if detach:
        return _detach(load(), begin, arguments.json)
    return start(arguments, begin, headless=arguments.headless)


def demo_beginner(name: str, *, approval: str | None = None, paced: bool = True) -> Begin:
    """What starts a shipped session."""
    from cmbagent_tui.demos import demo as shipped

    chosen = shipped(name)

    async def begin(engine: Engine) -> str:
        from cmbagent_tui.options import run_options
        from engine.model.records import Mode

        given = {"model": chosen.model, "models": {}, "approval": approval, "notice": chosen.notice}
        options = replace(run_options(load(), **given), paced=paced)
        started = await engine.submit(chosen.task, mode=Mode(chosen.mode), options=options, title=chosen.title)
        return started.id

    return begin


def start(arguments: Namespace, begin: Begin, *, headless: bool) -> int:
    """Begin something, and show it in the app or drive it without; return the exit code."""
    settings = load()
    if headless:
        return asyncio.run(_headless(settings, begin, arguments.json))
    return _in_app(settings, arguments, begin)


def _in_app(settings: Settings, arguments: Namespace, begin: Begin | None) -> int:
    from cmbagent_tui.front import Tether, behind_front

    if getattr(arguments, "no_mouse", False):
        os.environ["CMBAGENT_MOUSE"] = "false"  # the app, a child of this process, reads its settings anew
    settings = settings.given(ascii=getattr(arguments, "ascii", None))

    def cockpit(tether: Tether) -> int:
        from cmbagent_tui.terminal import run_app

        return run_app(settings, begin, tether, ascii_only=getattr(arguments, "ascii", None))

    return behind_front(cockpit)


def _detach(settings: Settings, begin: Begin, as_json: bool) -> int:
    """Have a run go on in a process that needs no terminal: the one that drives it already, or one of its own."""
    from cmbagent_tui.detach import goes_on, start_detached

    async def leave() -> None:
        async with opened(settings) as engine:
            run_id = await begin(engine)
            log, over = None, False
            if await engine.driven(run_id):
                over = (await engine.resume(run_id)).state.terminal
            if not over and not await engine.driven(run_id):  # who drove it may have been about to end, and be gone now
                log = await start_detached(engine, run_id)
        if as_json:
            out_json({"run_id": run_id, "log": log and str(log)})
        else:
            out(run_id)
        note(goes_on(run_id, log) if log else "It goes on in the process that drives it.")

    asyncio.run(leave())
    return 0


async def _headless(settings: Settings, begin: Begin, as_json: bool) -> int:
    """Drive a run to where it cannot go on alone, with progress on stderr; print it; say by the code how it stands."""
    from cmbagent_tui.commands.progress import telling

    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    async with opened(settings, drives=True, warm=True) as engine:
        run_id = await begin(engine)
        async with telling(engine, run_id):
            waiting = asyncio.create_task(_rest(engine, run_id))
            stopping = asyncio.create_task(interrupted.wait())
            await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
        if not waiting.done():
            waiting.cancel()
            if engine.fleet.owns(run_id):
                await engine.hold(run_id)
                note(f"Interrupted. Nothing is lost: `cmbagent-tui resume {short(run_id)}` goes on.")
            else:
                note("Interrupted. The run goes on in the process that drives it.")
            return INTERRUPTED
        if waiting.exception() and not (await engine.view(run_id)).run.state.terminal:
            note(f"What was recorded is kept: `cmbagent-tui resume {short(run_id)}` goes on, once this is mended:")
        ended = await waiting
        comparison = await engine.comparison(run_id)
        await _print_result(engine, ended, comparison, as_json)
        return 1 if comparison and not comparison.ok else exit_code(ended)


async def _rest(engine: Engine, run_id: str) -> Run:
    """Wait until a run cannot go on alone, whoever drives it by then; return it.

    Raises:
        CockpitError: what made driving it impossible.
    """
    while True:
        run = await engine.wait(run_id)
        if run.state not in _AT_WORK or engine.fleet.owns(run_id):
            return run
        if await engine.driven(run_id):
            await asyncio.sleep(_LOOK)
        else:
            await engine.resume(run_id)


async def _print_result(engine: Engine, run: Run, comparison: Comparison | None, as_json: bool) -> None:
    from cmbagent_tui.commands.approve import how_to_settle
    from cmbagent_tui.commands.report import run_lines
    from engine.exports import run_json

    view = await engine.view(run.id)
    if as_json:
        out_json(run_json(view, comparison))
    else:
        out("\n".join(run_lines(view, comparison)))
    if run.state is RunState.WAITING_APPROVAL:
        for approval in view.approvals:
            if approval.state == "pending":
                note(f"Waiting for a person. {how_to_settle(approval)}")
    if run.state is RunState.PAUSED:
        note(f"Paused: `cmbagent-tui resume {short(run.id)}` goes on.")


def exit_code(run: Run) -> int:
    """How a run stands, as an exit code."""
    from engine.model.options import BUDGET_REACHED

    if run.state is RunState.FAILED and (run.error or "").startswith(BUDGET_REACHED):
        return 4
    return _EXITS.get(run.state, 1)


def _mode(name: str) -> Mode:
    from engine.model.records import Mode

    try:
        return Mode(name)
    except ValueError:
        raise UsageError(f"unknown mode {name!r}", f"There are {', '.join(Mode)}.") from None


def has_terminal() -> bool:
    """Whether a person sees and types."""
    return sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()  # Textual paints on stderr
