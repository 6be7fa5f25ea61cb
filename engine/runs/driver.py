"""The driver: walks one run from the state its rows are in to the next one where only a person can go on.

It keeps nothing that is not in the rows: stopped anywhere, another driver starts from what it finds.
"""

from __future__ import annotations

import asyncio

from engine.model.changes import Change
from engine.model.errors import PlanInvalid
from engine.model.frames import Failure
from engine.model.options import RunOptions
from engine.model.plan import Plan, PlanStep
from engine.model.records import Mode, Node, NodeKind, Run, RunView, Session
from engine.model.states import RunState
from engine.model.text import one_line
from engine.runs import planned, plans, questions, turns
from engine.runs.asking import ask_midway
from engine.runs.attempts import Ended, carry_out
from engine.runs.budget import Budget, not_raised
from engine.runs.calls import lost_calls
from engine.runs.control import Asked, Control, Stop, end_tasks
from engine.runs.execution import Execution
from engine.runs.gate import Gate
from engine.runs.graph import add_nodes, opening_nodes
from engine.runs.inputs import inputs_of
from engine.runs.moves import By, engine, move_run
from engine.runs.outcome import break_off, cancel, close_attempt
from engine.runs.permits import Permits
from engine.runs.publish import Publisher
from engine.runs.retry import Backoffs, decide
from engine.runs.spec import planning_spec
from engine.runs.tries import next_try
from engine.runs.world import World


