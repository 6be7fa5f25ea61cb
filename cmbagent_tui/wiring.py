"""Wiring: puts an engine on a store and a launcher. The one importer of storage."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from cmbagent_tui.settings import Settings
from engine.engine import Engine
from engine.host import ZygoteLauncher
from engine.model.modelref import default_model
from engine.model.options import EngineSettings
from engine.telemetry.prices import PriceTable
from storage import check, export_session, import_session, open_store, upgrade

WARMED = frozenset({"openai", "anthropic", "gemini", "ollama"})


def make_engine(settings: Settings, *, drives: bool = True, warm: bool = True) -> Engine:
    """An engine that is not opened yet."""
    store, blobs = open_store(settings.home, settings.database_url)
    engine_settings = EngineSettings(
        home=settings.home,
        environ=settings.environ,
        max_workers=int(settings.values.get("max_workers", 16)),
        python=str(settings.values.get("python", "")),
        terminal=_terminal(),
        drives=drives,
        warm=warm,
        suspend_after=float(settings.values.get("suspend_after", 60)),
    )
    return Engine(engine_settings, store, blobs, ZygoteLauncher(_providers(settings)), PriceTable())


def upgrade_database(settings: Settings) -> tuple[str | None, str]:
    """Bring the database up to this program; return the revision before (None: there was none) and after."""
    return upgrade(settings.home, settings.database_url)


def check_database(settings: Settings) -> list[str]:
    """What is wrong with the database and its blobs, each a sentence."""
    return check(settings.home, settings.database_url)


def session_to_file(settings: Settings, session_id: str, file: Path, told: Callable[[str, int, int], None]) -> None:
    """Write a session into a file (see storage.export_session)."""
    export_session(settings.home, settings.database_url, session_id, file, version("cmbagent-tui"), told)


def session_from_file(
    settings: Settings, file: Path, told: Callable[[str, int, int], None], max_size: int | None = None
) -> str:
    """Take a session in from a file; return its id (see storage.import_session)."""
    sessions = EngineSettings(home=settings.home).sessions_dir
    return import_session(settings.home, settings.database_url, file, sessions, told, max_size)


def _providers(settings: Settings) -> list[str]:
    """The providers whose clients are worth having ready: those of the models that the settings name."""
    named = [
        settings.values.get("model") or default_model(settings.environ),
        *settings.values.get("models", {}).values(),
    ]
    return sorted({provider for name in named if name and (provider := str(name).partition(":")[0]) in WARMED})


def _terminal() -> str:
    try:
        return os.ttyname(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):
        return ""
