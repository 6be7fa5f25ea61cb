"""Row 19: the wall clock jumps an hour, forth or back, while the other one goes on.

Nothing expires before its time, and no living owner loses its run.
"""

from __future__ import annotations

from tests.support.faults import PLANNED, Disturbed, Place, Undisturbed, any_shape, at, killed, seeded
from tests.support.faults_story import Storyteller

HOUR = 3600.0
PLACES = ["before intent", "after intent", "frame", "before tool answer", "before result", "after result"]


@seeded
def test_row19_the_clock_jumps(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model)
        jump = {"do": "jump", "more": {"seconds": place.random.choice([HOUR, -HOUR])}}
        told = run.live("begin", **jump, at=at(place, run.passed, place.random.choice(PLACES), (0, 1, 5), share=0.8))
        assert told.one("over") == ("completed", None) and told.all("did")
        run.ended()


@seeded
def test_row19_the_clock_jumps_between_two_engines(place: Place, undisturbed: Undisturbed) -> None:
    """The one that goes on has a clock that is an hour off; what waits for a person does not expire early for that."""
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model, planned=True)
        run.live("begin", **{**PLANNED, "options": {**PLANNED["options"], "approval_deadline": 4 * HOUR}})
        ahead = {"ahead": place.random.choice([HOUR, -HOUR])}
        told = run.live("settle", more=ahead, at=at(place, run.passed, place.random.choice(PLACES), (0, 1), share=0.8))
        killed(told)
        assert told.all("late") == []
        run.goes_on()
