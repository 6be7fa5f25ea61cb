"""kill -9, again and again: what was acknowledged is there, without a gap, and nothing is half written."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import storage
from engine.model.changes import Add
from engine.model.ids import new_id
from engine.model.states import RunState

PRODUCER = """if True:
    import asyncio, os, sys
    from pathlib import Path
    import storage
    from engine.model.changes import Add
    sys.path.insert(0, sys.argv[2])
    from conftest import Research

    async def main():
        store, _ = storage.open_store(Path(sys.argv[1]))
        await store.open()
        research = Research()
        await store.commit(*research.opening())
        os.write(1, f"{research.session.id} {research.run.id}\\n".encode())

        async def events(n):
            while True:
                batch = [research.event("x" * (40_000 if n == 0 else 500)) for _ in range(n % 3 + 1)]
                await store.commit(*map(Add, batch), urgent=n % 2 == 0)
                os.write(1, "".join(f"{event.id}\\n" for event in batch).encode())

        async def moves():
            before = "draft"
            while True:
                after = "executing" if before != "executing" else "waiting_approval"
                # The move and its event are one: after a kill, both are there or neither.
                await store.commit(research.move_run(before, after), Add(research.event(after, title="moved")))
                before = after

        await asyncio.gather(moves(), *(events(n) for n in range(8)))

    asyncio.run(main())
"""

ROUNDS, SEED = 6, 20310506


async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(home):
    rng = random.Random(SEED)
    for round_ in range(ROUNDS):
        command = [sys.executable, "-c", PRODUCER, str(home), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            session_id, run_id = process.stdout.readline().split()
            time.sleep(rng.uniform(0.0, 0.15))
            process.send_signal(signal.SIGKILL)
            # The last line may be cut off: it was not said.
            acknowledged = set(process.stdout.read().split("\n")[:-1])

        context = f"round {round_}, seed {SEED}"
        assert storage.check(home) == [], context
        store, _ = storage.open_store(home)
        await store.open()
        reads = store.reads(session_id)
        events = await reads.events(run_id, limit=1_000_000)
        assert acknowledged <= {event.id for event in events}, context
        assert [event.seq for event in events] == list(range(1, len(events) + 1)), context
        history = [move.after for move in await reads.history(run_id)]
        assert [event.data["text"] for event in events if event.title == "moved"] == history, context
        run = await reads.run(run_id)
        assert run.state == (RunState(history[-1]) if history else RunState.DRAFT), context
        if events:  # the next writer numbers on
            await store.commit(Add(replace(events[-1], id=new_id())))
            assert await reads.event_count(run_id) == len(events) + 1, context
        await store.close()
