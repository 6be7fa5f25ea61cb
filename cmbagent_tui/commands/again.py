"""Commands that do a step again: redo it in its run, or go another way on from it in a branch."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from cmbagent_tui.bullets import read_bullets
from cmbagent_tui.commands.approve import read_plan
from cmbagent_tui.commands.common import content, note
from cmbagent_tui.commands.start import has_terminal, start
from engine.model.errors import UsageError
from engine.model.ids import short

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.model.frames import Program


def redo(arguments: Namespace) -> int:
    """Have a step done again, and what builds on it."""
    code = content(arguments.code) if arguments.code else None
    instructions = read_bullets(content(arguments.instructions)) if arguments.instructions else None

    async def begin(engine: Engine) -> str:
        run_id, _ = await engine.identify("runs", arguments.run)
        program = await edited_program(engine, run_id) if code is not None else None
        await engine.redo(
            run_id, arguments.step, feedback=arguments.feedback, instructions=instructions, program=program
        )
        return run_id

    async def edited_program(engine: Engine, run_id: str) -> Program:
        before = (await engine.forecast(run_id, arguments.step)).program
        if before is None:
            raise UsageError(f"{arguments.step} ran no program that could be edited", "Use --instructions FILE.")
        return before.model_copy(update={"code": code})

    return start(arguments, begin, headless=arguments.headless or not has_terminal())


def waive(arguments: Namespace) -> int:
    """Let a step's result stand although checks of it fail."""

    async def begin(engine: Engine) -> str:
        run_id, _ = await engine.identify("runs", arguments.run)
        await engine.waive(run_id, arguments.step, arguments.checks, why=arguments.feedback)
        return run_id

    return start(arguments, begin, headless=arguments.headless or not has_terminal())


def branch(arguments: Namespace) -> int:
    """Begin another run from a step of this one."""
    variables = dict(map(_variable, arguments.variables))
    plan = read_plan(arguments.edit_plan) if arguments.edit_plan else None

    async def begin(engine: Engine) -> str:
        run_id, _ = await engine.identify("runs", arguments.run)
        branched = await engine.branch(
            run_id,
            arguments.step,
            name=arguments.name,
            hypothesis=arguments.hypothesis,
            feedback=arguments.feedback,
            context=variables,
            plan=plan,
        )
        note(f"Run {short(branched.id)} branches off {short(run_id)} at {arguments.step}.")
        return branched.id

    return start(arguments, begin, headless=arguments.headless or not has_terminal())


def play_from(arguments: Namespace) -> int:
    """Play a run again from a step on."""

    async def begin(engine: Engine) -> str:
        run_id, _ = await engine.identify("runs", arguments.run)
        played = await engine.play_from(run_id, arguments.step)
        note(f"Run {short(played.id)} plays {short(run_id)} again from {arguments.step} on.")
        return played.id

    return start(arguments, begin, headless=arguments.headless or not has_terminal())


def _no_number(text: str) -> Any:
    """NaN and the infinities are no JSON: they stay texts."""
    raise ValueError(text)


def _variable(text: str) -> tuple[str, Any]:
    """A variable that was given as K=V: its value is JSON, or else the text as it is."""
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"{text!r} sets nothing", "Give it as NAME=VALUE, like seed=42.")
    try:
        return name.strip(), json.loads(value, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return name.strip(), value
