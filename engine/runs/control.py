"""Control: how a driver is told to stop or to look again, and how it waits without missing that."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from enum import IntEnum
from typing import Any

from engine.model.records import Json
from engine.runs.moves import By


class Stop(IntEnum):
    """Why a driver stops before its run is over; the greater the harder."""

    PAUSE = 1  # what is being asked may be answered, nothing new begins
    PAUSE_NOW = 2  # what runs is ended, to go on from where it stands when someone resumes
    CLOSE = 3  # the same, because the program ends
    BUDGET = 4  # what runs is ended, and the run has failed
    CANCEL = 5  # what runs is ended, and so is the run


class Held(Exception):
    """The run is being paused, or its budget is asked about: an attempt came to a place where it can wait."""


class Asked(Exception):
    """A person has to be asked before the attempt can go on. `shown` is None where the question stands already."""

    def __init__(self, kind: str, title: str, shown: Json | None) -> None:
        super().__init__(title)
        self.kind, self.title, self.shown = kind, title, shown


class Control:
    """The stop signal of one driver."""

    def __init__(self) -> None:
        self.how: Stop | None = None
        self.by: By | None = None
        self._takes_effect = False
        self._raised = asyncio.Event()

    def stop(self, how: Stop, by: By) -> None:
        """Ask the driver to stop; a harder way overrides a softer one."""
        if self.how is None or how > self.how:
            self.how, self.by = how, by
            self._raised.set()

    def go_on(self) -> bool:
        """Take back a pause; False when it is too late for that, or something harder."""
        if self.how is Stop.PAUSE and not self._takes_effect:
            self.how = self.by = None
            self._raised.set()  # what could not begin meanwhile can now
        return self.how is None

    @property
    def unheard(self) -> bool:
        """Whether a stop was asked for that has not taken effect."""
        return self.how is not None and not self._takes_effect

    def take_effect(self) -> None:
        """From here on a stop cannot be taken back."""
        self._takes_effect = True

    def look(self) -> None:
        """Have the driver look at its rows again: someone else has changed them."""
        self._raised.set()

    def hold_point(self) -> None:
        """What passes here may be held.

        Raises:
            Held: the run is being paused.
        """
        if self.how is Stop.PAUSE:
            self.take_effect()
            raise Held

    @property
    def hard(self) -> bool:
        """Whether what runs has to be ended now."""
        return self.how is not None and self.how > Stop.PAUSE

    async def first_done(self, tasks: Collection[asyncio.Task[Any]]) -> bool:
        """Wait until one of the tasks is done or there is something to look at (True), or a hard stop was asked for
        (False)."""
        if not self.hard:
            signal = asyncio.create_task(self._raised.wait())
            try:
                await asyncio.wait([*tasks, signal], return_when=asyncio.FIRST_COMPLETED)
            finally:
                signal.cancel()
            self._raised.clear()
        return not self.hard


async def end_tasks(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until each has cleaned up behind itself."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
