"""The lease: what a driver writes counts only as long as its process owns the run.

A process that slept while another one took its run over wakes up with work in its hands. Each of its commits names the
lease that it was begun under, and is refused whole once that has passed.
"""

from __future__ import annotations

from engine.model.changes import Change, Fence
from engine.model.estimate import PastStep
from engine.model.failures import PastFailure
from engine.ports import RunStore, SessionReads


class LeasedStore:
    """The store as one run's driver sees it (see engine.ports.RunStore)."""

    def __init__(self, store: RunStore, fence: Fence) -> None:
        self._store, self._fence = store, fence

    async def commit(self, *changes: Change, urgent: bool = True) -> None:
        """As engine.ports.RunStore.commit.

        Raises:
            Fenced: another process owns the run by now.
        """
        if changes:
            await self._store.commit(self._fence, *changes, urgent=urgent)

    def reads(self, session_id: str) -> SessionReads:
        """What one session's records say."""
        return self._store.reads(session_id)

    async def past_steps(self, *, limit: int) -> list[PastStep]:
        """As engine.ports.RunStore.past_steps."""
        return await self._store.past_steps(limit=limit)

    async def failures(self, *, limit: int) -> list[PastFailure]:
        """As engine.ports.RunStore.failures."""
        return await self._store.failures(limit=limit)
