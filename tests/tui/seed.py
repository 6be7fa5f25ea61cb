"""A run as the engine writes it, laid into a real store: what the screens are tested on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.model.changes import Add, Change, EndAttempt, SettleApproval
from engine.model.checked import Checked
from engine.model.events import Event, EventKind, Phase
from engine.model.ids import new_id
from engine.model.plan import Plan
from engine.model.records import (
    Approval,
    ApprovalState,
    Artifact,
    Attempt,
    AttemptState,
    CheckResult,
    Cost,
    Json,
    Message,
    Mode,
    Node,
    Run,
    Session,
)
from engine.model.states import Actor, RunState, StepState
from engine.ports import Blobs, Store
from engine.runs.graph import add_nodes, opening_nodes
from engine.runs.moves import By, approval_event, engine, move_node, move_run
from engine.runs.plans import ask_for_approval, execute_plan

START = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
PERSON = By(Actor.PERSON, "ada", "plan approved")
PLAN_FILE = Path(__file__).parents[2] / "cmbagent_tui" / "demos" / "oscillator" / "plan.yaml"

CODE = '''\
"""Fit a damped cosine to the measurement."""

import json

import numpy as np
from scipy.optimize import curve_fit


def model(t: np.ndarray, amplitude: float, gamma: float, omega: float) -> np.ndarray:
    return amplitude * np.exp(-gamma * t) * np.cos(omega * t)


t, y, sigma = np.loadtxt("data/oscillation.csv", delimiter=",", skiprows=1, unpack=True)
best, covariance = curve_fit(model, t, y, p0=[1, 0.1, 6.28], sigma=sigma)
json.dump({"gamma": best[1]}, open("data/fit.json", "w"))
print("gamma =", best[1])
'''
CSV = "t,y,sigma\n" + "".join(f"{i * 0.08:.2f},{1 - i / 50:.3f},0.08\n" for i in range(50))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def demo_plan() -> Plan:
    return Plan.parse(PLAN_FILE.read_text(encoding="utf-8"))


@dataclass
class Seed:
    """Writes a run step by step. Time goes by as it writes, never by itself."""

    store: Store
    blobs: Blobs
    title: str = "Is this oscillator damped?"
    plan: Plan = field(default_factory=demo_plan)
    number: int = 1
    options: Json = field(
        default_factory=lambda: {
            "models": {"default": "journal:oscillator"},
            "notice": "The model's answers come from the shipped journal; the code really runs.",
        }
    )
    start: datetime = START

    def __post_init__(self) -> None:
        self.now = self.start
        self.session = Session(
            _fixed(self.number, "5e"), self.title, Mode.PLANNING_CONTROL, "/research/oscillator", self.now, self.now
        )
        self.run = Run(
            _fixed(self.number, "4a"),
            self.session.id,
            RunState.DRAFT,
            Mode.PLANNING_CONTROL,
            "Simulate a damped oscillator and find out whether it is damped.",
            self.options,
            self.now,
        )
        self.nodes: dict[str, Node] = {}
        self.attempts: dict[str, Attempt] = {}
        self.approval: Approval | None = None

    def pass_time(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    async def begin(self) -> None:
        """The run plans."""
        nodes, edges = opening_nodes(self.run, approval=True)
        await self._commit([Add(self.session), Add(self.run), *add_nodes(nodes, edges, self.now)])
        await self._move_run(RunState.PLANNING, engine("the run begins"))
        await self.run_node("planning", end=False)

    async def wait_for_approval(self) -> None:
        """The plan is made and waits."""
        await self.begin()
        await self._event(EventKind.PLAN, "plan 1", {"plan": self.plan.model_dump(mode="json"), "round": 1}, "planning")
        await self.end_node("planning", "A plan of seven steps.")
        _, changes = ask_for_approval(self.run, self.nodes["approval"], self.plan, self.pass_time(0.5))
        self.approval = next(c.record for c in changes if isinstance(c, Add) and isinstance(c.record, Approval))
        await self._commit(changes)

    async def approve(self) -> None:
        """A person approves, and the steps begin."""
        await self.wait_for_approval()
        await self.settle()

    async def settle(self) -> None:
        """The plan that waits is approved."""
        assert self.approval is not None
        at = self.pass_time(8)
        settle = SettleApproval(self.session.id, self.approval.id, ApprovalState.APPROVED, "ada", at)
        settled = Approval(**{**_values(self.approval), "state": ApprovalState.APPROVED, "resolved_by": "ada"})
        gate, moved = move_node(self.nodes["approval"], StepState.COMPLETED, PERSON, at)
        _, begun = execute_plan(self.run, self.plan, [gate], 2, PERSON, at)
        await self._commit([settle, Add(approval_event(settled, at)), *moved, *begun])

    async def run_node(self, step: str, *, end: bool = True, fails: str | None = None) -> None:
        """One attempt at a node: agent, model, tool, code, file, check and cost events as a worker makes them."""
        at = self.pass_time(0.2)
        node = self.nodes[step]
        number = self.attempts[step].number + 1 if step in self.attempts else 1
        attempt = Attempt(new_id(), node.session_id, node.run_id, node.id, number, "first", AttemptState.RUNNING, at)
        self.attempts[step] = attempt
        _, moved = move_node(node, StepState.RUNNING, engine("it is its turn"), at, attempt=number)
        await self._commit([Add(attempt), *moved])
        agent = node.agent or "engine"
        call = await self._event(EventKind.AGENT_CALL, agent, {"attempt": number}, step, phase=Phase.START)
        await self._model(step, call, "I write the code and run it.")
        if step != "planning":
            await self._code(step, call, fails=fails)
        if end:
            self.pass_time(0.3)
            await self._event(EventKind.AGENT_CALL, agent, {"ok": not fails}, step, phase=Phase.END, span=call.id)
            await self.end_node(step, f"{node.title}: done, the numbers agree.", fails)

    async def end_node(self, step: str, summary: str, error: str | None = None) -> None:
        """An attempt's end."""
        node, attempt = self.nodes[step], self.attempts[step]
        at = self.pass_time(0.2)
        declared = any(one.id == step and one.checks for one in self.plan.steps)
        checks = (CheckResult("chi2 is sane", not error, "/chi2_per_dof is 1.10"),) if declared else ()
        for check in checks:
            data = {"name": check.name, "ok": check.ok, "detail": check.detail}
            await self._event(EventKind.CHECK, check.name, data, step)
        state = AttemptState.FAILED if error else AttemptState.COMPLETED
        after = StepState.FAILED if error else StepState.COMPLETED
        done = Checked.of(checks) if step != "planning" and not error else None
        _, moved = move_node(node, after, engine("its attempt ended"), at, error, checked=done)
        ended = EndAttempt(node.session_id, attempt.id, state, at, None if error else summary, error, checks)
        await self._commit([ended, *moved])

    async def finish(self, fails: str | None = None) -> None:
        """Run every step to the end; the step named in `fails` fails, and what needs it is skipped."""
        await self.approve()
        lost: set[str] = set()
        for step in self.plan.steps:
            if lost & set(step.depends_on):
                lost.add(step.id)
                _, moved = move_node(
                    self.nodes[step.id], StepState.SKIPPED, engine(f"{step.depends_on[0]} failed"), self.now
                )
                await self._commit(moved)
                continue
            if step.id == fails:
                lost.add(step.id)
            await self.run_node(
                step.id, fails="the fit did not converge\nchi2_per_dof is 7.3" if step.id == fails else None
            )
        at = self.pass_time(0.2)
        if fails:
            _, moved = move_node(self.nodes["terminator"], StepState.SKIPPED, engine(f"{fails} failed"), at)
            await self._commit(moved)
            await self._move_run(RunState.FAILED, engine("a step failed"), f"step {fails} failed")
            return
        running, first = move_node(self.nodes["terminator"], StepState.RUNNING, engine("all is done"), at)
        _, second = move_node(running, StepState.COMPLETED, engine("gathered"), at)
        await self._commit([*first, *second])
        await self._move_run(RunState.COMPLETED, engine("every step completed"))

    # Parts of an attempt

    async def _model(self, step: str, call: Event, text: str) -> None:
        node = self.nodes[step]
        start = await self._event(
            EventKind.MODEL_CALL, "journal", {"model": "journal:oscillator", "sequence": 1}, step, Phase.START, call
        )
        self.pass_time(1.3)
        message = Message(
            new_id(), node.session_id, node.run_id, node.id, self.attempts[step].id, start.id, self.now,
            node.agent or "", "assistant", text,
        )  # fmt: skip
        cost = Cost(
            new_id(), node.session_id, node.run_id, node.id, self.attempts[step].id, start.id, self.now,
            node.agent or "", "journal:oscillator", 1200, 340, 0, 2150, "test",
        )  # fmt: skip
        await self._event(
            EventKind.COST,
            "1200 + 340 tokens",
            {"model": cost.model, "prompt_tokens": 1200, "completion_tokens": 340, "usd_micro": 2150},
            step,
            parent=start,
            also=[Add(message), Add(cost)],
        )
        await self._event(
            EventKind.MODEL_CALL, "journal", {"ok": True, "text": text}, step, Phase.END, call, span=start.id
        )

    async def _code(self, step: str, call: Event, fails: str | None) -> None:
        tool = await self._event(
            EventKind.TOOL_CALL, "run_code", {"tool": "run_code", "arguments": {"file": f"codebase/{step}.py"}}, step,
            Phase.START, call,
        )  # fmt: skip
        code = await self._event(
            EventKind.CODE_EXEC, f"codebase/{step}.py", {"command": ["python", f"codebase/{step}.py"]}, step,
            Phase.START, tool,
        )  # fmt: skip
        self.pass_time(2.1)
        outcome = {
            "exit": 1 if fails else 0,
            "seconds": 2.1,
            "stdout": "gamma = 0.1371\n",
            "stderr": "",
            "ok": not fails,
        }
        if fails:
            outcome["stderr"] = "Traceback (most recent call last):\nRuntimeError: [bold]no[/bold] convergence\n"
        await self._event(EventKind.CODE_EXEC, f"codebase/{step}.py", outcome, step, Phase.END, tool, span=code.id)
        await self._file(step, f"codebase/{step}.py", "code", CODE.encode(), tool)
        await self._file(step, "data/oscillation.csv", "data", CSV.encode(), tool)
        await self._file(step, f"data/{step}.png", "figure", PNG, tool)
        await self._event(
            EventKind.TOOL_CALL, "run_code", {"ok": not fails, "result": "exit 0"}, step, Phase.END, call, span=tool.id
        )

    async def _file(self, step: str, path: str, kind: str, data: bytes, parent: Event) -> None:
        node = self.nodes[step]
        sha256 = self.blobs.put(data)
        assert sha256 == hashlib.sha256(data).hexdigest()
        artifact = Artifact(
            new_id(), node.session_id, node.run_id, node.id, self.attempts[step].id, parent.id, self.now,
            node.agent or "", path, sha256, len(data), kind,
        )  # fmt: skip
        await self._event(
            EventKind.FILE_GEN,
            f"added {path}",
            {
                "artifact": artifact.id,
                "path": path,
                "sha256": sha256,
                "size": len(data),
                "kind": kind,
                "change": "added",
            },
            step,
            parent=parent,
            also=[Add(artifact)],
        )

    async def _event(
        self,
        kind: EventKind,
        title: str,
        data: dict[str, Any],
        step: str,
        phase: Phase = Phase.POINT,
        parent: Event | None = None,
        *,
        span: str | None = None,
        also: list[Change] | None = None,
    ) -> Event:
        node = self.nodes[step]
        event = Event(
            new_id(), node.session_id, node.run_id, kind, self.now, phase, node.id, self.attempts[step].id,
            parent.id if parent else None, span, node.agent, title, data,
        )  # fmt: skip
        await self.store.commit(*(also or []), Add(event))
        return event

    async def _move_run(self, after: RunState, by: By, error: str | None = None) -> None:
        await self._commit(move_run(self.run, after, by, self.now, error)[1])

    async def _commit(self, changes: list[Change]) -> None:
        """Write, and take over what became of the run and its nodes."""
        await self.store.commit(*changes)
        view = await self.store.reads(self.session.id).view(self.run.id)
        self.run = view.run
        self.nodes = {node.step: node for node in view.nodes}


def _fixed(number: int, kind: str) -> str:
    """An id that is the same in every test run: it is shown."""
    return f"01900000-0000-7000-80{kind}-{number:012d}"


def _values(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).__dataclass_fields__}
