"""Rows 16 and 17: the disk, the database or the thread that writes fails in the middle of a run.

The run stands still and says why; nothing that was acknowledged is lost, and nothing is taken to be done that is not
stored. Once the trouble is over the run goes on.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.faults import Disturbed, Place, Undisturbed, any_shape, at, seeded, seeds, workers_go
from tests.support.faults_story import Storyteller

PLACES = ["before intent", "after intent", "before tool answer", "before model answer", "before result"]
WORDS = {
    "fill disk": "no space is left on the disk of",
    "fail disk": "the disk of",
    "refuse writes": "may not be written to",
    "lock": "was locked by another process",
    "end writer": "the thread that writes the database ended",
}


@pytest.mark.parametrize("deed", ["fill disk", "fail disk", "refuse writes", "lock"])
@pytest.mark.parametrize("seed", seeds(share=3))
def test_row16_the_database_cannot_be_written(place: Place, undisturbed: Undisturbed, deed: str) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model)
        # For good, or over so soon that the run may say in its own rows why it stands still.
        seconds = place.random.choice([60.0, 0.2]) if deed == "lock" else place.random.choice([None, 0.03])
        told = run.live("begin", **_trouble(place, run, deed, seconds=seconds, busy=0.1))
        if told.all("failed") or seconds is None:  # else it was over before there was anything to write
            stands_still(run, WORDS[deed])
        workers_go(told)
        run.goes_on()


@pytest.mark.parametrize("seed", seeds(share=4))
def test_row16_another_process_writes_for_a_while(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model)
        run.live("begin", **_trouble(place, run, "lock", seconds=place.random.uniform(0.0, 0.4)))
        run.ended()


@seeded
def test_row17_the_thread_that_writes_dies(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model)
        told = run.live("begin", **_trouble(place, run, "end writer"))
        stands_still(run, WORDS["end writer"])
        workers_go(told)
        run.goes_on()


def stands_still(run: Disturbed, words: str) -> None:
    """The run is not over, and whoever waits for it is told why; so is, once it can be written, whoever looks later."""
    told = run.told[-1]
    assert told.code == 0
    ((cause, hint),) = told.all("failed")
    assert words in cause and hint
    assert not run.record.view.run.state.terminal
    if run.record.view.run.state == "paused":
        assert any(words in move.why for move in run.record.history if move.after == "paused")


def _trouble(place: Place, run: Disturbed, deed: str, **more: Any) -> dict[str, Any]:
    """Has a deed done at one of the places of a run, but not when nothing is left to be written."""
    return {"at": at(place, run.passed, place.random.choice(PLACES), share=0.8), "do": deed, "more": more}
