"""What failed so far, and how often trying again helped."""

from __future__ import annotations

from argparse import Namespace

from cmbagent_tui.commands.common import out, out_json, with_engine
from engine import exports
from engine.engine import Engine


def retries(arguments: Namespace) -> int:
    """Count the failures of all runs by category."""

    async def use(engine: Engine) -> None:
        counts = await engine.retries()
        if arguments.json:
            out_json(exports.retries_json(counts))
            return
        if not counts:
            out("Nothing has failed.")
            return
        out(f"{'category':<16}  {'failures':>8}  {'retried':>8}  {'helped':>8}")
        for one in counts:
            out(f"{one.category.value:<16}  {one.failures:>8}  {one.retried:>8}  {one.resolved:>8}")

    with_engine(use)
    return 0
