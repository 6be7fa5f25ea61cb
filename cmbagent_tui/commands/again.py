"""Commands that do a step again: redo it in its run, or go another way on from it in a branch."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from cmbagent_tui.commands.common import note
from cmbagent_tui.commands.start import has_terminal, start
from engine.model.ids import short

if TYPE_CHECKING:
    from engine.engine import Engine


def redo(arguments: Namespace) -> int:
    """Have a step done again, and what builds on it."""

    async def begin(engine: Engine) -> str:
        run_id, _ = await engine.identify("runs", arguments.run)
        await engine.redo(run_id, arguments.step, feedback=arguments.feedback)
        return run_id

    return start(arguments, begin, headless=arguments.headless or not has_terminal())


def branch(arguments: Namespace) -> int:
    """Begin another run from a step of this one."""

    async def begin(engine: Engine) -> str:
        run_id, _ = await engine.identify("runs", arguments.run)
        branched = await engine.branch(
            run_id,
            arguments.step,
            name=arguments.name,
            hypothesis=arguments.hypothesis,
            feedback=arguments.feedback,
        )
        note(f"Run {short(branched.id)} branches off {short(run_id)} at {arguments.step}.")
        return branched.id

    return start(arguments, begin, headless=arguments.headless or not has_terminal())
