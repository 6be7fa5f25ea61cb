"""Looking after the installation: doctor."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cmbagent_tui.commands.common import opened, out, out_json
from cmbagent_tui.settings import Settings, load
from engine.model.errors import CockpitError
from engine.model.modelref import NO_MODEL_HINT, default_model

_SCIENCE = ("numpy", "scipy", "matplotlib")
_EXTRAS = {"anthropic": "anthropic", "gemini": "google-genai", "ollama": "ollama"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that doctor looked at. `ok` None: neither good nor bad, only said."""

    name: str
    ok: bool | None
    detail: str


def doctor(arguments: Namespace) -> int:
    """Say what is there and what is missing, each with the way out; exit 1 when something needed is missing."""
    settings = load()
    findings = [*_machine(), *_packages(settings), *_models(settings), asyncio.run(_database(settings)), *_terminal()]
    findings += _keys(settings)
    if arguments.json:
        out_json({"findings": [{"name": one.name, "ok": one.ok, "detail": one.detail} for one in findings]})
    else:
        for one in findings:
            out(f"{ {True: 'ok  ', False: 'FAIL', None: '-   '}[one.ok] }  {one.name:<12} {one.detail}")
    return 1 if any(one.ok is False for one in findings) else 0


def _machine() -> Iterator[Finding]:
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("python", supported or None, f"{platform.python_version()} (made for 3.11 to 3.13)")
    if sys.platform == "linux":
        yield Finding("system", True, f"{platform.system()} {platform.release()}")
    else:
        yield Finding(
            "system",
            None,
            f"{platform.system()}: works with fewer guards (no parent-death signal, no sweep of stray processes)",
        )
    yield Finding("sandbox", None, "limits only: the agents' code can read and write what you can, and use the network")
    free = shutil.disk_usage(Path.home()).free
    yield Finding("disk", free > 1 << 30, f"{free / 1e9:.1f} GB free in the home directory")


def _packages(settings: Settings) -> Iterator[Finding]:
    for name in ("cmbagent-tui", "ag2", "textual", "sqlalchemy"):
        yield Finding(name, True, version(name))
    python = str(settings.values.get("python") or sys.executable)
    missing = [name for name in _SCIENCE if not _importable(python, name)]
    detail = f"{', '.join(missing)} missing for {python}: pip install 'cmbagent-tui[science]'" if missing else python
    yield Finding("science", not missing, detail)


def _models(settings: Settings) -> Iterator[Finding]:
    model = settings.values.get("model") or default_model(settings.environ)
    yield Finding("model", None if not model else True, str(model) if model else f"none is set. {NO_MODEL_HINT}")
    for extra, package in _EXTRAS.items():
        try:
            yield Finding(extra, None, f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding(extra, None, f"not installed: pip install 'cmbagent-tui[{extra}]'")


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


def _importable(python: str, name: str) -> bool:
    try:
        found = subprocess.run(
            [python, "-c", f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{name}') is None)"],
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0
