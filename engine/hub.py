"""The hub: hands committed events, and the text that models stream, to whoever listens in this process.

A subscription misses nothing and repeats nothing behind the sequence it started from. A run that another process drives
is followed by reading the database.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from engine.model.events import Delta, Event, EventKind

_PAGE = 512
_POLL = 0.15  # seconds between looks at a run that another process drives
_PATIENT = 1.0  # the same, once nothing has happened for a while
_ALL_RUNS = frozenset({EventKind.RUN_STATE, EventKind.APPROVAL})

PageReader: TypeAlias = Callable[[str, int, int], Awaitable[list[Event]]]


class Subscription:
    """A queue of what happened, drained without waiting."""

    def __init__(self, hub: Hub, run_id: str | None, after: int) -> None:
        self._hub = hub
        self.run_id = run_id
        self.last_seq = after
        self._queue: deque[Event | Delta] = deque()
        self._held: dict[int, Event] = {}  # heard before their predecessors were read
        self._arrived = asyncio.Event()

    def drain(self) -> list[Event | Delta]:
        """Everything that came since the last call, in order."""
        items = list(self._queue)
        self._queue.clear()
        self._arrived.clear()
        return items

    @property
    def pending(self) -> bool:
        """Whether there is something to drain."""
        return bool(self._queue)

    async def wait(self) -> None:
        """Return as soon as there is something to drain."""
        await self._arrived.wait()

    def close(self) -> None:
        """Stop listening."""
        self._hub.leave(self)

    def offer(self, item: Event | Delta) -> None:
        """Take an item if it is wanted and new."""
        if isinstance(item, Delta):
            if item.run_id == self.run_id:
                self._push(item)
        elif self.run_id is None:
            if item.kind in _ALL_RUNS:
                self._push(item)
        elif item.run_id == self.run_id and item.seq > self.last_seq:
            self._held[item.seq] = item
            while (following := self._held.pop(self.last_seq + 1, None)) is not None:
                self.last_seq += 1
                self._push(following)

    def _push(self, item: Event | Delta) -> None:
        self._queue.append(item)
        self._arrived.set()


class Hub:
    """All subscriptions of one engine."""

    def __init__(self, read_page: PageReader, driven_here: Callable[[str], bool]) -> None:
        self._read_page = read_page
        self._driven_here = driven_here
        self._subscriptions: set[Subscription] = set()
        self._followers: dict[Subscription, asyncio.Task[None]] = {}

    def subscribe(self, run_id: str | None, after: int = 0) -> Subscription:
        """Listen to a run from behind `after`, or (None) to the states and approvals of all runs driven here."""
        subscription = Subscription(self, run_id, after)
        self._subscriptions.add(subscription)
        if run_id is not None:
            self._followers[subscription] = asyncio.create_task(self._follow(subscription, run_id))
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        self._subscriptions.discard(subscription)
        follower = self._followers.pop(subscription, None)
        if follower:
            follower.cancel()

    def publish(self, items: Sequence[Event | Delta]) -> None:
        """Offer items to every subscription."""
        for subscription in tuple(self._subscriptions):
            for item in items:
                subscription.offer(item)

    def close(self) -> None:
        """Forget all subscriptions."""
        for subscription in tuple(self._subscriptions):
            self.leave(subscription)

    async def _follow(self, subscription: Subscription, run_id: str) -> None:
        """Read what lies behind the start, then keep reading for as long as someone else writes."""
        caught_up, wait = False, _POLL
        while True:
            if not caught_up or not self._driven_here(run_id):
                page = await self._read_page(run_id, subscription.last_seq, _PAGE)
                for event in page:
                    subscription.offer(event)
                if len(page) == _PAGE:
                    continue
                caught_up, wait = True, _POLL if page else min(wait * 1.5, _PATIENT)
            await asyncio.sleep(wait)
