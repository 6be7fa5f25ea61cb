"""Long work in the app's loop, in slices so short that no key waits: what the work is made of is a generator that stops
between its parts.

A thread would not do: while it computes, every turn of the loop waits for the interpreter's lock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

SLICE = 0.002  # seconds of work between two looks at the keys


def at_once(work: Generator[None, None, T]) -> T:
    """Do it all now."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


def begin_at_once(work: Generator[None, None, T], seconds: float) -> tuple[bool, T | None]:
    """Work for some time at most: (True, the result), or (False, None) when there is more to do."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        try:
            next(work)
        except StopIteration as done:
            return True, done.value
    return False, None


async def in_slices(work: Generator[None, None, T]) -> T:
    """Do it all, and let the loop turn in between."""
    while True:
        finished, result = begin_at_once(work, SLICE)
        if finished:
            return result  # type: ignore[return-value]
        await asyncio.sleep(0)
