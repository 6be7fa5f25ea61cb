"""The world that runs go on in: the ports and settings that every driver shares."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.model.agents import AgentSpec
from engine.model.events import Delta, Event
from engine.model.options import EngineSettings
from engine.ports import Blobs, Clock, Launcher, Prices, RunStore
from engine.runs.slots import Slots


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """The wall time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class World:
    """What drivers work with."""

    store: RunStore
    blobs: Blobs
    launcher: Launcher
    prices: Prices
    clock: Clock
    settings: EngineSettings
    agents: Mapping[str, AgentSpec]
    slots: Slots
    publish: Callable[[Sequence[Event | Delta]], None]
    chance: Callable[[], float] = random.random  # from 0 up to 1
