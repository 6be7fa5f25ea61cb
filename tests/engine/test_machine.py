"""A state machine over the engine: whatever people and faults do to a run, in whatever order, its rows are as a small
model in memory says they must be.

Steps are carried out by puppets: workers in this process that do nothing until a rule ends them, well or badly. Engines
are killed by cutting them off from the store in the middle of whatever they do.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.engine import Engine
from engine.model.changes import Change
from engine.model.errors import StorageError
from engine.model.frames import Failure, HostFrame, ResultFrame, WorkerFrame, WorkerSpec
from engine.model.options import EngineSettings, RunOptions
from engine.model.plan import Plan
from engine.model.records import ApprovalState
from engine.telemetry.prices import PriceTable
from storage import check, open_store
from tests.engine.model_run import PLANNING, ModelRun
from tests.support.journals import plan, step

PATIENCE = 60.0  # seconds for the engine to come to where the model is already


class Puppet:
    """A worker that waits to be told how it ends."""

    token = "puppet"
    code: int | None = 0
    signal: str | None = None
    stray = ""

    def __init__(self, spec: WorkerSpec) -> None:
        self.step = spec.step_id
        self._end: asyncio.Future[ResultFrame | None] = asyncio.get_running_loop().create_future()

    @property
    def waiting(self) -> bool:
        return not self._end.done()

    def end(self, *, ok: bool, made: Plan | None) -> None:
        failure = None if ok else Failure(category="check_failed", message=f"{self.step} went wrong")
        made = made if ok and self.step == PLANNING else None
        self._end.set_result(ResultFrame(n=1, ok=ok, summary="done", failure=failure, plan=made))

    async def send(self, frame: HostFrame) -> None:
        """Take an acknowledgement."""

    async def frames(self) -> AsyncIterator[WorkerFrame]:
        result = await asyncio.shield(self._end)
        if result is not None:
            yield result

    async def wait(self) -> Puppet:
        return self

    async def stop(self, grace: float = 2.0) -> None:
        if not self._end.done():
            self._end.set_result(None)


class Stage:
    """Starts puppets, and keeps an eye on them."""

    def __init__(self) -> None:
        self.puppets: list[Puppet] = []

    async def open(self) -> None:
        """Nothing to warm up."""

    async def start(self, spec: WorkerSpec) -> Puppet:
        puppet = Puppet(spec)
        self.puppets.append(puppet)
        return puppet

    async def sweep(self, attempt_ids: Sequence[str]) -> None:
        """A dead engine's puppets are never looked at again."""

    async def close(self) -> None:
        """Nothing to close."""

    def playing(self) -> dict[str, Puppet]:
        """The puppets that wait, by step."""
        return {puppet.step: puppet for puppet in self.puppets if puppet.waiting}


