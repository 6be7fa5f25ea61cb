"""Putting sessions in order: their titles and tags, the archive, and deleting, each of which can be undone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.model.changes import Change, Retitle, Shelve
from engine.model.errors import StaleState, UsageError
from engine.model.ids import short
from engine.model.records import Session
from engine.model.text import clean, one_line
from engine.ports import Clock
from engine.records import Records

MAX_TITLE, MAX_TAG, MAX_TAGS = 80, 40, 20  # characters, characters, tags of one session
_RUNS = 10_000


@dataclass(frozen=True, slots=True)
class Reshelved:
    """A session before and after something was done to it: what `undo` takes back."""

    before: Session
    after: Session


class Shelving(Records):
    """What can be done with sessions as wholes. Nothing here touches a run."""

    _clock: Clock

    async def rename(self, session_id: str, title: str) -> Reshelved:
        """Give a session another title.

        Raises:
            UsageError: the title is empty.
        """
        if len(clean(title).strip()) > MAX_TITLE:
            raise UsageError(f"a title has at most {MAX_TITLE} characters")
        name = one_line(title, MAX_TITLE)
        if not name:
            raise UsageError("the title is empty", "Give the session a title of a few words.")
        return await self._reshelve(session_id, lambda session: replace(session, title=name))

    async def tag(self, session_id: str, tags: Sequence[str]) -> Reshelved:
        """Give a session these tags, and no others. Case is kept; the same in another case is the same.

        Raises:
            UsageError: one is no word, or they are too many or too long.
        """
        judged = _judged(tags)
        return await self._reshelve(session_id, lambda session: replace(session, tags=judged))

    async def archive(self, session_id: str) -> Reshelved:
        """Put a session out of sight."""
        at = self._clock.now()
        return await self._reshelve(session_id, lambda one: replace(one, archived_at=one.archived_at or at))

    async def delete(self, session_id: str) -> Reshelved:
        """Delete a session whose runs are all over. It can be restored until it is pruned.

        Raises:
            UsageError: a run of it is not over.
        """
        for run in await self.reads(session_id).runs(limit=_RUNS):
            if not run.state.terminal:
                state = run.state.value.replace("_", " ")
                raise UsageError(
                    f"run {short(run.id)} of this session is {state}: only what is over can be deleted",
                    f"Cancel it first: `cmbagent-tui cancel {short(run.id)}`.",
                )
        at = self._clock.now()
        return await self._reshelve(session_id, lambda one: replace(one, deleted_at=one.deleted_at or at))

    async def restore(self, session_id: str) -> Reshelved:
        """Bring a session back that was archived or deleted."""
        return await self._reshelve(session_id, lambda one: replace(one, archived_at=None, deleted_at=None))

    async def undo(self, done: Reshelved) -> Reshelved:
        """Take back what was done to a session; what else was done to it since then stays.

        Raises:
            StaleState: the very same was changed again since.
            NotFound: it was pruned.
        """
        before, after = done.before, done.after
        names = [name for name in _KEPT if getattr(before, name) != getattr(after, name)]

        def back(now: Session) -> Session:
            if any(getattr(now, name) != getattr(after, name) for name in names):
                raise StaleState(
                    f'"{before.title}" was changed again since then, perhaps elsewhere: there is nothing to undo'
                )
            return replace(now, **{name: getattr(before, name) for name in names})

        return await self._reshelve(before.id, back)

    async def _reshelve(self, session_id: str, change: Callable[[Session], Session]) -> Reshelved:
        """Change a session as it is found, anew when someone else was quicker."""
        while True:
            before = await self.reads(session_id).session()
            after = change(before)
            changes: list[Change] = []
            if after.title != before.title:
                changes.append(Retitle(session_id, after.title, self._clock.now(), before.title))
            if replace(after, title=before.title) != before:
                changes.append(Shelve(session_id, after.tags, after.archived_at, after.deleted_at, before))
            try:
                await self._store.commit(*changes)
            except StaleState:
                continue
            return Reshelved(before, after)


_KEPT = ("title", "tags", "archived_at", "deleted_at")


def _judged(tags: Sequence[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for tag in tags:
        if not re.fullmatch(r"[\w.+#/@-]+", tag):
            raise UsageError(
                f"{one_line(tag, 60)!r} is no tag", "A tag is one word, of letters, digits and . + # / @ - _."
            )
        if len(tag) > MAX_TAG:
            raise UsageError(f"the tag {one_line(tag, 50)!r} is too long", f"At most {MAX_TAG} characters are taken.")
        found.setdefault(tag.casefold(), tag)
    if len(found) > MAX_TAGS:
        raise UsageError(f"{len(found)} tags are too many for one session", f"At most {MAX_TAGS} are taken.")
    return tuple(found.values())
