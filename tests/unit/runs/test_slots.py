"""Slots are fair over runs, and none is lost."""

from __future__ import annotations

import asyncio

from engine.runs.slots import Slots


async def test_a_wide_run_does_not_starve_a_narrow_one() -> None:
    slots = Slots(1)
    order: list[str] = []
    gate = asyncio.Event()

    async def work(run: str) -> None:
        async with slots.hold(run):
            order.append(run)
            await gate.wait()

    tasks = [asyncio.create_task(work("wide")) for _ in range(5)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(work("narrow")))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert order.index("narrow") <= 2
    assert len(order) == 6


async def test_at_most_the_limit_at_once_and_a_cancelled_wait_gives_its_turn_on() -> None:
    slots = Slots(2)
    inside = 0
    most = 0

    async def work(run: str) -> None:
        nonlocal inside, most
        async with slots.hold(run):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    tasks = [asyncio.create_task(work(f"run {n % 3}")) for n in range(20)]
    await asyncio.sleep(0)
    for task in tasks[5:10]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 2
    async with asyncio.timeout(5), slots.hold("after"), slots.hold("after"):
        pass
