"""Row 20, first half: the process that starts workers is killed in the middle of a run, and takes them along.

It is started again, and every attempt goes on in a new worker from its journal: the engine lives, and so does the run.
"""

from __future__ import annotations

from tests.support.faults import Disturbed, Place, Undisturbed, any_shape, at, seeded, workers_go
from tests.support.faults_story import Storyteller

PLACES = [
    *("before intent", "after intent", "before start", "after start", "frame", "frame", "before tool answer"),
    *("before model answer", "before files", "before result", "after result"),
]


@seeded
def test_row20_the_parent_of_the_workers_is_killed(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model)
        where = at(place, run.passed, place.random.choice(PLACES), (0, 0, 1, 2, 5), share=0.8)
        told = run.live("begin", at=where, do="kill zygote")
        assert told.all("did")
        assert told.one("over") == ("completed", None)
        workers_go(told)
        run.ended()
