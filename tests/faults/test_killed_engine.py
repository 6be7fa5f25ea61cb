"""Rows 1 to 6: the engine is killed at one exact place of a run, and another one goes on.

Whatever the place: what was acknowledged is stored, the states are legal, nobody outlives the engine, and the run comes
to what it comes to when nothing happens, without a completed step or an answered call having been done again.
"""

from __future__ import annotations

import time

import pytest

from engine.model.records import AttemptState
from tests.support.faults import Disturbed, Place, Undisturbed, any_shape, at, killed, seeded, workers_go
from tests.support.faults_story import Storyteller

TURNS = (0, 0, 0, 1, 2, 3, 5, 8, 13)
# A program leaves a mark each time it runs, where no step's directory is.
MARKS = "import pathlib, time\ntime.sleep(0.02)\nopen(pathlib.Path.cwd().parents[1] / 'marks', 'a').write('x')\n"
PLACES = {
    "row1": ["before attempt", "before intent"],
    "row2": ["after intent", "before start"],
    "row4": ["before files", "after files", "before tool answer", "before model answer", "before result", "before end"],
    "row5": ["after result", "after end"],
}


@seeded
@pytest.mark.parametrize("row", PLACES)
def test_killed_at_a_commit_or_a_start(place: Place, undisturbed: Undisturbed, row: str) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model)
        told = run.live("begin", at=at(place, run.passed, place.random.choice(PLACES[row]), TURNS))
        killed(told)
        workers_go(told)
        if row == "row2":
            stopped = [one for one in place.record(run.run_id).view.attempts if one.state is AttemptState.RUNNING]
            assert {attempt for _, attempt, *_ in told.all("worker")} >= set() and stopped
        run.goes_on()


@seeded
def test_row3_killed_while_workers_run(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place), MARKS) as model:
        run = Disturbed(place, undisturbed, model)
        if place.random.random() < 0.5:
            told = run.live("begin", at=at(place, run.passed, "frame", TURNS, share=0.8))
        else:
            life = run.start("begin")
            life.until(lambda told: bool(told.all("worker")))
            time.sleep(place.random.uniform(0.0, 0.1))
            life.signal(9)
            told = run.over(life)
        killed(told)
        if place.random.random() < 0.5:
            workers_go(told)
        run.goes_on()
        workers_go(told)
        (marks,) = place.home.glob("sessions/*/*/work/marks")
        assert marks.read_text() in ("x", "xx"), "the program runs at most once more"


@seeded
def test_row6_killed_in_the_middle_of_a_batch(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model)
        told = run.live("begin", at=at(place, run.passed, "statement", share=0.8))
        killed(told)
        workers_go(told)
        run.goes_on()
