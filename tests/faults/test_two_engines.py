"""Row 18: two engines on one database, and the one that drives the run falls asleep, for longer than its lease.

The other takes the run over; the sleeper, when it wakes with work in its hands, is fenced off and writes nothing more.
"""

from __future__ import annotations

import signal
import time

from tests.support.faults import Disturbed, Place, Undisturbed, any_shape, at, seeded, workers_go
from tests.support.faults_story import Storyteller

LEASE = {"heartbeat": 0.1, "silent": 0.4}
PLACES = [
    *("before intent", "after intent", "before start", "after start", "frame", "before tool answer"),
    *("before model answer", "before files", "before result", "after result"),
]


@seeded
def test_row18_one_falls_asleep_and_the_other_takes_over(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model, settings=LEASE)
        where = at(place, run.passed, place.random.choice(PLACES), (0, 0, 1, 3), share=0.8)
        sleeper = run.start("begin", at=where, do="stop")
        sleeper.until(lambda told: bool(told.all("did")))
        successor = run.start("take over", run_id=sleeper.told.run_id, more={"patiently": True})
        successor.until(lambda told: bool(told.all("taken")))
        assert successor.told.one("taken") == ([sleeper.told.run_id],)
        time.sleep(place.random.uniform(0.0, 0.3))
        sleeper.signal(signal.SIGCONT)
        run.told.append(sleeper.end())
        assert run.told[0].code == 0
        assert run.over(successor).one("over") == ("completed", None)
        workers_go(run.told[0])
        run.ended()
        assert run.record.view.run.lease == 1, "it changed hands once"
        assert run.told[0].all("failed") == [], "it follows, and nothing is wrong"
