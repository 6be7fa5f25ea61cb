"""Wiring: puts an engine on a store and a launcher. The one importer of storage."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from cmbagent_tui.settings import Settings
from engine.engine import Engine
from engine.host import ZygoteLauncher
from engine.model.modelref import default_model
from engine.model.options import EngineSettings
from engine.telemetry.prices import PriceTable
from storage import (
    backup,
    check,
    downgrade,
    export_session,
    import_session,
    open_store,
    prune,
    restore,
    upgrade,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from storage import Backup, Migrated, Pruned, Restored, Told

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


def upgrade_database(settings: Settings) -> Migrated:
    """Bring the database up to this program (see storage.upgrade)."""
    return upgrade(settings.home, settings.database_url)


def downgrade_database(settings: Settings, revision: str | None) -> Migrated:
    """Take the database back (see storage.downgrade)."""
    return downgrade(settings.home, settings.database_url, revision)


def back_up_database(settings: Settings, directory: Path | None, told: Told) -> Backup:
    """Back the database up (see storage.backup)."""
    return backup(settings.home, settings.database_url, directory, told)


def restore_database(settings: Settings, directory: Path, told: Told) -> Restored:
    """Bring a backup back (see storage.restore)."""
    return restore(settings.home, settings.database_url, directory, told)


def check_database(settings: Settings, told: Told) -> list[str]:
    """What is wrong with the database and its blobs, each a sentence (see storage.check)."""
    return check(settings.home, settings.database_url, told)


def prune_database(
    settings: Settings, now: datetime, older_than: timedelta | None, keep_size: int | None, dry: bool, told: Told
) -> Pruned:
    """Remove what is old or too much (see storage.prune)."""
    return prune(
        settings.home,
        settings.database_url,
        now,
        older_than=older_than,
        keep_size=keep_size,
        dry=dry,
        told=told,
    )


def session_to_file(settings: Settings, session_id: str, file: Path, told: Told) -> None:
    """Write a session into a file (see storage.export_session)."""
    export_session(settings.home, settings.database_url, session_id, file, version("cmbagent-tui"), told)


def session_from_file(settings: Settings, file: Path, told: Told, max_size: int | None = None) -> str:
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
