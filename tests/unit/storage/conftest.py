"""A store on a real file, and one session's worth of records to fill it with."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import storage
from engine.model.changes import Add, Change, Move
from engine.model.clients import Command
from engine.model.events import Event, EventKind
from engine.model.ids import new_id
from engine.model.records import (
    Approval,
    ApprovalState,
    Attempt,
    AttemptState,
    Cost,
    JournalEntry,
    Mode,
    Node,
    NodeKind,
    Run,
    Session,
    StateChange,
)
from engine.model.states import Actor, RunState

START = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


@dataclass
class Research:
    """One session with one run of one node, tried once; more is made from it."""

    session: Session = field(
        default_factory=lambda: Session(new_id(), "Is it damped?", Mode.PLANNING_CONTROL, "/research", START, START)
    )

    def __post_init__(self) -> None:
        self.run = self.new_run()
        self.node = self.new_node("fit")
        self.attempt = Attempt(
            new_id(), self.session.id, self.run.id, self.node.id, 1, "first", AttemptState.RUNNING, self.at(1)
        )

    @staticmethod
    def at(seconds: float) -> datetime:
        return START + timedelta(seconds=seconds)

    def opening(self) -> list[Change]:
        return [Add(self.session), Add(self.run), Add(self.node), Add(self.attempt)]

    def new_run(self, **values: Any) -> Run:
        return Run(
            **{
                "id": new_id(),
                "session_id": self.session.id,
                "state": RunState.DRAFT,
                "mode": Mode.PLANNING_CONTROL,
                "task": "Is this oscillator damped?",
                "options": {"max_parallel": 2},
                "created_at": START,
                **values,
            }
        )

    def new_node(self, step: str, position: int = 0, **values: Any) -> Node:
        return Node(
            new_id(), self.session.id, self.run.id, step, NodeKind.STEP, f"Do {step}", "engineer", position, **values
        )

    def event(self, text: str = "", **values: Any) -> Event:
        return Event(
            **{
                "id": new_id(),
                "session_id": self.session.id,
                "run_id": self.run.id,
                "kind": EventKind.OUTPUT,
                "at": self.at(2),
                "node_id": self.node.id,
                "attempt_id": self.attempt.id,
                "agent": "engineer",
                "title": "printed",
                "data": {"stream": "stdout", "text": text},
                **values,
            }
        )

    def journal(self, sequence: int, answer: dict[str, Any] | None, **values: Any) -> JournalEntry:
        return JournalEntry(
            **{
                "session_id": self.session.id,
                "run_id": self.run.id,
                "attempt_id": self.attempt.id,
                "agent": "engineer",
                "sequence": sequence,
                "kind": "model",
                "request_hash": "ab" * 32,
                "request": ["user 12ab", "assistant 34cd"],
                "answer": answer,
                "at": self.at(3),
                "name": "openai:gpt-5",
                **values,
            }
        )

    def approval(self, **values: Any) -> Approval:
        return Approval(
            **{
                "id": new_id(),
                "session_id": self.session.id,
                "run_id": self.run.id,
                "node_id": None,
                "kind": "plan",
                "title": "The plan",
                "shown": {"steps": []},
                "state": ApprovalState.PENDING,
                "created_at": self.at(4),
                **values,
            }
        )

    def cost(self, usd_micro: int | None, prompt: int = 10, completion: int = 5, **values: Any) -> Cost:
        return Cost(
            **{
                "id": new_id(),
                "session_id": self.session.id,
                "run_id": self.run.id,
                "node_id": self.node.id,
                "attempt_id": self.attempt.id,
                "event_id": None,
                "at": self.at(5),
                "agent": "engineer",
                "model": "openai:gpt-5",
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "cached_tokens": 3,
                "usd_micro": usd_micro,
                "price_source": "test",
                **values,
            }
        )

    def command(self, verb: str = "pause") -> Command:
        return Command(new_id(), self.session.id, self.run.id, verb, {"why": "lunch"}, "someone", self.at(6))

    def move_run(self, before: str, after: str, *, error: str | None = None, at: float = 7, **values: Any) -> Move:
        return self.move("run", self.run.id, before, after, error=error, at=at, **values)

    def move_node(self, before: str, after: str, *, error: str | None = None, at: float = 7, **values: Any) -> Move:
        return self.move("node", self.node.id, before, after, error=error, at=at, **values)

    def move(
        self,
        entity: str,
        identifier: str,
        before: str,
        after: str,
        *,
        error: str | None = None,
        at: float = 7,
        actor: Actor = Actor.ENGINE,
        session_id: str | None = None,
    ) -> Move:
        change = StateChange(
            session_id or self.session.id,
            self.run.id,
            entity,
            identifier,
            before,
            after,
            actor,
            "the tests",
            "because",
            self.at(at),
        )
        return Move(change, error)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def store(home: Path) -> AsyncIterator[Any]:
    made, _ = storage.open_store(home)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def research() -> Research:
    return Research()


@pytest.fixture
def another() -> Research:
    """A second session, that must not be reached from the first."""
    return Research()


@pytest.fixture(scope="session")
def carried_once(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tests.support.carried import make_carried

    return asyncio.run(make_carried(tmp_path_factory.mktemp("carried")))


@pytest.fixture
def carried(carried_once: Any, tmp_path: Path) -> Any:
    """A home with a session to be carried, and the session's archive (see tests.support.carried)."""
    shutil.copytree(carried_once.home, tmp_path / "home")
    mine = copy(carried_once)
    mine.home, mine.archive = tmp_path / "home", Path(shutil.copy(carried_once.archive, tmp_path / "carried.zip"))
    return mine


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("empty") / "home"
    storage.upgrade(home)
    return home


@pytest.fixture
def elsewhere(empty_home: Path, tmp_path: Path) -> Path:
    """Another home, with a database in which nothing is."""
    return Path(shutil.copytree(empty_home, tmp_path / "elsewhere"))
