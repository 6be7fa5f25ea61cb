"""A home with a session that has something in every table, beside another session; and its archive."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import storage
from engine.model.changes import Add, EndAttempt, Own
from engine.model.clients import Client
from engine.model.events import EventKind
from engine.model.ids import new_id
from engine.model.plan import Plan
from engine.model.records import (
    Artifact,
    Attempt,
    AttemptState,
    Checkpoint,
    CheckResult,
    Edge,
    EdgeKind,
    Message,
    Mode,
    Run,
    Session,
    SessionState,
    TreeEntry,
)
from engine.model.states import RunState
from tests.support.journals import plan, step
from tests.unit.storage.conftest import START, Research

FIGURE = b"a figure" * 1000
NOISE = random.Random(7).randbytes(50_000)
PLAN = Plan.parse(plan(step("fit", outputs=["data/fit.json"]), step("tell", "fit"))).model_dump(mode="json")


@dataclass
class Carried:
    """What the tests know of the session and of its neighbour."""

    home: Path
    archive: Path
    research: Research = field(default_factory=lambda: _research("/elsewhere/sessions/mine"))
    other: Research = field(default_factory=lambda: _research("/elsewhere/sessions/other"))
    newcomer: Research = field(default_factory=lambda: _research("/elsewhere/sessions/newcomer"))
    secret_of_the_other: str = "what only the other session knows"
    owner: str = field(default_factory=new_id)
    figure: str = ""
    noise: str = ""

    def __post_init__(self) -> None:
        r = self.research
        self.second = r.new_node("tell", 1, feedback="be brief", retry_at=r.at(60))
        self.branch = Run(
            new_id(),
            r.session.id,
            RunState.DRAFT,
            Mode.PLANNING_CONTROL,
            "And if it is driven?",
            {"max_parallel": 1},
            r.at(20),
            parent_run_id=r.run.id,
            parent_node_id=r.node.id,
            branch_name="driven",
            hypothesis="a force",
        )

    async def fill(self, home: Path, *sessions: Research) -> None:
        """Write whole sessions into a home."""
        store, blobs = storage.open_store(home)
        await store.open()
        for r in sessions:
            self.figure, self.noise, table = blobs.put(FIGURE), blobs.put(NOISE), blobs.put(b"t,x\n")
            mine = r is self.research
            words = "what this session knows" if mine else self.secret_of_the_other
            event = r.event("x" * 40_000, title=words)
            made = r.event(
                kind=EventKind.FILE_GEN,
                data={"path": "f.png", "sha256": self.figure, "size": len(FIGURE), "change": "added", "kind": "figure"},
            )
            place = (r.session.id, r.run.id, r.node.id, r.attempt.id)
            artifact = Artifact(
                new_id(), *place, made.id, r.at(2), "engineer", "f.png", self.figure, len(FIGURE), "figure"
            )
            tree = (
                TreeEntry("f.png", self.figure, len(FIGURE), r.node.id),
                TreeEntry("raw/noise.npy", self.noise, len(NOISE), r.node.id),
                TreeEntry("t.csv", table, 4, r.node.id),
            )
            await store.commit(
                Add(Client(self.owner, 1, "here", "", START, START)),
                *r.opening(),
                Add(self.second if mine else r.new_node("tell", 1)),
                Own(r.session.id, r.run.id, self.owner, None, 0),
                Add(SessionState(r.session.id, 1, r.at(1), [{"said": words}], {"seen": words * 2000}, None)),
                r.move_run("draft", "executing"),
                r.move_node("pending", "running"),
                Add(event),
                Add(made),
                Add(r.event(kind=EventKind.RUN_STATE, data={"before": "draft", "after": "executing"})),
                Add(Message(new_id(), *place, event.id, r.at(3), "engineer", "assistant", f"{words}\n\tµ ✓")),
                Add(artifact),
                Add(Checkpoint(new_id(), *place, r.at(4), tree, {"k": 2})),
                Add(r.journal(1, {"response": {"text": "\x1b[31mred\x1b[0m", "long": words * 2000}})),
                Add(r.journal(2, None, kind="tool", repeatable=False)),
                Add(r.approval(shown={"plan": PLAN})),
                Add(r.cost(5, event_id=event.id)),
                Add(r.cost(None)),
                Add(r.command()),
            )
            if mine:
                await store.commit(
                    Add(Edge(r.session.id, r.run.id, r.node.id, self.second.id, EdgeKind.SEQUENTIAL)),
                    Add(self.branch),
                )
            else:
                checks = (CheckResult("one", True, "it is"),)
                await store.commit(
                    EndAttempt(r.session.id, r.attempt.id, AttemptState.COMPLETED, r.at(9), "Done.", None, checks),
                    r.move_node("running", "completed"),
                )
        await store.close()


def _research(directory: str) -> Research:
    session = Session(new_id(), "Is it damped?", Mode.PLANNING_CONTROL, directory, START, START, ("physics",))
    r = Research(session)
    r.run = r.new_run(plan=PLAN)
    r.node = r.new_node("fit")
    r.attempt = Attempt(
        new_id(),
        session.id,
        r.run.id,
        r.node.id,
        1,
        "first",
        AttemptState.RUNNING,
        r.at(1),
        workdir=f"{directory}/work/fit/1",
    )
    return r


async def make_carried(directory: Path) -> Carried:
    """The session, its home and its archive."""
    made = Carried(directory / "home", directory / "carried.zip")
    await made.fill(made.home, made.research, made.other)
    export_to(made.home, made.research, made.archive)
    return made


def export_to(home: Path, research: Research, file: Path) -> Path:
    """Export a session."""
    storage.export_session(home, None, research.session.id, file, "test", lambda *_: None)
    return file


def import_from(file: Path, home: Path, max_size: int | None = None) -> str:
    """Import a session; return its id."""
    return storage.import_session(home, None, file, home / "sessions", lambda *_: None, max_size)
