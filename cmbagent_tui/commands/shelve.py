"""Commands that put sessions in order: rename, tag, archive, delete, restore."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable

from cmbagent_tui.commands.common import note, out, out_json, with_engine
from cmbagent_tui.words import plural
from engine import exports
from engine.engine import Engine
from engine.model.errors import UsageError
from engine.model.ids import short
from engine.model.records import SessionSummary
from engine.shelving import Reshelved


def rename(arguments: Namespace) -> int:
    """Give a session another title."""
    return _each(arguments, [arguments.session], lambda engine, one: engine.rename(one, arguments.title))


def tag(arguments: Namespace) -> int:
    """Add tags, and remove some."""
    removed = {one.casefold() for one in arguments.remove}

    async def change(engine: Engine, session_id: str) -> Reshelved:
        session = await engine.reads(session_id).session()
        missing = removed - {one.casefold() for one in session.tags}
        if missing:
            raise UsageError(
                f"the session has no tag {min(missing)!r}", f"It has: {', '.join(session.tags) or 'none'}."
            )
        kept = [one for one in session.tags if one.casefold() not in removed]
        return await engine.tag(session_id, [*kept, *arguments.tags])

    return _each(arguments, [arguments.session], change)


def archive(arguments: Namespace) -> int:
    """Put sessions out of sight."""
    return _each(arguments, arguments.sessions, Engine.archive)


def delete(arguments: Namespace) -> int:
    """Delete sessions, asked first where a person can be."""
    if not arguments.yes and sys.stdin.isatty() and sys.stderr.isatty():
        note(
            f"Delete {plural(len(arguments.sessions), 'session')}? `restore` brings back what is not pruned yet. [y/N]"
        )
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            note("Nothing was deleted.")
            return 130
    return _each(arguments, arguments.sessions, Engine.delete)


def restore(arguments: Namespace) -> int:
    """Bring sessions back."""
    return _each(arguments, arguments.sessions, Engine.restore)


def _each(arguments: Namespace, names: list[str], change: Callable[[Engine, str], Awaitable[Reshelved]]) -> int:
    """Change each session that is named, once all of them are known; print how they are then."""

    async def use(engine: Engine) -> list[SessionSummary]:
        ids = [(await engine.identify("sessions", name))[0] for name in names]
        for one in dict.fromkeys(ids):
            await change(engine, one)
        return await engine.summaries(list(dict.fromkeys(ids)))

    changed = with_engine(use)
    if arguments.json:
        out_json({"sessions": [exports.session_line(one) for one in changed]})
        return 0
    for one in changed:
        session = one.session
        shelf = "deleted  " if session.deleted_at else "archived  " if session.archived_at else ""
        out(f"{short(session.id)}  {shelf}{session.title}{''.join(f'  #{name}' for name in session.tags)}")
    return 0
