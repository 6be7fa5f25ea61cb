"""Where runs come from: the runs of a session as a tree of branches and replays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.model.browsing import RunSummary


@dataclass(frozen=True, slots=True)
class Descendant:
    """A run in the tree. `depth` is 0 for one that comes from no other, `step` the step that a branch begins at."""

    summary: RunSummary
    depth: int
    step: str | None


def lineage(runs: Iterable[RunSummary], steps: dict[str, str]) -> list[Descendant]:
    """The runs of a session, each behind the one that it comes from, the oldest first. `steps` says which step a node
    stands for. A run whose origin is not among them stands for itself."""
    known = {one.run.id: one for one in sorted(runs, key=lambda one: one.run.id)}
    children: dict[str | None, list[RunSummary]] = {}
    for one in known.values():
        origin = one.run.parent_run_id or one.run.replay_of
        children.setdefault(origin if origin in known else None, []).append(one)
    found: list[Descendant] = []
    waiting = [(one, 0) for one in reversed(children.get(None, []))]
    while waiting:
        one, depth = waiting.pop()
        found.append(Descendant(one, depth, steps.get(one.run.parent_node_id or "")))
        waiting += [(child, depth + 1) for child in reversed(children.get(one.run.id, []))]
    return found
