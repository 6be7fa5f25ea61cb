"""Row 10: the engine is killed while a step waits to be tried again. The count and the time are in the rows."""

from __future__ import annotations

import pytest

from engine.model.records import AttemptState, Node
from engine.model.states import RunState, StepState
from tests.support.faults import Place, Told, killed, seeds, workers_go
from tests.support.faults_record import Record
from tests.support.faults_story import WRITES, Answer, Storyteller
from tests.support.faults_victim import Point
from tests.support.openai_server import Move, Refused

WAIT = 600.0  # seconds that the server wants to be left alone


class Limited(Storyteller):
    """A server that takes no third request of step b, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__("apart")
        self.times = times

    def _does(self, name: str, done: int) -> Answer:
        move: Move = super()._does(name, done)
        if name == "b" and done == WRITES and self.times:
            self.times -= 1
            move = Refused(429, "Slow down", retry_after=WAIT)
        return move  # type: ignore[return-value]


def step_of(record: Record, name: str) -> Node:
    (node,) = [one for one in record.view.nodes if one.step == name]
    return node


def tries(record: Record, name: str) -> list[tuple[int, str, AttemptState]]:
    node = step_of(record, name)
    mine = [one for one in record.view.attempts if one.node_id == node.id]
    return [(one.number, one.reason, one.state) for one in sorted(mine, key=lambda one: one.number)]


def completed(told: Told, name: str) -> bool:
    return any(one.title == f"{name} completed" for one in told.heard)


FAILED_ONCE = [(1, "first", AttemptState.FAILED)]


@pytest.mark.parametrize("seed", seeds(10))
@pytest.mark.parametrize("where", ["before backoff", "after backoff"])
def test_row10_the_count_and_the_time_outlive_the_engine(place: Place, where: str) -> None:
    refusals = 3 if where == "before backoff" else 2
    with Limited(refusals) as model:
        order = {"shape": "apart", "model": model.name, "environ": model.environ, "options": {"retries": 2}}
        told = place.live("begin", at=Point(where), **order)
        killed(told)
        workers_go(told)
        run_id = told.run_id
        record = place.intact(run_id, told)
        if where == "before backoff":
            # Nothing of the failure was written: it is the first attempt that goes on, and fails again.
            assert tries(record, "b") == [(1, "first", AttemptState.RUNNING)]
            assert step_of(record, "b").retry_at is None
            again = place.live("resume", run_id=run_id, at=Point(where.replace("before", "after")), **order)
            killed(again)
            record = place.intact(run_id, told, again)
        node, calls = step_of(record, "b"), model.calls["b"]
        assert (node.state, tries(record, "b")) == (StepState.PENDING, FAILED_ONCE)
        assert node.retry_at is not None and record.view.run.state is RunState.EXECUTING

        # Another engine leaves it alone until its time has come, and goes on with everything else.
        waiting = place.start("take over", run_id=run_id, **order)
        left = [one for one in "ac" if step_of(record, one).state is not StepState.COMPLETED]
        waiting.until(lambda heard: bool(heard.all("taken")) and all(completed(heard, one) for one in left))
        waiting.signal(9)
        waiting.end()
        record = place.record(run_id)
        assert (step_of(record, "b").retry_at, tries(record, "b")) == (node.retry_at, FAILED_ONCE)
        assert model.calls["b"] == calls

        # Its time comes: it is refused once more, the engine is killed again, and then it is not refused.
        again = place.live("take over", run_id=run_id, **order, more={"ahead": 800.0}, at=Point("after backoff"))
        killed(again)
        record = place.record(run_id)
        assert tries(record, "b") == [*FAILED_ONCE, (2, "retry", AttemptState.FAILED)]
        second = step_of(record, "b").retry_at
        assert second is not None and second > node.retry_at
        last = place.live("take over", run_id=run_id, **order, more={"ahead": 1700.0})
        assert last.one("over")[0] == "completed", last.said[-2:]
        record = place.record(run_id)
        ended = (3, "retry", AttemptState.COMPLETED)
        assert tries(record, "b") == [*FAILED_ONCE, (2, "retry", AttemptState.FAILED), ended]
        begun = [one.started_at for one in record.view.attempts if one.node_id == node.id]
        assert begun[1] >= node.retry_at and begun[2] >= second
        assert step_of(record, "b").retry_at is None
        assert model.calls["b"] == WRITES + refusals + 1, "what was answered is not asked again"
