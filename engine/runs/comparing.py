"""What came of a replay beside what came of the run that it replays: file by file, as events of the replay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from engine.compare.trees import Content, compare_trees
from engine.model.changes import Add, Change
from engine.model.comparison import Comparison, FileComparison, Likeness
from engine.model.events import Event, EventKind
from engine.model.ids import new_id, short
from engine.model.options import RunOptions
from engine.model.records import Attempt, Checkpoint, Json, Node, NodeKind, Run, RunView, TreeEntry
from engine.model.states import RunState
from engine.ports import SessionReads
from engine.runs.world import World

_PAGE = 1000


async def compared(world: World, run: Run, terminator: Node | None, tree: Sequence[TreeEntry] | None) -> list[Change]:
    """What is to be written of how a replay's files compare with those of the run that it replays: one event a file,
    and one in sum. Nothing for a run that is no replay.

    `tree` is what the replay comes to; None when it has failed: then each step's own files are compared.
    """
    if run.replay_of is None:
        return []
    reads = world.store.reads(run.session_id)
    before, view = await reads.view(run.replay_of), await reads.view(run.id)
    whole = tree is not None and before.run.state is RunState.COMPLETED
    first = await contents_of(reads, before, whole=whole)
    second = _merged(view, tree) if whole and tree is not None else await contents_of(reads, view, whole=False)
    found = await compare_trees(first, second, world.blobs)
    requests, changed = await _requests(reads, run, view)
    found = replace(found, requests=requests, changed=changed)
    at, node_id = world.clock.now(), terminator.id if terminator else None
    events = [_file_event(run, node_id, file, at) for file in found.files]
    return [Add(event) for event in (*events, _summary_event(run, node_id, found, at))]


async def comparison_of(reads: SessionReads, run_id: str) -> Comparison | None:
    """How a replay's files compared in the end; None when they were not compared, or the run is no replay."""
    if (await reads.run(run_id)).replay_of is None:
        return None
    found: Comparison | None = None
    files: list[FileComparison] = []
    after = 0
    while page := await reads.events(run_id, after=after, limit=_PAGE, kinds=(EventKind.CHECK,)):
        after = page[-1].seq
        for event in page:
            if event.attempt_id is not None:  # a worker's word, on a step's own checks
                continue
            if "file" in event.data:
                files.append(FileComparison.from_json(event.data["file"]))
            elif "counts" in event.data:
                counts = {Likeness(name): int(count) for name, count in event.data["counts"].items()}
                found = Comparison(tuple(files), counts, event.data["requests"], event.data["changed"])
                files = []
    return found


def _file_event(run: Run, node_id: str | None, file: FileComparison, at: datetime) -> Event:
    words = file.detail if file.likeness is Likeness.IDENTICAL else f"{_WORDS[file.likeness]}: {file.detail}"
    data: Json = {"name": file.path, "ok": file.likeness.ok, "detail": words, "file": file.to_json()}
    return _event(run, node_id, file.path, data, at)


def _summary_event(run: Run, node_id: str | None, found: Comparison, at: datetime) -> Event:
    name = f"replay of run {short(run.replay_of or '')}"
    data: Json = {
        "name": name,
        "ok": found.ok,
        "detail": found.summary(),
        "counts": {likeness.value: count for likeness, count in found.counts.items()},
        "requests": found.requests,
        "changed": found.changed,
    }
    return _event(run, node_id, f"{name}: {found.summary()}", data, at)


def _event(run: Run, node_id: str | None, title: str, data: Json, at: datetime) -> Event:
    return Event(new_id(), run.session_id, run.id, EventKind.CHECK, at, node_id=node_id, title=title, data=data)


_WORDS = {
    Likeness.WITHIN_TOLERANCE: "within tolerance",
    Likeness.DIFFERENT: "differs",
    Likeness.MISSING: "missing",
    Likeness.ADDED: "added",
}


async def contents_of(reads: SessionReads, view: RunView, *, whole: bool) -> dict[str, Content]:
    """The files that a run came to; or (also where it came to no end) each step's own ones, by step and path."""
    left = {one.node_id: one for one in await reads.checkpoints(view.run.id)}
    end = next((node for node in view.nodes if node.kind is NodeKind.TERMINATOR and node.id in left), None)
    if whole and end is not None:
        return _merged(view, left[end.id].tree)
    found: dict[str, Content] = {}
    for node in view.nodes:
        if node.kind is NodeKind.STEP:
            for one in _own(view, node, left.get(node.id)):
                found[f"{one.step}\0{one.path}"] = one
    return found


def _merged(view: RunView, tree: Iterable[TreeEntry]) -> dict[str, Content]:
    steps = {node.id: node.step for node in view.nodes}
    return {one.path: Content(one.path, steps.get(one.node_id, ""), one.sha256, one.size) for one in tree}


def _own(view: RunView, node: Node, left: Checkpoint | None) -> Iterable[Content]:
    """What a step wrote: its checkpoint says so, or, if it failed, the artifacts of its last attempt."""
    if left is not None:
        own = [one for one in left.tree if one.node_id == node.id]
        return [Content(one.path, node.step, one.sha256, one.size) for one in own]
    attempts = [one for one in view.attempts if one.node_id == node.id]
    last = max(attempts, key=lambda one: one.number, default=None)
    written = [one for one in view.artifacts if last and one.attempt_id == last.id]
    return {one.path: Content(one.path, node.step, one.sha256, one.size) for one in written}.values()


def last_attempts(view: RunView) -> dict[str, Attempt]:
    """The newest attempt of the planning and of each step, by step."""
    steps = {node.id: node.step for node in view.nodes if node.kind in (NodeKind.PLANNING, NodeKind.STEP)}
    ordered = sorted(view.attempts, key=lambda one: one.number)
    return {steps[attempt.node_id]: attempt for attempt in ordered if attempt.node_id in steps}


async def _requests(reads: SessionReads, run: Run, view: RunView) -> tuple[int, int]:
    """How many model calls a replay made, and how many of them were not the recorded ones word for word."""
    replaying = RunOptions.from_json(run.options).replay
    made = changed = 0
    for step, attempt in last_attempts(view).items():
        recorded_id = replaying.attempts.get(step) if replaying else None
        recorded = await reads.journal(recorded_id) if recorded_id else []
        hashes = {(one.agent, one.sequence): one.request_hash for one in recorded}
        for entry in await reads.journal(attempt.id):
            if entry.kind == "model":
                made += 1
                changed += hashes.get((entry.agent, entry.sequence)) != entry.request_hash
    return made, changed
