"""The run's directory in CMBAgent's layout, for its users and their scripts: a view of what is stored, never a source.

planning/ final_plan.json, chats/, cost/, time/     control/ codebase/, data/, chats/, cost/, time/     context/
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from engine.model.changes import Add
from engine.model.errors import StorageError
from engine.model.events import Event, EventKind
from engine.model.ids import new_id
from engine.model.money import decimal_usd
from engine.model.records import Checkpoint, Cost, Json, Message, Node, NodeKind, Run, RunView, Session, TreeEntry
from engine.model.states import StepState
from engine.model.text import one_line
from engine.runs.spec import run_directory
from engine.runs.world import World


class Publisher:
    """Keeps one run's directory up with its checkpoints, in the background, one write after another."""

    def __init__(self, world: World, session: Session, run_id: str) -> None:
        self._world, self._session, self._run_id = world, session, run_id
        self._control: Path | None = None
        self._written: dict[str, str] = {}
        self._queue: list[Checkpoint] = []
        self._writer: asyncio.Task[None] | None = None

    async def plan(self, run: Run) -> None:
        """Begin: write the plan that is executed."""
        root = run_directory(self._session, run)
        self._control = root / "control"
        await self._guarded(_begin, root, run.plan)

    def add(self, checkpoint: Checkpoint) -> None:
        """Have a finished node's own files written, soon."""
        self._queue.append(checkpoint)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_queue())

    async def finish(self, tree: Iterable[TreeEntry] | None) -> None:
        """Write what is still to be written, the merged tree (None: leave it as it is) and the reports of every
        step."""
        await self.close()
        reads = self._world.store.reads(self._session.id)
        view = await reads.view(self._run_id)
        messages = await reads.messages(self._run_id, limit=100_000)
        costs = await reads.costs(self._run_id)
        await self._guarded(self._write_all, view, None if tree is None else tuple(tree), messages, costs)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writer:
            await self._writer

    async def _write_queue(self) -> None:
        while self._queue:
            checkpoint = self._queue.pop(0)
            own = tuple(entry for entry in checkpoint.tree if entry.node_id == checkpoint.node_id)
            if own and self._control:
                await self._guarded(self._write_tree, self._control, own)

    async def _guarded(self, write: Callable[..., None], *arguments: Any) -> None:
        """Write in a thread. What cannot be written is reported and stays in the store: the run does not fail for
        it."""
        try:
            await asyncio.to_thread(write, *arguments)
        except (OSError, StorageError) as error:
            message = f"the run's directory could not be written: {one_line(str(error))}"
            data: Json = {"category": "disk", "message": message, "hint": "The results are in the database."}
            now = self._world.clock.now()
            event = Event(new_id(), self._session.id, self._run_id, EventKind.ERROR, now, title=message, data=data)
            await self._world.store.commit(Add(event))

    def _write_tree(self, control: Path, tree: Iterable[TreeEntry]) -> None:
        for entry in tree:
            if self._written.get(entry.path) != entry.sha256:
                target = control / entry.path
                target.parent.mkdir(parents=True, exist_ok=True)
                fresh = _unfinished(control.parent) / target.name
                self._world.blobs.materialise(entry.sha256, fresh)
                fresh.replace(target)
                self._written[entry.path] = entry.sha256

    def _write_all(
        self, view: RunView, tree: tuple[TreeEntry, ...] | None, messages: list[Message], costs: list[Cost]
    ) -> None:
        root = run_directory(self._session, view.run)
        if tree is not None:
            self._write_tree(root / "control", tree)
            ever = {artifact.path for artifact in view.artifacts}  # by this process or another
            for stale in ever.union(self._written) - {entry.path for entry in tree}:
                (root / "control" / stale).unlink(missing_ok=True)
        number = 0
        for node in view.nodes:
            if node.kind is NodeKind.PLANNING:
                _reports(root / "planning", "planning", node, view, messages, costs)
            elif node.kind is NodeKind.STEP:
                number += 1
                _reports(root / "control", f"step_{number}", node, view, messages, costs)
        summaries = {attempt.node_id: attempt.summary for attempt in view.attempts if attempt.summary}
        told = (node for node in view.nodes if node.id in summaries and node.kind is not NodeKind.TERMINATOR)
        context = {node.step: summaries[node.id] for node in told}
        _write_json(root / "context" / "context.json", context)


async def publish(world: World, session: Session, run_id: str) -> None:
    """Write the whole directory of a run that is over, from what is stored of it."""
    publisher = Publisher(world, session, run_id)
    reads = world.store.reads(session.id)
    view = await reads.view(run_id)
    if view.run.plan is not None:
        await publisher.plan(view.run)
    gathered: tuple[TreeEntry, ...] | None = None
    for node in view.nodes:
        checkpoint = await reads.checkpoint(node.id) if node.state is StepState.COMPLETED else None
        if checkpoint and node.kind is NodeKind.TERMINATOR:
            gathered = checkpoint.tree
        elif checkpoint:
            publisher.add(checkpoint)
    await publisher.finish(gathered)


def _begin(root: Path, plan: Json | None) -> None:
    shutil.rmtree(_unfinished(root), ignore_errors=True)
    _write_json(root / "planning" / "final_plan.json", plan)


def _unfinished(root: Path) -> Path:
    """Where files are made that then go to their place at once: a process that is killed leaves no halves there."""
    return root / "work" / ".unfinished"


def _reports(root: Path, name: str, node: Node, view: RunView, messages: list[Message], costs: list[Cost]) -> None:
    chat = [
        {"name": one.sender, "role": one.role, "content": one.content, "at": one.at.isoformat()}
        for one in messages
        if one.node_id == node.id
    ]
    rows: list[dict[str, Any]] = [
        {
            "Agent": one.agent,
            "Cost ($)": None if one.usd_micro is None else decimal_usd(one.usd_micro),
            "Prompt Tokens": one.prompt_tokens,
            "Completion Tokens": one.completion_tokens,
            "Total Tokens": one.prompt_tokens + one.completion_tokens,
            "Model": one.model,
        }
        for one in costs
        if one.node_id == node.id
    ]
    times = [
        {
            "attempt": one.number,
            "state": one.state.value,
            "seconds": (one.ended_at - one.started_at).total_seconds() if one.ended_at else None,
        }
        for one in view.attempts
        if one.node_id == node.id
    ]
    _write_json(root / "chats" / f"chat_history_{name}.json", chat)
    _write_json(root / "cost" / f"cost_report_{name}.json", rows)
    _write_json(root / "time" / f"timing_report_{name}.json", times)


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
