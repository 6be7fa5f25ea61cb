"""Renaming, tagging, archiving and deleting sessions by key, and taking it back: what was done is a stack."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cmbagent_tui.keymap.now import key_now
from cmbagent_tui.screens.confirm import ConfirmScreen
from cmbagent_tui.screens.line import LineScreen
from cmbagent_tui.words import plural
from engine.model.errors import CockpitError
from engine.model.ids import short
from engine.model.text import one_line

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.settings import Settings
    from engine import Engine
    from engine.model.records import Session, SessionSummary
    from engine.shelving import Reshelved


class Deeds:
    """What was done to sessions from this app, the newest last."""

    def __init__(self, app: CockpitApp, engine: Engine) -> None:
        self._app, self._engine = app, engine
        self._done: list[tuple[str, Reshelved]] = []

    async def do(self, deed: str, one: SessionSummary) -> None:
        """Do to a session what a key is for."""
        match deed:
            case "rename":
                await self._rename(one.session)
            case "tag":
                await self._tag(one.session)
            case "archive":
                await self._archive(one.session)
            case "delete":
                await self._delete(one)
            case "export":
                await self._export(one.session)
            case _:
                raise ValueError(deed)

    async def _rename(self, session: Session) -> None:
        """Ask for another title."""

        async def do(title: str) -> None:
            self._note(await self._engine.rename(session.id, title), f"renamed {_name(session)} to {_quoted(title)}")

        hint = "A few words, at most 80 characters."
        await self._app.push_screen_wait(LineScreen("Rename this session", session.title, hint, do))

    async def _tag(self, session: Session) -> None:
        """Ask for the tags."""

        async def do(text: str) -> None:
            tags = [one for one in re.split(r"[\s,]+", text) if one]
            done = await self._engine.tag(session.id, [one.removeprefix("#") or one for one in tags])
            listed = " ".join(f"#{one}" for one in done.after.tags) or "nothing"
            self._note(done, f"tagged {_name(session)} with {listed}")

        hint = "Words with blanks between them. tag:x finds what is tagged."
        await self._app.push_screen_wait(LineScreen("Tags of this session", " ".join(session.tags), hint, do))

    async def _archive(self, session: Session) -> None:
        """Archive, or bring back what is archived or deleted."""
        away = session.archived_at or session.deleted_at
        done = await (self._engine.restore if away else self._engine.archive)(session.id)
        self._note(done, f"{'brought back' if away else 'archived'} {_name(session)}")

    async def _delete(self, one: SessionSummary) -> None:
        """Ask, and delete."""
        session = one.session
        if session.deleted_at:
            self._app.notify("This session is deleted already: a brings it back.", markup=False)
            return
        runs = f"It has {plural(one.runs, 'run')}. " if one.runs else ""
        asked = ConfirmScreen(
            f"Delete {_name(session)}?",
            f"{runs}Until it is pruned, u takes this back, and so does `cmbagent-tui restore {short(session.id)}`.",
        )
        if await self._app.push_screen_wait(asked):
            self._note(await self._engine.delete(session.id), f"deleted {_name(session)}")

    async def _export(self, session: Session) -> None:
        """Write a session into a file, and say where."""
        self._app.notify(f"Exporting {_name(session)}", markup=False)
        file = await asyncio.to_thread(_export, self._app.settings, session)
        self._app.notify(f"{_name(session)} is in {one_line(str(file), 300)}", timeout=10, markup=False)

    async def undo(self) -> None:
        """Take back what was done last, and say what that was."""
        if not self._done:
            self._app.notify("There is nothing to undo.", markup=False)
            return
        what, done = self._done.pop()
        try:
            await self._engine.undo(done)
        except CockpitError as error:
            raise CockpitError(f"What had {what} cannot be undone: {error.cause}", error.hint) from None
        self._app.notify(f"Undone: {what}.", markup=False)
        self._app.sessions_changed()

    def _note(self, done: Reshelved, what: str) -> None:
        if done.before == done.after:
            return
        self._done.append((what, done))
        self._app.notify(
            f"{what[0].upper()}{what[1:]}. Press {key_now(self._app.screen, 'home.undo')} to undo.", markup=False
        )
        self._app.sessions_changed()


def _export(settings: Settings, session: Session) -> Path:
    """Write a session into a file in the working directory."""
    from cmbagent_tui.commands.carry import zip_name
    from cmbagent_tui.wiring import session_to_file

    target = Path.cwd() / zip_name(session)
    session_to_file(settings, session.id, target, lambda *_: None)
    return target


def _name(session: Session) -> str:
    return _quoted(session.title)


def _quoted(text: str) -> str:
    return f'"{one_line(text, 50)}"'
