"""Rows 12 to 15: a worker is killed, hangs, leaves others behind, or talks nonsense.

Its attempt fails and says of what; its siblings go on; nobody outlives it; and once a person has the step done again,
the run comes to what it comes to when nothing happens.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from engine.host.sweep import started
from tests.support.faults import Disturbed, Life, Place, Undisturbed, any_shape, at, seeded, seeds, workers_go
from tests.support.faults_garbage import KINDS
from tests.support.faults_story import SHAPES, Storyteller

# The program of step b does what lies in the home for it, if anything does, and then its work.
TRAPPED = (
    "import os, pathlib\nhome = pathlib.Path.cwd().parents[5]\ntrap = home / 'trap'\n"
    "if trap.exists(): exec(trap.read_text())\nopen('b.txt', 'w').write('b')\n"
)
LIMITS = {"memory_bytes": 300_000_000, "file_bytes": 200_000}
ENDS = {
    "import ctypes; ctypes.string_at(0)": "SIGSEGV",
    "os.kill(os.getpid(), 9)": "SIGKILL",
    "os.abort()": "SIGABRT",
    "bytearray(10**9)": "MemoryError",
    "open('big', 'wb').write(bytes(10**6))": "File too large",
}
BEGETS = """
import subprocess, sys, time
daemon = "import os, time\\nif os.fork(): os._exit(0)\\nos.setsid()\\nif os.fork(): os._exit(0)\\n" \\
    "open(os.sys.argv[1], 'w').write(str(os.getpid()))\\ntime.sleep(600)"
plain = subprocess.Popen(["sleep", "600"])
apart = subprocess.Popen(["sleep", "600"], start_new_session=True)
subprocess.run([sys.executable, "-c", daemon, str(home / "daemon")], env={}, check=True)
while not (home / "daemon").exists() or not (home / "daemon").read_text(): time.sleep(0.005)
(home / "begotten").write_text(f"{plain.pid} {apart.pid} {(home / 'daemon').read_text()}")
"""
HANGS = ["time.sleep(600)", "import signal; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]


@pytest.mark.parametrize("seed", seeds(share=2))
def test_row12_a_worker_is_killed(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model)
        number = place.random.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGXCPU])
        where = at(place, run.passed, "frame of b", share=0.8)
        more = {"step": "b", "signal": number}
        run.live("begin", at=where, do="signal worker", more=more, options={"retries": 0})
        fails_alone(run, f"was ended by {number.name}")
        done_again(run)


@pytest.mark.parametrize("seed", seeds(share=2))
def test_row12_a_program_is_killed_or_meets_a_limit(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place), TRAPPED) as model:
        run = Disturbed(place, undisturbed, model)
        code, words = place.random.choice(sorted(ENDS.items()))
        (place.home / "trap").write_text(code)
        run.live("begin", more={"limits": LIMITS}, options={"retries": 0})
        fails_alone(run, words)
        (place.home / "trap").unlink()
        done_again(run)


@pytest.mark.parametrize("seed", seeds(share=2))
def test_row13_a_program_hangs(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place), TRAPPED) as model:
        run = Disturbed(place, undisturbed, model)
        (place.home / "trap").write_text(BEGETS + place.random.choice(HANGS))
        run.live("begin", options={"retries": 0, "code_timeout": 2.0}, more={"limits": {"grace": 0.2}})
        fails_alone(run, "2")
        none_is_left(place)
        (place.home / "trap").unlink()
        done_again(run)


@pytest.mark.parametrize("seed", seeds(share=4))
def test_row13_a_worker_hangs(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model)
        order: dict[str, Any] = {"do": "signal worker", "options": {"retries": 0, "attempt_timeout": 5.0}}
        order["more"] = {"step": "b", "signal": signal.SIGSTOP, "slack": 0.2}
        run.live("begin", at=at(place, run.passed, "frame of b", share=0.8), **order)
        fails_alone(run, "did not end within its time")
        done_again(run)


@seeded
def test_row14_what_a_program_has_begotten_ends_with_it(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place), TRAPPED) as model:
        run = Disturbed(place, undisturbed, model)
        end = place.random.choice(["by itself", "engine", "worker", "parent", "cancel"])
        (place.home / "trap").write_text(BEGETS + ("" if end == "by itself" else place.random.choice(HANGS)))
        print(end)
        life = run.start("begin", options={"retries": 0})
        begotten = place.home / "begotten"
        life.until(lambda told: any(step == "b" for step, *_ in told.all("worker")))
        _until(begotten.exists)
        (place.home / "trap").unlink(missing_ok=True)
        _end(end, life, run)
        run.over(life)
        none_is_left(place)
        if end in ("worker", "cancel"):
            done_again(run)
        else:
            run.goes_on()


@seeded
def test_row15_a_worker_talks_nonsense(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model)
        kind = place.random.choice(KINDS)
        number = place.random.randint(1, int(run.passed["frame of b"] * 0.8))
        more = {"entry": "tests.support.faults_garbage:run", "task": f"garbage {kind} {number} {place.seed}"}
        print(more["task"])
        told = run.live("begin", more=more, options={"retries": 0})
        assert told.code == 0 and not told.all("failed")
        workers_go(told)
        if run.record.steps["b"].state == "failed":
            fails_alone(run, "")
        done_again(run)


def fails_alone(run: Disturbed, words: str) -> None:
    """Step b has failed of what the words say, what builds on it waits in vain, and everything else is done."""
    assert run.told[-1].code == 0
    workers_go(run.told[-1])
    steps = run.record.steps
    assert words in (steps["b"].error or ""), steps["b"].error
    assert run.record.view.run.state == "failed" and "step b" in (run.record.view.run.error or "")
    below = _below(run.shape)
    expected = {name: "failed" if name == "b" else "skipped" if name in below else "completed" for name in steps}
    assert {name: node.state.value for name, node in steps.items()} == expected


def done_again(run: Disturbed) -> None:
    """A person has step b done again: the run ends as if nothing had happened."""
    assert run.live("redo", more={"step": "b"}).one("over") == ("completed", None)
    run.ended()


def none_is_left(place: Place) -> None:
    """Nothing that the program has begotten is alive."""
    pids = dict(zip(("plain", "apart", "daemon"), map(int, (place.home / "begotten").read_text().split()), strict=True))
    _until(
        lambda: [name for name, pid in pids.items() if started(pid)] == [],
        what=lambda: [name for name, pid in pids.items() if started(pid)],
    )


def _below(shape: str) -> set[str]:
    found = {"b", "terminator"}
    for name, needs in SHAPES[shape].items():
        if found & set(needs):
            found.add(name)
    return found - {"b"}


def _end(end: str, life: Life, run: Disturbed) -> None:
    worker = next(pid for step, _, pid, _ in life.told.all("worker") if step == "b")
    match end:
        case "engine":
            life.signal(signal.SIGKILL)
        case "worker":
            os.kill(worker, signal.SIGKILL)
        case "parent":
            os.kill(_parent(worker), signal.SIGKILL)
        case "cancel":
            run.place.live("cancel", run_id=life.told.run_id)
        case _:
            pass


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _until(holds: Any, patience: float = 10.0, what: Any = str) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"it did not come about: {what()}"
        time.sleep(0.005)
