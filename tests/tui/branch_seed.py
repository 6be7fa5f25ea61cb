"""More runs of a seeded session: branches and replays of its first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from engine.model.changes import Add, Change
from engine.model.events import Event
from engine.model.records import Run
from tests.tui.seed import Seed

ESCAPES = "\x1b[31mred\x1b[0m \x1b]2;owned\x07 \u202egnp.exe"


class BranchSeed(Seed):
    """A run of another one's session. What it writes into `changed` is another content than its parent's."""

    changed: dict[str, bytes] = {}

    async def _commit(self, changes: list[Change]) -> None:
        await super()._commit([one for one in changes if not (isinstance(one, Add) and one.record is self.session)])

    async def _file(self, step: str, path: str, kind: str, data: bytes, parent: Event) -> None:
        await super()._file(step, path, kind, self.changed.get(path, data), parent)


def run_of(first: Seed, number: int, *, hours: float = 0, **lineage: object) -> BranchSeed:
    """A run of the session of `first`, so many hours older, which is to be begun or finished."""
    made = BranchSeed(first.store, first.blobs, number=number, start=first.start - timedelta(hours=hours))
    made.session = first.session
    made.run = replace(made.run, session_id=first.session.id, **lineage)  # type: ignore[arg-type]
    return made


def branch_of(parent: Seed, number: int, step: str, name: str, says: str = "", *, hours: float = 0) -> BranchSeed:
    """Another way on from a step, with what it is to show."""
    return run_of(
        parent,
        number,
        hours=hours,
        parent_run_id=parent.run.id,
        parent_node_id=parent.nodes[step].id,
        branch_name=name,
        hypothesis=says or None,
    )


async def seeded_tree(first: Seed) -> list[Run]:
    """A finished run, two branches of it (one with a branch of its own), a replay, and a run that began anew."""
    await first.finish()
    damped = branch_of(first, 2, "fit_damped", "heavier damping", "The damping grows with the amplitude.", hours=50)
    damped.changed = {"data/oscillation.csv": b"t,y,sigma\n0,1.5,0.08\n", "codebase/report.py": b"print('another')\n"}
    await damped.finish(fails="report")
    deeper = branch_of(damped, 3, "compare", "bayes", "Evidence, not chi squared, tells them apart.", hours=5)
    await deeper.wait_for_approval()
    again = run_of(first, 4, hours=3, replay_of=first.run.id)
    await again.finish()
    noise = branch_of(first, 5, "data", "宇宙 [b]noise[/b]", "[red]Is it[/] only noise? [@click=app.exit]x", hours=0.5)
    await noise.approve()
    anew = run_of(first, 6)
    await anew.begin()
    return [one.run for one in (first, damped, deeper, again, noise, anew)]
