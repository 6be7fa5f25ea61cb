"""Keys in turn: each is answered in full before the next one is read.

Textual hands a key on at once to what has the focus, though what the key before it does (a field that opens, a screen
that comes up) may still be on its way. What is typed fast, or comes in one piece over a slow line, would then reach the
wrong place: a text would be obeyed as commands.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from textual import events
from textual.app import App, ScreenStackError
from textual.message_pump import MessagePump

_ROUNDS = range(3, 6)  # to follow a key, what it makes a widget say, and what that leads to
_PATIENCE = 1.0  # seconds; a widget that was removed never says that it is done with a key
_OPENING = 5.0  # seconds that keys wait at most for what is being opened


class KeysInTurn(App[None]):
    """An app whose keys and pastes wait for each other."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: deque[events.Event] = deque()  # those that came too early
        self._next: events.Event | None = None  # the one of them whose turn it is
        self._answering = False
        self._turn = 0
        self._holds = 0  # what is being opened beside the keys, for which they wait too

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
        elif (self._answering or self._holds) and event is not self._next:
            self._kept.append(event)
        else:
            with suppress(ScreenStackError):  # the app is ending
                await self._answer(event)

    async def _answer(self, event: events.Event) -> None:
        self._answering, self._next = True, None
        self._turn += 1
        asyncio.get_running_loop().call_later(_PATIENCE, self._turn_over, self._turn)
        heard_by = (self.focused or self.screen).ancestors_with_self
        await super().on_event(event)
        self._follow(self._turn, heard_by, heard_by, 1)

    def hold_keys(self) -> Callable[[], None]:
        """Have keys wait until what is returned is called, or for a few seconds: what they are meant for is being
        opened."""
        self._holds += 1
        held = True

        def release() -> None:
            nonlocal held
            if held:
                held = False
                self._holds -= 1
                self._arrive(self._turn)

        asyncio.get_running_loop().call_later(_OPENING, release)
        return release

    def _follow(self, turn: int, ways: Sequence[MessagePump], whole: Sequence[MessagePump], number: int) -> None:
        """Go behind a key, the way on which it bubbles, to be told when all have done what they do with it."""
        for place, pump in enumerate(ways, 1):
            if pump.call_later(self._follow, turn, ways[place:], whole, number):
                return
        if number < _ROUNDS.start or (number < _ROUNDS.stop and any(pump.message_queue_size for pump in whole)):
            self._follow(turn, whole, whole, number + 1)
        else:
            self._arrive(turn)

    def _arrive(self, turn: int) -> None:
        """What came up meanwhile takes the focus before the next key."""
        with suppress(ScreenStackError):
            if not self.screen.call_later(self._turn_over, turn):
                self._turn_over(turn)

    def _turn_over(self, turn: int) -> None:
        if turn != self._turn or self._holds or self._next is not None:
            return
        self._answering = False
        if self._kept:
            self._next = self._kept.popleft()
            self._answering = True
            self.post_message(self._next)
