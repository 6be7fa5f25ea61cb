"""A run of many events, laid into a store: what the timeline's benchmark opens."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import storage
from engine.model.changes import Add, Change, EndAttempt
from engine.model.events import Event, EventKind, Phase, node_data
from engine.model.ids import new_id
from engine.model.records import (
    Artifact,
    Attempt,
    AttemptState,
    Cost,
    Edge,
    EdgeKind,
    Json,
    Mode,
    Node,
    NodeKind,
    Run,
    Session,
)
from engine.model.states import RunState, StepState

START = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
NODES = 200
_CODE = "import numpy as np\n" + "x = np.linspace(0, 1)  # a line of the program\n" * 30
K, P = EventKind, Phase


class Writing:
    """The events of one run, one after another, a tenth of a second apart."""

    def __init__(self, events: int, nodes: int = NODES, state: RunState = RunState.COMPLETED) -> None:
        self.now = START
        self.left, self.nodes = events, nodes
        self.session = Session(new_id(), "A long study", Mode.DEEP_RESEARCH, "/research", START, START)
        self.run = Run(
            new_id(), self.session.id, state, Mode.DEEP_RESEARCH, "Study it.", {}, START,
            started_at=START, ended_at=START,
        )  # fmt: skip

    def event(
        self, kind: EventKind, node: Node, attempt: Attempt | None, agent: str, under: str | None = None,
        phase: Phase = P.POINT, of: Event | None = None, title: str = "", data: Json | None = None,
    ) -> Event:  # fmt: skip
        self.now += timedelta(seconds=0.1)
        self.left -= 1
        return Event(
            new_id(), self.session.id, self.run.id, kind, self.now, phase, node.id, attempt.id if attempt else None,
            under, of.id if of else None, agent, title, data or {},
        )  # fmt: skip

    def changes(self) -> Iterator[Change]:
        """All of it, until there are so many events."""
        yield Add(self.session)
        yield Add(self.run)
        each = self.left // self.nodes
        last: Node | None = None
        for number in range(self.nodes):
            node = Node(
                new_id(), self.session.id, self.run.id, f"step_{number:03}", NodeKind.STEP, f"Step {number}",
                "engineer", number, StepState.COMPLETED, started_at=START, ended_at=START,
            )  # fmt: skip
            yield Add(node)
            if last is not None:
                yield Add(Edge(self.session.id, self.run.id, last.id, node.id, EdgeKind.SEQUENTIAL))
            last = node
            yield from self._attempt(node, self.left - each * (self.nodes - number - 1))

    def _attempt(self, node: Node, events: int) -> Iterator[Change]:
        one = Attempt(
            new_id(), self.session.id, self.run.id, node.id, 1, "first", AttemptState.RUNNING, self.now
        )  # fmt: skip
        yield Add(self.event(K.NODE, node, None, "engine", title=node.title, data=node_data(node, [])))
        yield Add(one)
        turn = self.event(K.AGENT_CALL, node, one, "engineer", phase=P.START, title="engineer", data={"attempt": 1})
        yield Add(turn)
        for number in range((events - 3) // 10):
            yield from self._call(node, one, turn, number)
        for number in range((events - 3) % 10):
            yield Add(
                self.event(
                    K.OUTPUT, node, one, "engineer", turn.id, data={"text": f"line {number}", "stream": "stdout"}
                )
            )
        yield Add(
            self.event(K.AGENT_CALL, node, one, "engineer", phase=P.END, of=turn, title="engineer", data={"ok": True})
        )
        yield EndAttempt(self.session.id, one.id, AttemptState.COMPLETED, self.now, "It is done. " * 20, None, ())

    def _call(self, node: Node, one: Attempt, turn: Event, number: int) -> Iterator[Change]:
        """Ten events: a model is asked, its tool runs code, which writes a file; each fortieth program fails."""
        agent, path = "engineer", f"data/{node.step}_{number}.json"
        model = self.event(
            K.MODEL_CALL, node, one, agent, turn.id, P.START, title="gpt-5",
            data={"model": "openai:gpt-5", "sequence": number},
        )  # fmt: skip
        yield Add(model)
        cost = Cost(
            new_id(), self.session.id, self.run.id, node.id, one.id, model.id, self.now, agent, "openai:gpt-5",
            1200, 340, 0, 2150, "test",
        )  # fmt: skip
        yield Add(cost)
        tokens = {"model": "openai:gpt-5", "prompt_tokens": 1200, "completion_tokens": 340, "usd_micro": 2150}
        yield Add(self.event(K.COST, node, one, agent, model.id, data=tokens))
        text = f"I fit the model to part {number} of the data, and look at the residuals. " * 2
        yield Add(
            self.event(
                K.MESSAGE, node, one, agent, model.id, title=f"assistant: {text[:100]}", data={"role": "assistant"}
            )
        )
        yield Add(
            self.event(K.MODEL_CALL, node, one, agent, turn.id, P.END, model, "gpt-5", data={"ok": True, "text": text})
        )
        tool = self.event(
            K.TOOL_CALL, node, one, agent, turn.id, P.START, title="run_code",
            data={"tool": "run_code", "arguments": {"file": f"codebase/{path}.py"}},
        )  # fmt: skip
        yield Add(tool)
        code = self.event(
            K.CODE_EXEC, node, one, agent, tool.id, P.START, title=f"codebase/{path}.py", data={"code": _CODE}
        )  # fmt: skip
        yield Add(code)
        file = self.event(
            K.FILE_GEN, node, one, agent, code.id,
            data={"path": path, "size": 812, "kind": "data", "change": "added", "sha256": "0" * 64},
        )  # fmt: skip
        yield Add(
            Artifact(
                new_id(), self.session.id, self.run.id, node.id, one.id, file.id, self.now, agent, path, "0" * 64, 812,
                "data",
            )
        )  # fmt: skip
        yield Add(file)
        failed = number % 40 == 39
        yield Add(
            self.event(
                K.CODE_EXEC, node, one, agent, tool.id, P.END, code, f"codebase/{path}.py",
                data={"exit": int(failed), "seconds": 0.4, "stdout": f"chi2_per_dof = 1.{number}\n" * 5, "stderr": ""},
            )
        )  # fmt: skip
        yield Add(
            self.event(
                K.TOOL_CALL, node, one, agent, turn.id, P.END, tool, "run_code", data={"ok": True, "result": "exit"}
            )
        )


async def write(home: Path, events: int, nodes: int = NODES, state: RunState = RunState.COMPLETED) -> Run:
    """A store with one run of so many events; returns the run."""
    store, _ = storage.open_store(home)
    await store.open()
    try:
        writing = Writing(events, nodes, state)
        gathered: list[Change] = []
        for change in writing.changes():
            gathered.append(change)
            if len(gathered) >= 2000:
                await store.commit(*gathered)
                gathered = []
        await store.commit(*gathered)
        return writing.run
    finally:
        await store.close()


if __name__ == "__main__":
    print(asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2]))).id)
