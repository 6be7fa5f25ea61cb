"""Looking after the installation: doctor."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator

from cmbagent_tui.commands.common import opened, out, out_json
from cmbagent_tui.findings import Finding, machine, models, packages
from cmbagent_tui.settings import Settings, load
from engine.model.errors import CockpitError


def doctor(arguments: Namespace) -> int:
    """Say what is there and what is missing, each with the way out; exit 1 when something needed is missing."""
    settings = load()
    findings = [*machine(), *packages(settings), *models(settings), asyncio.run(_database(settings)), *_terminal()]
    findings += _keys(settings)
    if arguments.json:
        out_json({"findings": [{"name": one.name, "ok": one.ok, "detail": one.detail} for one in findings]})
    else:
        for one in findings:
            out(f"{ {True: 'ok  ', False: 'FAIL', None: '-   '}[one.ok] }  {one.name:<12} {one.detail}")
    return 1 if any(one.ok is False for one in findings) else 0


async def _database(settings: Settings) -> Finding:
    try:
        async with opened(settings) as engine:
            await engine.browse()
    except CockpitError as error:
        return Finding("database", False, f"{error.cause} {error.hint}")
    return Finding("database", True, f"{settings.database_url or settings.home / 'cmbagent.db'} opens")


def _terminal() -> Iterator[Finding]:
    encoding = sys.stdout.encoding or "unknown"
    fits = encoding.lower().replace("-", "") == "utf8"
    yield Finding("encoding", fits or None, encoding if fits else f"{encoding}: use --ascii")
    columns, rows = shutil.get_terminal_size()
    where = ", in tmux" if os.environ.get("TMUX") else ""
    yield Finding("terminal", None, f"{os.environ.get('TERM', 'no TERM')}, {columns}x{rows}{where}")


def _keys(settings: Settings) -> Iterator[Finding]:
    from cmbagent_tui.keymap.check import checked

    taken, faults = checked(settings.keys)
    for fault in faults:
        yield Finding("keys", False, str(fault))
    if taken:
        yield Finding("keys", True, f"{len(taken)} of your own: cmbagent-tui keys")