class Driver:
    """Drives one run."""

    def __init__(self, world: World, session: Session, run_id: str) -> None:
        self._world, self._session, self._run_id = world, session, run_id
        self._reads = world.store.reads(session.id)
        self._control = Control()
        self._background: set[asyncio.Task[None]] = set()
        self.at_rest = False  # whether the run is over or paused, and only clearing up is left
        self._looked = False  # whether the calls that a lost process was making are counted
        self._publisher = Publisher(world, session, run_id)
        self._backoffs = Backoffs(world.clock)
        self._budget = Budget(world.prices, world.clock, lambda: self._gate, self._control)
        self._gate = Gate(RunOptions(), lambda: self._budget.spent)

    def stop(self, how: Stop, by: By) -> None:
        """Ask it to stop; `drive` returns once everything it started has ended."""
        self._control.stop(how, by)

    def go_on(self) -> bool:
        """Take back a pause; False when it is too late for that, or something harder."""
        return self._control.go_on()

    @property
    def unheard(self) -> bool:
        """Whether it was asked to stop when it had nothing more to do, and so has not heard it."""
        return self._control.unheard

    def change(self, options: RunOptions) -> None:
        """From now on the run goes so."""
        self._gate.change(options)

    def look(self) -> None:
        """Someone else has changed the run's rows: have it look."""
        self._control.look()

    async def drive(self) -> Run:
        """Go on until the run is over, paused, or waits for a person; return it as it then is.

        Raises:
            StorageError: something could not be written. Nothing was acknowledged that is not stored.
        """
        self.at_rest = False
        try:
            while True:
                view = await self._reads.view(self._run_id)
                paused = view.run.state is RunState.PAUSED and self._control.how is not Stop.CANCEL
                if view.run.state.terminal or paused:
                    self.at_rest = True
                    self._control.take_effect()
                    return view.run
                if self._control.how is not None:
                    if not await self._stopped(view):
                        return view.run
                    continue
                self._gate.change(options := RunOptions.from_json(view.run.options))
                if options.ceilings.any and not self._looked:
                    self._looked = True
                    if lost := await lost_calls(self._reads, self._run_id, self._world.clock.now()):
                        await self._world.store.commit(*lost)
                        continue
                await self._budget.begin(view, options, self._reads)
                if not await self._advance(view):
                    return view.run
        finally:
            self._budget.close()
            await self._publisher.close()
            if self._background:
                await asyncio.wait(self._background)

    async def _advance(self, view: RunView) -> bool:
        """Take the run on by one stage; False when only a person can."""
        match view.run.state:
            case RunState.DRAFT:
                await self._begin(view.run)
            case RunState.PLANNING:
                await self._plan(view)
            case RunState.WAITING_APPROVAL:
                return await self._take_answers(view)
            case _:
                inputs = await inputs_of(self._reads, view)
                await self._publisher.plan(view.run)
                await Execution(
                    self._world,
                    self._session,
                    view,
                    inputs,
                    self._control,
                    self._publisher,
                    self._budget,
                    self._background,
                    self._gate,
                ).walk()
        return True

    async def _take_answers(self, view: RunView) -> bool:
        """Go on from what people have settled; False while there is nothing."""
        now = self._world.clock.now()
        settled = questions.answered(view)
        if not settled:
            return False
        if stopped := next(filter(None, (not_raised(one) for _, one in settled)), None):
            self._control.stop(Stop.BUDGET, stopped)
            return True
        node, approval = settled[0]
        if "turn" in approval.shown:
            changes = turns.answered(view, node, approval, now)
        elif approval.kind == "plan":
            changes = plans.settle(view, approval, now)[1]
        elif node.kind is NodeKind.PLANNING:
            changes = await planned.answered(self._world, view, node, approval)
        else:
            changes = move_run(view.run, RunState.EXECUTING, questions.settled_by(approval), now)[1]
        await self._world.store.commit(*changes)
        return True

    async def _begin(self, run: Run) -> None:
        now = self._world.clock.now()
        options = RunOptions.from_json(run.options)
        changes: list[Change]
        if run.plan is not None or run.mode is Mode.ONE_SHOT:
            plan = Plan.parse(run.plan) if run.plan else _one_shot(run.task, options.agent)
            _, changes = plans.execute_plan(run, plan, [], 0, engine("there is nothing to plan"), now)
        elif run.mode is Mode.HUMAN_IN_THE_LOOP:
            changes = turns.begin(run, now)
        else:
            nodes, edges = opening_nodes(run, self._gate.plan().effect == "ask")
            _, moved = move_run(run, RunState.PLANNING, engine("a plan is made first"), now)
            changes = [*add_nodes(nodes, edges, now), *moved]
        await self._world.store.commit(*changes)

    async def _plan(self, view: RunView) -> None:
        """One planning attempt, and what follows from it."""
        node = next(node for node in view.nodes if node.kind is NodeKind.PLANNING)
        if not await self._may_begin(node):
            return
        feedback, previous = plans.feedback_of(view)
        reason = "feedback" if feedback else "first"
        this = await next_try(self._world, self._session, view.run, node, view.attempts, reason)
        async with self._world.slots.hold(view.run.id):
            task = asyncio.create_task(
                carry_out(
                    self._world,
                    node,
                    this,
                    lambda: planning_spec(self._world, view.run, this.attempt, feedback, previous),
                    (),
                    budget=self._budget,
                    control=self._control,
                    permit=Permits(self._gate, node, this.attempt, self._reads, view.approvals),
                    background=self._background,
                )
            )
            try:
                while not task.done() and await self._control.first_done([task]):
                    pass
            finally:
                if not task.done():
                    await end_tasks([task])
            try:
                if not task.cancelled() and (ended := await task):
                    await self._planned(view, ended)
            except Asked as asked:
                now = self._world.clock.now()
                changes = ask_midway(node, asked, self._gate.options, now)[1]
                changes += move_run(view.run, RunState.WAITING_APPROVAL, engine("a person is asked"), now)[1]
                await self._world.store.commit(*changes)

    async def _may_begin(self, node: Node) -> bool:
        """Wait until the planning may be tried again; False: the run is being stopped."""
        waiting = asyncio.create_task(self._backoffs.over(node))
        while self._control.how is None and not waiting.done():
            await self._control.first_done([waiting])
        await end_tasks([waiting])
        return self._control.how is None

    async def _planned(self, view: RunView, ended: Ended) -> None:
        plan = self._accept(ended)
        if isinstance(plan, Failure):
            await self._not_planned(view, ended, plan)
            return
        replaying = RunOptions.from_json(view.run.options).replay
        if replaying:
            plan = Plan.parse(replaying.plan)  # a person may have edited what the planner made
        await ended.recorder.commit(*await planned.accept(self._world, self._gate, view, ended, plan))
        await ended.acknowledge()

    async def _not_planned(self, view: RunView, ended: Ended, failure: Failure) -> None:
        """It is tried again, or not."""
        now = self._world.clock.now()
        again = await decide(self._world, view.run, ended, failure, view.attempts, now)
        if again.node:
            self._backoffs.hold(again.node, again.until)
            changes = [*close_attempt(ended, now, failure), *again.changes]
        else:
            changes = await planned.give_up(self._world, self._gate, view, ended, failure, again)
        await ended.recorder.commit(*changes)
        await ended.acknowledge()

    def _accept(self, ended: Ended) -> Plan | Failure:
        """The plan that a worker made, judged once more here: a worker's word is not taken for it."""
        if ended.failure:
            return ended.failure
        if ended.result is None or ended.result.plan is None:
            return Failure(category="plan", message="the planner ended without a plan")
        try:
            plan = Plan.parse(ended.result.plan.model_dump(mode="json"))
            plan.require([agent.name for agent in self._world.agents.values() if agent.plannable])
        except PlanInvalid as error:
            return Failure(category="plan", message=error.cause)
        return plan

    async def _stopped(self, view: RunView) -> bool:
        """Everything that ran has ended: leave the rows as the way of stopping wants them. False: they are so
        already."""
        self._control.take_effect()
        how, by, now = self._control.how, self._control.by or engine("stopped"), self._world.clock.now()
        if how is Stop.CANCEL:
            changes = cancel(view, by, now)
        elif how is Stop.BUDGET:
            changes = cancel(view, by, now, failed=by.why)
        elif view.run.state is RunState.DRAFT or (how is Stop.CLOSE and view.run.state is RunState.WAITING_APPROVAL):
            return False
        else:
            changes = [*break_off(view, now, by.why), *move_run(view.run, RunState.PAUSED, by, now)[1]]
        await self._world.store.commit(*changes)
        return True


def _one_shot(task: str, agent: str) -> Plan:
    """The plan of a one-shot run: one step that is the task."""
    step = PlanStep(id="task", title=one_line(task, 80), agent=agent, instructions=(task,))
    return Plan(title=one_line(task, 80), steps=(step,))
