"""Steps in workers: milliseconds a step, each in a fresh process with one AG2 turn that a journal answers.

The real launcher, the real store, nothing left out: fork, work directory, journal entry, events, result, reaping.

The floor is the AG2 turn alone, as AG2's own documentation makes one: build an Agent with a prompt, ask it on a new
MemoryStream, be answered "done" by AG2's own scripted model. No tools, no journal, no capture, no process: one turn
after another in one event loop of a process that has imported everything and has made such turns before. Beside a chain
stands one such process; beside the fan, one a core at once, and the wall time of all by the number of their turns.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine_steps import chain, fan, milliseconds_a_step

from engine.agents.registry import load_agents
from engine.host import ZygoteLauncher

STEPS = 200
ROUNDS = 5
PARALLEL = 16
TURNS = 200
BEYOND = {"chain": 10.0, "fan_16": 6.0}  # milliseconds a step, the most that is allowed
TASK = "# The research task\nbenchmark\n\n# Your step: Step 1"


def turns() -> None:
    """Be a process of the floor: say when ready, start when told, say how many milliseconds each turn took."""
    from ag2 import Agent, MemoryStream
    from ag2.testing import TestConfig

    prompt = load_agents(Path(os.devnull))["engineer"].prompt

    async def some(count: int) -> list[float]:
        took: list[float] = []
        for _ in range(count):
            began = time.perf_counter()
            reply = await Agent("engineer", [prompt], config=TestConfig("done")).ask(TASK, stream=MemoryStream())
            took.append((time.perf_counter() - began) * 1000)
            assert reply.body == "done"
        return took

    asyncio.run(some(20))
    print("ready", flush=True)
    sys.stdin.readline()
    json.dump(asyncio.run(some(TURNS)), sys.stdout)


def floor(processes: int) -> tuple[float, float]:
    """The median of a turn, and the wall time of all turns by their number; in milliseconds."""
    command = [sys.executable, __file__, "--turns"]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for one in started:
        assert one.stdout and one.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for one in started:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    took: list[float] = []
    for one in started:
        assert one.stdout
        took += json.loads(one.stdout.read())
    wall = (time.perf_counter() - began) * 1000 / len(took)
    for one in started:
        one.communicate()
    return statistics.median(took), wall


def main() -> None:
    """Rounds of all four in turn; the medians as one JSON object."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:  # deleted at the end alone, see engine_steps.py
        for number in range(ROUNDS):
            for name, plan, parallel in (("chain", chain(STEPS), 1), ("fan_16", fan(STEPS), PARALLEL)):
                home = Path(folder) / str(number) / name
                home.mkdir(parents=True)
                step = asyncio.run(milliseconds_a_step(home, plan, parallel, ZygoteLauncher()))
                turn = floor(1)[0] if name == "chain" else floor(cores)[1]
                for key, value in (("ms_a_step", step), ("turn_ms", turn), ("beyond_ms", step - turn)):
                    found.setdefault(f"{name}_{key}", []).append(value)
    medians = {key: round(statistics.median(values), 3) for key, values in found.items()}
    least = {f"{name}_least_beyond_ms": round(min(found[f"{name}_beyond_ms"]), 3) for name in BEYOND}
    met = {f"{name}_met": medians[f"{name}_beyond_ms"] <= most for name, most in BEYOND.items()}
    print(json.dumps({"benchmark": "worker_steps", "steps": STEPS, "rounds": ROUNDS, **medians, **least, **met}))


if __name__ == "__main__":
    turns() if "--turns" in sys.argv else main()