class Cut:
    """A store that can be cut off, as a kill does: what was committed stays, nothing more comes."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.gone = False

    async def commit(self, *changes: Change, urgent: bool = True) -> None:
        if self.gone:
            raise StorageError("killed")
        await self._store.commit(*changes, urgent=urgent)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@st.composite
def dags(draw: st.DrawFn) -> dict[str, list[str]]:
    """Steps and what each waits for."""
    names = [f"s{n}" for n in range(draw(st.integers(1, 5)))]
    return {
        name: sorted(draw(st.sets(st.sampled_from(names[:n]), max_size=2))) if n else [] for n, name in enumerate(names)
    }


class EngineMachine(RuleBasedStateMachine):
    """Drives an engine and the model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.engines: list[tuple[Engine, Cut, Stage]] = []

    def teardown(self) -> None:
        for engine, cut, _ in self.engines:
            cut.gone = False
            self.do(engine.close())
        self.loop.close()
        assert check(self.home) == []
        shutil.rmtree(self.home)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, PATIENCE))

    async def open(self) -> None:
        store, blobs = open_store(self.home)
        cut, stage = Cut(store), Stage()
        given = EngineSettings(self.home, environ={"OPENAI_API_KEY": "none"}, warm=False, silent=0.0)
        engine = Engine(given, cut, blobs, stage, PriceTable())  # type: ignore[arg-type]
        await engine.open()
        self.engines.append((engine, cut, stage))

    @property
    def engine(self) -> Engine:
        return self.engines[-1][0]

    @property
    def stage(self) -> Stage:
        return self.engines[-1][2]

    @initialize(dag=dags(), retries=st.integers(0, 2), planned=st.booleans())
    def begin(self, dag: dict[str, list[str]], retries: int, planned: bool) -> None:
        self.plan = Plan.parse(plan(*(step(name, *needs) for name, needs in dag.items())))

        async def begin() -> str:
            await self.open()
            options = RunOptions(models={"default": "openai:none"}, retries=retries, max_parallel=8)
            given = None if planned else self.plan
            return (await self.engine.submit("A random walk.", options=options, plan=given)).id

        self.run_id = self.do(begin())
        self.model = ModelRun(dag, retries=retries, planned=planned)

    @precondition(lambda self: self.model.running)
    @rule(data=st.data(), ok=st.booleans())
    def a_step_ends(self, data: st.DataObject, ok: bool) -> None:
        self.step_ends(data.draw(st.sampled_from(sorted(self.model.running))), ok)

    def step_ends(self, name: str, ok: bool) -> None:
        self.stage.playing()[name].end(ok=ok, made=self.plan)
        self.model.ends(name, ok)

    @precondition(lambda self: self.model.state == "waiting_approval")
    @rule(approve=st.booleans())
    def a_person_settles_the_plan(self, approve: bool) -> None:
        async def answer() -> None:
            (approval,) = await self.engine.approvals()
            await self.engine.resolve(approval.id, ApprovalState.APPROVED if approve else ApprovalState.REJECTED)

        self.do(answer())
        self.model.answer(approve)

    @precondition(lambda self: not self.model.over and self.model.state != "paused")
    @rule(now=st.booleans())
    def a_person_pauses(self, now: bool) -> None:
        self.do(self.engine.pause(self.run_id, now=now))
        self.model.pause(now)

    @precondition(lambda self: self.model.state == "paused" or self.model.pausing)
    @rule()
    def a_person_resumes(self) -> None:
        self.do(self.engine.resume(self.run_id))
        self.model.resume()

    @precondition(lambda self: not self.model.over)
    @rule()
    def a_person_cancels(self) -> None:
        self.do(self.engine.cancel(self.run_id))
        self.model.cancel()

    @precondition(lambda self: self.model.redoable)
    @rule(data=st.data())
    def a_person_redoes_a_step(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.redoable)))
        self.do(self.engine.redo(self.run_id, name))
        self.model.redo(name)

    @rule()
    def the_engine_is_killed_and_another_takes_over(self) -> None:
        async def kill() -> None:
            _, cut, stage = self.engines[-1]
            cut.gone = True
            for puppet in stage.playing().values():
                await puppet.stop()
            await self.open()
            if self.model.state in ("planning", "executing"):
                taken: list[str] = []
                while not taken:
                    taken = await self.engine.take_over()

        self.do(kill())
        self.model.killed()

    @invariant()
    def the_rows_are_as_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return

        async def look() -> None:
            seen: object = None
            try:
                async with asyncio.timeout(PATIENCE):
                    while seen != self.model.said():
                        await asyncio.sleep(0.002)
                        view = await self.engine.view(self.run_id)
                        names = {node.id: node.step for node in view.nodes}
                        attempts = sorted((names[one.node_id], one.number, one.state.value) for one in view.attempts)
                        states = {node.step: node.state.value for node in view.nodes}
                        seen = (view.run.state.value, states, attempts, set(self.stage.playing()))
            except TimeoutError:
                raise AssertionError(f"the rows say\n{seen}\nand the model says\n{self.model.said()}") from None

        self.loop.run_until_complete(look())


def test_a_step_that_failed_while_a_pause_was_due_is_tried_again_once_the_pause_is_taken_back() -> None:
    walk = EngineMachine()
    try:
        walk.begin(planned=False, retries=1, dag={"s0": [], "s1": []})
        walk.the_rows_are_as_the_model_says()
        walk.a_person_pauses(now=False)
        walk.the_rows_are_as_the_model_says()
        walk.step_ends("s1", ok=False)
        walk.the_rows_are_as_the_model_says()
        walk.a_person_resumes()
        walk.the_rows_are_as_the_model_says()
    finally:
        walk.teardown()


TestEngineMachine = EngineMachine.TestCase
TestEngineMachine.settings = settings(
    max_examples=int(os.environ.get("FAULT_REPEATS", "25")),
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
