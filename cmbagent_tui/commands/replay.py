"""The command that runs a run again with its recorded answers."""

from __future__ import annotations

import sys
from argparse import Namespace

from cmbagent_tui.commands import start
from cmbagent_tui.commands.common import with_engine
from engine.engine import Engine


def replay(arguments: Namespace) -> int:
    """Write the replay down, and have it driven; exit 0 when it came to what the run had come to."""

    async def begin(engine: Engine) -> str:
        run_id, _ = await engine.identify("runs", arguments.run)
        return (await engine.replay(run_id, strict=arguments.strict, drive=False)).id

    headless = arguments.headless or not (sys.stdin.isatty() and sys.stdout.isatty())
    return start.resume(Namespace(run=with_engine(begin), headless=headless, json=arguments.json))
