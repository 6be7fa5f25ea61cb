"""Control: how a driver is told to stop, and how it waits without missing that."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from enum import IntEnum
from typing import Any

from engine.runs.moves import By


class Stop(IntEnum):
    """Why a driver stops before its run is over; the greater the harder."""

    PAUSE = 1  # what runs may end, nothing new begins
    CLOSE = 2  # what runs is ended, to be run again when someone resumes
    BUDGET = 3  # what runs is ended, and the run has failed
    CANCEL = 4  # what runs is ended, and so is the run


class Control:
    """The stop signal of one driver."""

    def __init__(self) -> None:
        self.how: Stop | None = None
        self.by: By | None = None
        self._raised = asyncio.Event()

    def stop(self, how: Stop, by: By) -> None:
        """Ask the driver to stop; a harder way overrides a softer one."""
        if self.how is None or how > self.how:
            self.how, self.by = how, by
            self._raised.set()

    @property
    def hard(self) -> bool:
        """Whether what runs has to be ended now."""
        return self.how is not None and self.how > Stop.PAUSE

    async def first_done(self, tasks: Collection[asyncio.Task[Any]]) -> bool:
        """Wait until one of the tasks is done (True), or a hard stop was asked for (False)."""
        while not self.hard:
            self._raised.clear()
            signal = asyncio.create_task(self._raised.wait())
            try:
                done, _ = await asyncio.wait([*tasks, signal], return_when=asyncio.FIRST_COMPLETED)
            finally:
                signal.cancel()
            if done - {signal}:
                return True
        return False


async def end_tasks(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until each has cleaned up behind itself."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
