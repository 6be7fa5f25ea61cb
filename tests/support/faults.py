"""The tests' side of faults: victims are started, watched and outlived; then what they were told is compared with what
is stored, and what came of the run with what comes of it when nothing happens.

Every test takes a seed. FAULT_SEED (a number) is where the seeds begin, FAULT_REPEATS how many there are a row.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

import storage
from engine.host.sweep import started
from engine.model.changes import Change
from engine.model.events import Event
from engine.model.options import ApprovalMode
from engine.model.records import ApprovalState
from engine.model.states import Actor, RunState
from tests.support.faults_lives import live
from tests.support.faults_record import Record, broken, changed, differences, illegal, outcome, read
from tests.support.faults_story import CALLS, SHAPES, Storyteller
from tests.support.faults_victim import Order, Point
from tests.support.processes import wait_until_gone

FIRST_SEED = int(os.environ.get("FAULT_SEED", "20310506"))
REPEATS = int(os.environ.get("FAULT_REPEATS", "20"))
PATIENCE = 60.0  # seconds that a victim may take before the test gives up on it
_ROOT = Path(__file__).parents[2]


def seeds(share: int = 1) -> list[int]:
    """The seeds of one row; of a row that is tested in several ways, of one of them."""
    return [FIRST_SEED + number for number in range(-(-REPEATS // share))]


seeded = pytest.mark.parametrize("seed", seeds())


@dataclass
class Told:
    """Everything that a victim told, in order."""

    said: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    code: int | None = None

    def all(self, kind: str) -> list[tuple[Any, ...]]:
        return [one[1:] for one in self.said if one[0] == kind]

    def one(self, kind: str) -> tuple[Any, ...]:
        (found,) = self.all(kind)
        return found

    @property
    def run_id(self) -> str:
        """The run that was begun."""
        return self.one("run")[0]

    @property
    def stored(self) -> list[Change]:
        """Every change whose commit was acknowledged."""
        return [change for (changes,) in self.all("stored") for change in changes]

    @property
    def heard(self) -> list[Event]:
        """Every event that was announced."""
        return [event for (events,) in self.all("heard") for event in events]

    @property
    def passed(self) -> Counter[str]:
        """How often each place was passed."""
        return self.one("passed")[0]


class Life:
    """A victim that lives, or has lived."""

    def __init__(self, order: Order, said: Path) -> None:
        self.told = Told()
        self._news = threading.Condition()
        listening, telling = multiprocessing.Pipe(duplex=False)
        self._process = _nursery().Process(target=live, args=(order, telling, str(said)), daemon=True)
        self._process.start()
        telling.close()
        self._listener = threading.Thread(target=self._listen, args=(listening,), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def until(self, holds: Callable[[Told], bool]) -> None:
        """Wait until the victim has told something."""
        with self._news:
            if not self._news.wait_for(lambda: holds(self.told) or self.told.code is not None, PATIENCE):
                raise AssertionError(f"the victim did not come so far; it told {_kinds(self.told)}")
        assert holds(self.told), f"the victim ended with {self.told.code} before it came so far"

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self) -> Told:
        """Wait until it has ended; what it told."""
        self._listener.join(PATIENCE)
        if self._listener.is_alive():
            self.signal(signal.SIGKILL)
            raise AssertionError(f"the victim did not end; it told {_kinds(self.told)}")
        return self.told

    def _listen(self, listening: Connection) -> None:
        with suppress(EOFError, OSError):  # the end of a pipe may come in the middle of a word
            while True:
                said = listening.recv()
                with self._news:
                    self.told.said.append(said)
                    self._news.notify_all()
        self._process.join()
        with self._news:
            self.told.code = self._process.exitcode
            self._news.notify_all()


def _kinds(told: Told) -> str:
    return ", ".join(f"{count} × {kind}" for kind, count in Counter(one[0] for one in told.said).items())


class Place:
    """A home, and the lives that were lived in it."""

    def __init__(self, root: Path, seed: int, empty: Path) -> None:
        self.seed, self.root = seed, root
        self.random = random.Random(seed)
        self.home = root / "home"
        self.home.mkdir(mode=0o700, parents=True)
        shutil.copyfile(empty, self.home / "cmbagent.db")
        self.lives: list[Life] = []
        print(f"seed {seed}")

    @property
    def said(self) -> Path:
        """What victims printed."""
        return self.root / "said"

    def start(self, what: str, **order: Any) -> Life:
        """Start a victim and leave it to itself."""
        life = Life(Order(self.home, what, **order), self.said)
        self.lives.append(life)
        return life

    def live(self, what: str, **order: Any) -> Told:
        """Start a victim and wait for its end, whatever that is."""
        return self.start(what, **order).end()

    def record(self, run_id: str) -> Record:
        """Everything that is stored of a run; the database and its blobs are sound."""
        assert storage.check(self.home) == []
        return asyncio.run(read(self.home, run_id))

    def intact(self, run_id: str, *told: Told) -> Record:
        """What is stored of a run, when it is all that was acknowledged, and legal."""
        record = self.record(run_id)
        for one in told:
            assert differences(record, one.stored, one.heard) == []
        assert illegal(record) == []
        return record

    def quiet(self) -> None:
        """Nothing was printed where the terminal would be."""
        assert not self.said.exists() or self.said.read_text() == ""

    def end(self) -> None:
        """End whoever still lives."""
        for life in self.lives:
            life.signal(signal.SIGCONT)
            life.signal(signal.SIGKILL)
            life.end()


def workers_go(told: Told) -> None:
    """Wait until no worker that a victim told of is left, nor anything that one has started."""
    deadline = time.monotonic() + 10.0
    for _, attempt, pid, birth in told.all("worker"):
        while birth is not None and started(pid) == birth:
            assert time.monotonic() < deadline, f"worker {pid} outlived its engine"
            time.sleep(0.005)
        wait_until_gone(attempt)


PLANNED: dict[str, Any] = {"options": {"approval": ApprovalMode.AFTER_PLANNING}, "more": {"planned": True}}


class Undisturbed:
    """What comes of a shape when nothing happens, and how often each place is passed on the way: found out once."""

    def __init__(self, root: Path, empty: Path) -> None:
        self._root, self._empty = root, empty
        self._tries = 0
        self._known: dict[tuple[str, str, bool], tuple[dict[str, Any], Counter[str]]] = {}

    def of(self, shape: str, program: str = "", *, planned: bool = False) -> tuple[dict[str, Any], Counter[str]]:
        """(outcome, passed). With a program, step b runs it; a plan that is made first is approved in another life,
        whose places are those that count."""
        key = shape, program, planned
        if key not in self._known:
            self._tries += 1
            place = Place(self._root / str(self._tries), 0, self._empty)
            with Storyteller(shape, program) as model:
                order: dict[str, Any] = {"shape": shape, "model": model.name, "environ": model.environ}
                told = [place.live("begin", **order, **(PLANNED if planned else {}))]
                if planned:
                    told.append(place.live("settle", **order, run_id=told[0].run_id))
                assert told[-1].one("over") == ("completed", None), place.said.read_text()
                calls = dict.fromkeys(SHAPES[shape], CALLS) | ({"planner": 1, "plan_reviewer": 1} if planned else {})
                assert model.calls == calls
            self._known[key] = outcome(place.intact(told[0].run_id, *told)), told[-1].passed
        return self._known[key]


class Disturbed:
    """A run of one shape at a place, with a model that counts what it is asked."""

    def __init__(
        self, place: Place, undisturbed: Undisturbed, model: Storyteller, *, planned: bool = False, **order: Any
    ) -> None:
        self.place, self.model, self.shape = place, model, model.shape
        self.expected, self.passed = undisturbed.of(model.shape, model.program, planned=planned)
        self.told: list[Told] = []
        self._record: Record | None = None
        self._order = {"shape": model.shape, "model": model.name, "environ": model.environ, **order}

    def start(self, what: str, **order: Any) -> Life:
        """Start a victim that is to take this run some way."""
        return self.place.start(what, **{"run_id": self.run_id, **self._order, **order})

    def live(self, what: str, **order: Any) -> Told:
        """Have a victim take the run as far as it comes."""
        return self.over(self.start(what, **order))

    def over(self, life: Life) -> Told:
        """A life has ended, or is about to: everything that it was told is stored."""
        told = life.end()
        self.told.append(told)
        if self.run_id:
            self._record = self.place.intact(self.run_id, *self.told)
        else:
            assert storage.check(self.place.home) == []
        return told

    @property
    def run_id(self) -> str:
        """The run, once it was acknowledged; nothing until then."""
        return next((one for told in self.told for (one,) in told.all("run")), "")

    @property
    def record(self) -> Record:
        """The run as it was when the last life had ended."""
        assert self._record is not None
        return self._record

    def goes_on(self, **order: Any) -> None:
        """Another engine takes the run to its end: it comes to what it comes to when nothing happens."""
        if not self.run_id:
            return
        state = self.record.view.run.state
        if not state.terminal:
            answered = all(one.state is not ApprovalState.PENDING for one in self.record.view.approvals)
            at_work = state in (RunState.PLANNING, RunState.EXECUTING) or (
                state is RunState.WAITING_APPROVAL and answered
            )
            by_itself = at_work and self.place.random.random() < 0.5
            told = self.live("take over" if by_itself else "resume", **order)
            assert told.code == 0 and told.one("over")[0] == "completed", told.said[-2:]
            assert not by_itself or told.one("taken") == ([self.run_id],)
        self.ended()

    def ended(self) -> None:
        """The run has ended as if nothing had happened, and no call was made again that was not in flight; but for what
        went on in steps that a person had done again."""
        put_back = (move for move in self.record.history if move.after == "pending" and move.actor is Actor.PERSON)
        names = {node.id: node.step for node in self.record.view.nodes}
        again = {names[move.entity_id] for move in put_back}
        assert changed(_without(outcome(self.record), again), _without(self.expected, again)) == []
        calls, broken_off = self.model.calls, broken(self.record)
        for step in SHAPES[self.shape].keys() - again:
            more = calls[step] - CALLS
            assert 0 <= more <= broken_off[step], f"{step} was broken off {broken_off[step]} times: {calls}"
        if "planning" in self.record.steps:
            assert 0 <= calls["planner"] + calls["plan_reviewer"] - 2 <= broken_off["planning"]


def _without(found: dict[str, Any], steps: set[str]) -> dict[str, Any]:
    """What came of a run, without what went on in some of its steps; what they left behind counts."""
    inner = ("attempts", "artifacts", "answers")
    return {what: [one for one in of if one[0] not in steps] if what in inner else of for what, of in found.items()}


def any_shape(place: Place) -> str:
    """One of the shapes."""
    return place.random.choice(sorted(SHAPES))


def killed(told: Told) -> None:
    """The victim was killed where it was to be killed."""
    assert told.code == -signal.SIGKILL, f"it ended with {told.code}: {told.said[-1:]}"


def _nursery() -> Any:
    """The process that victims are forked from; started by the first who asks."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.faults_nursery"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), before]))
    try:
        from multiprocessing import forkserver

        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context


def at(place: Place, passed: Counter[str], where: str, turns: Sequence[int] = (0,), share: float = 1.0) -> Point:
    """One of the times that a place is passed; of those whose number is not the same in each run, among the first."""
    assert passed[where], f"{where!r} is never passed"
    point = Point(where, place.random.randint(1, max(1, int(passed[where] * share))), place.random.choice(turns))
    print(point)
    return point
