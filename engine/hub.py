"""The hub: hands committed events, and the text that models stream, to whoever listens in this process.

A run's subscription misses nothing and repeats nothing behind the sequence it started from, whichever process drives
the run and however often that changes: what is committed here is offered at once, what the store's watch sees beyond
that is read, and the dense numbers of a run's events tell the one from the other. News of all runs has no such numbers,
and so comes by the watch alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from engine.model.errors import CockpitError, NotFound
from engine.model.events import Arrival, Delta, Event, EventKind

_PAGE = 512
_AGAIN = 1.0  # seconds until what could not be read is tried again
_NEWS = (EventKind.RUN_STATE, EventKind.APPROVAL)

Watch: TypeAlias = Callable[[Callable[[Sequence[Arrival]], None]], Callable[[], None]]


class EventReader(Protocol):
    """Reads a page of a run's events behind a number, of these kinds alone if any are named."""

    async def __call__(
        self, run_id: str, *, after: int, limit: int, kinds: Sequence[EventKind] = ()
    ) -> list[Event]: ...


class Subscription:
    """A queue of what happened, drained without waiting."""

    def __init__(self, hub: Hub, run_id: str | None, after: int) -> None:
        self._hub = hub
        self.run_id = run_id
        self.last_seq = after
        self.stale = run_id is not None  # whether something may be stored that was not offered
        self._queue: deque[Event | Delta] = deque()
        self._held: dict[int, Event] = {}  # offered before their predecessors
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
        """Take an item of the run, if it is new, in its place."""
        if isinstance(item, Delta):
            self.push(item)
        elif item.seq > self.last_seq:
            self._held[item.seq] = item
            while (following := self._held.pop(self.last_seq + 1, None)) is not None:
                self.last_seq += 1
                self.push(following)

    def push(self, item: Event | Delta) -> None:
        """Put an item in the queue."""
        self._queue.append(item)
        self._arrived.set()


class Hub:
    """All subscriptions of one engine."""

    def __init__(self, read: EventReader) -> None:
        self._read = read
        self._subscriptions: set[Subscription] = set()
        self._news: dict[str, tuple[int, int]] = {}  # run → the numbers between which (first < n ≤ last) it has news
        self._look: Callable[[], None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._to_read = asyncio.Event()

    def open(self, watch: Watch) -> None:
        """Begin to hear, by a store's watch, what any process commits."""
        self._look = watch(self._seen)
        self._reading = asyncio.create_task(self._keep_reading())

    def subscribe(self, run_id: str | None, after: int = 0) -> Subscription:
        """Listen to a run from behind `after`, or (None) to the states and approvals of all runs, each run's in order,
        from now on."""
        subscription = Subscription(self, run_id, after)
        self._subscriptions.add(subscription)
        self._to_read.set()
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        self._subscriptions.discard(subscription)

    def publish(self, items: Sequence[Event | Delta]) -> None:
        """Offer what this process has committed, or what its models stream, to whoever listens to the run."""
        for subscription in self._subscriptions:
            for item in items:
                if item.run_id == subscription.run_id:
                    subscription.offer(item)
        if self._look and any(isinstance(item, Event) and item.kind in _NEWS for item in items):
            self._look()

    def close(self) -> None:
        """Forget all subscriptions."""
        self._subscriptions.clear()
        if self._reading:
            self._reading.cancel()

    def _seen(self, arrivals: Sequence[Arrival]) -> None:
        """The watch saw events being committed, here or elsewhere."""
        for subscription in self._subscriptions:
            for arrival in arrivals:
                if subscription.run_id == arrival.run_id and subscription.last_seq < arrival.last:
                    subscription.stale = True
        if any(one.run_id is None for one in self._subscriptions):
            for arrival in arrivals:
                if arrival.kind in _NEWS:
                    self._expect(arrival.run_id, arrival.first - 1, arrival.last)
        self._to_read.set()

    def _expect(self, run_id: str, after: int, last: int) -> None:
        known = self._news.get(run_id, (after, last))
        self._news[run_id] = min(after, known[0]), max(last, known[1])

    # Reading: a page at a time for each, so that none waits for another's past

    async def _keep_reading(self) -> None:
        while await self._to_read.wait():
            self._to_read.clear()
            for run_id in tuple(self._news):
                await self._read_news(run_id)
            for subscription in tuple(self._subscriptions):
                if subscription.stale:
                    await self._read_on(subscription)

    async def _read_news(self, run_id: str) -> None:
        after, last = self._news.pop(run_id)
        page = await self._page(run_id, after, _NEWS)
        for event in page or ():
            if event.seq <= last:  # what came since then is seen by the next look
                for subscription in self._subscriptions:
                    if subscription.run_id is None:
                        subscription.push(event)
        if page is None:
            self._expect(run_id, after, last)
        elif len(page) == _PAGE and page[-1].seq < last:
            self._expect(run_id, page[-1].seq, last)
            self._to_read.set()

    async def _read_on(self, subscription: Subscription) -> None:
        assert subscription.run_id is not None
        subscription.stale = False
        page = await self._page(subscription.run_id, subscription.last_seq)
        for event in page or ():
            subscription.offer(event)
        if page is None:
            subscription.stale = True
        elif len(page) == _PAGE:
            subscription.stale = True
            self._to_read.set()

    async def _page(self, run_id: str, after: int, kinds: Sequence[EventKind] = ()) -> list[Event] | None:
        """None when it cannot be read now: whoever looks at the run itself is told why."""
        try:
            return await self._read(run_id, after=after, limit=_PAGE, kinds=kinds)
        except NotFound:  # it was removed
            return []
        except CockpitError:
            asyncio.get_running_loop().call_later(_AGAIN, self._to_read.set)
            return None
