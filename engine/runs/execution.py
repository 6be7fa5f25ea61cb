"""Execution: walks the DAG of an approved plan until nothing is left that can proceed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from engine.model.changes import Add, Change, EndAttempt
from engine.model.checked import Checked
from engine.model.events import Event, EventKind
from engine.model.frames import Failure, Upstream
from engine.model.ids import new_id
from engine.model.options import ApprovalMode, RunOptions
from engine.model.plan import Plan
from engine.model.records import (
    Approval,
    ApprovalState,
    Attempt,
    AttemptState,
    Checkpoint,
    Json,
    Mode,
    Node,
    NodeKind,
    RunView,
    Session,
    TreeEntry,
)
from engine.model.states import RunState, StepState
from engine.runs import questions
from engine.runs.answers import passed_by, take_up
from engine.runs.asking import ask_about_error, ask_about_step, ask_midway
from engine.runs.attempts import Ended, carry_out
from engine.runs.budget import Budget, not_raised
from engine.runs.comparing import compared
from engine.runs.control import Asked, Control, Stop, end_tasks
from engine.runs.gate import Gate, refusal
from engine.runs.graph import Dag
from engine.runs.inputs import Inputs
from engine.runs.lessons import past_failures
from engine.runs.moves import By, engine, move_node, move_run
from engine.runs.outcome import close_attempt, leave_behind, skip, verdict
from engine.runs.permits import Permits
from engine.runs.publish import Publisher
from engine.runs.retry import Backoffs, decide
from engine.runs.spec import step_spec
from engine.runs.tries import Try, next_try
from engine.runs.turns import ask_for_turn
from engine.runs.workdir import Conflict
from engine.runs.world import World

_BEGINNING = frozenset({"first", "redo"})  # the attempts that begin a step, and do not only go on with it


class Execution:
    """One walk over one run's DAG."""

    def __init__(
        self,
        world: World,
        session: Session,
        view: RunView,
        inputs: Inputs,
        control: Control,
        publisher: Publisher,
        budget: Budget,
        background: set[asyncio.Task[None]],
        gate: Gate,
    ) -> None:
        self._world, self._session, self._run = world, session, view.run
        self._dag = Dag(view.nodes, view.edges, passed_by(view))
        self._attempts = list(view.attempts)
        self._inputs = inputs
        self._control = control
        self._publisher = publisher
        self._budget = budget
        self._background = background
        self._gate = gate
        self._asked = {one.node_id for one in view.approvals}  # nodes about which something was asked
        self._parallel = gate.options.max_parallel
        self._backoffs = Backoffs(world.clock)
        self._held: set[asyncio.Task[None]] = set()  # each keeps back a step that is to be tried again

    async def walk(self) -> None:
        """Start what is ready, conclude what ends, and settle the run when nothing is left. A stop ends it early."""
        running: set[asyncio.Task[Ended | None]] = set()
        stopped = False
        try:
            while True:
                await self._take_up_answered()
                self._start(running, self._parallel)
                held = self._held if self._control.how is None else set[asyncio.Task[None]]()
                if not running | held or not await self._control.first_done([*running, *held]):
                    break
                self._held = {task for task in self._held if not task.done()}
                finished = [task for task in running if task.done()]
                # What they leave room for begins before what they did is written.
                self._start(running, self._parallel + len(finished))
                await self._conclude_all([ended for task in finished if (ended := _result(task))])
                running.difference_update(finished)
                for task in finished:
                    task.result()
            stopped = self._control.how is not None  # a pause may yet be taken back, and the run goes on
        finally:
            await end_tasks([*running, *self._held])
            unwritten = [ended for task in running if (ended := _result(task))]
            await asyncio.gather(*(ended.handle.stop() for ended in unwritten if ended.handle))
        for ended in unwritten:  # they ended while the stop came: what they did is not lost
            await self._conclude(ended)
        if not stopped and self._control.how is None:
            await self._settle()

    def _start(self, running: set[asyncio.Task[Ended | None]], most: int) -> None:
        """Start what is ready, until `most` are running."""
        while self._may_start and len(running) < most and (node := self._dag.take_ready()):
            if self._backoffs.left(node) > 0:
                self._held.add(asyncio.create_task(self._hold(node)))
                continue
            work = {NodeKind.TERMINATOR: self._gather_results, NodeKind.APPROVAL: self._ask_for_turn}.get(
                node.kind, self._step
            )
            running.add(asyncio.create_task(work(node)))

    @property
    def _may_start(self) -> bool:
        return self._control.how is None and not self._budget.asked

    async def _hold(self, node: Node) -> None:
        """Keep a step back until it may be tried again."""
        await self._backoffs.over(node)
        self._dag.again(node)

    async def _step(self, node: Node) -> Ended | None:
        """One attempt of a step; None when it waits: because the run is being stopped, or for a person."""
        async with self._world.slots.hold(self._run.id):
            if self._control.how is not None:
                return None
            this = await self._undoubted(node)
            if this is None:
                return None
            tree, conflicts = self._inputs.tree(self._dag, node)
            step = self._inputs.steps[node.step]
            upstream = self._inputs.upstream(self._dag, node)
            if not await self._may_begin(node, this, tree, upstream):
                return None
            reads, known = self._world.store.reads(self._session.id), list[Approval]()
            if node.id in self._asked:
                known = [one for one in await reads.approvals(run_id=self._run.id) if one.node_id == node.id]
            try:
                ended = await carry_out(
                    self._world,
                    node,
                    this,
                    lambda: step_spec(self._world, self._run, this.attempt, step, upstream),
                    tree,
                    noted=[Add(self._conflict(node, conflict)) for conflict in conflicts],
                    budget=self._budget,
                    control=self._control,
                    permit=Permits(self._gate, node, this.attempt, reads, known),
                    background=self._background,
                )
            except Asked as asked:
                waiting, changes = ask_midway(node, asked, self._gate.options, self._world.clock.now())
                await self._world.store.commit(*changes)
                self._asked.add(node.id)
                self._note(this.attempt)
                self._dag.update(waiting)
                return None
            if ended is None and self._control.how is None:  # another step asks about the budget
                why = engine("the budget is reached: a person is asked")
                running = replace(node, state=StepState.RUNNING)
                node, changes = move_node(running, StepState.PENDING, why, self._world.clock.now())
                await self._world.store.commit(*changes)
                self._note(this.attempt)
                self._dag.again(node)
            return ended

    def _note(self, attempt: Attempt) -> None:
        """Keep in mind how an attempt stands."""
        self._attempts = [*(one for one in self._attempts if one.id != attempt.id), attempt]

    async def _may_begin(
        self, node: Node, this: Try, tree: tuple[TreeEntry, ...], upstream: tuple[Upstream, ...]
    ) -> bool:
        """Whether a step may begin; if not, a person is being asked, or a rule has refused it."""
        attempt, now = this.attempt, self._world.clock.now()
        steered = self._run.mode is Mode.HUMAN_IN_THE_LOOP and self._gate.options.approval is ApprovalMode.MANUAL
        if steered or attempt.reason not in _BEGINNING or any(one.id == attempt.id for one in self._attempts):
            return True
        if node.id in self._asked:
            asked = await self._world.store.reads(self._session.id).approvals(run_id=self._run.id)
            if any(
                one.kind == "step" and one.shown["attempt"] == attempt.number for one in asked if one.node_id == node.id
            ):
                return True  # else the node would not be pending
        decision = self._gate.step(node)
        if decision.effect == "ask":
            steps = {one.id: one.step for one in self._dag.nodes.values()}
            step, spent, options = self._inputs.steps[node.step], self._gate.spent, self._gate.options
            waiting, changes = ask_about_step(
                node, step, attempt.number, tree, upstream, steps, spent, decision, options, now
            )
            self._asked.add(node.id)
            await self._world.store.commit(*changes)
            self._dag.update(waiting)
        elif decision.effect == "deny":
            node, moved = move_node(node, StepState.RUNNING, engine("a rule is asked"), now)
            await self._fail(node, moved, refusal(decision), engine("policy"), now)
        return decision.effect == "allow"

    async def _ask_for_turn(self, node: Node) -> None:
        """Between two turns: the person says who works next."""
        plan, options = Plan.model_validate(self._run.plan), self._gate.options
        done, now = list(self._inputs.upstream(self._dag, node)), self._world.clock.now()
        waiting, changes = ask_for_turn(node, self._world.agents, done, plan, options, now)
        await self._world.store.commit(*changes)
        self._dag.update(waiting)

    async def _undoubted(self, node: Node) -> Try | None:
        """The node's next try, once a person has settled what became of the tool calls that must not be made twice;
        None: they are being asked."""
        while True:
            this = await next_try(self._world, self._session, self._run, node, self._attempts)
            if this.doubt is None:
                return this
            view = await self._world.store.reads(self._session.id).view(self._run.id)
            answer = questions.answer_about(this.doubt, view.approvals)
            now = self._world.clock.now()
            if answer is None:
                waiting, asked = questions.ask_about(node, this, this.doubt, self._gate.options, now)
                self._asked.add(node.id)
                await self._world.store.commit(*asked)
                self._dag.update(waiting)
                return None
            if questions.again(answer):
                return this
            await self._world.store.commit(questions.not_again(this.doubt, answer, now))

    async def _take_up_answered(self) -> None:
        """Let the steps go on whose questions were settled; a person who gave one up gave up the run."""
        if not any(node.state is StepState.WAITING_APPROVAL for node in self._dag.nodes.values()):
            return
        view = await self._world.store.reads(self._session.id).view(self._run.id)
        for node, approval in questions.answered(view):
            if node.kind is NodeKind.APPROVAL:
                continue  # the next turn changes the DAG: that is for whoever begins the next walk
            if approval.state is ApprovalState.ABORT:
                self._control.stop(Stop.CANCEL, questions.settled_by(approval))
                return
            if stopped := not_raised(approval):
                self._control.stop(Stop.BUDGET, stopped)
                return
            taken = await take_up(self._world, self._run, node, approval, view.attempts)
            self._run, node = taken.run, taken.node
            if self._run.plan:
                self._inputs.steps = {step.id: step for step in Plan.model_validate(self._run.plan).steps}
            if node.state is StepState.FAILED:
                doomed, skipped = skip(self._dag.doomed(node.id), f"{node.step} failed", self._world.clock.now())
                await self._world.store.commit(*taken.changes, *skipped)
                for one in [*doomed, node]:
                    self._dag.update(one)
                continue
            await self._world.store.commit(*taken.changes)
            if "budget" in approval.shown:
                options = RunOptions.from_json(self._run.options)
                self._gate.change(options)
                self._budget.go_on(options)
            if node.state is StepState.SKIPPED:
                self._dag.pass_by(node)
            else:
                self._dag.update(node)

    async def _conclude_all(self, ended: Sequence[Ended]) -> None:
        """Conclude what ended together: successes in one commit; failures in turn, as two may doom the same step."""
        good = [self._conclude(one) for one in ended if one.failure is None]
        if good:
            await (good[0] if len(good) == 1 else asyncio.gather(*good))
        for one in ended:
            if one.failure is not None:
                await self._conclude(one)

    async def _conclude(self, ended: Ended) -> None:
        """Write what came of an attempt and of all that follows from it, in one transaction."""
        node, now = ended.node, self._world.clock.now()
        if ended.failure is not None:
            await self._conclude_failure(ended, ended.failure, now)
            return
        checkpoint = leave_behind(ended, self._inputs.tree(self._dag, node)[0], now)
        why = engine("the attempt succeeded")
        checked = Checked.of(ended.checks)
        node, moved = move_node(node, StepState.COMPLETED, why, now, attempt=ended.attempt.number, checked=checked)
        await ended.recorder.commit(*close_attempt(ended, now), Add(checkpoint), *moved)
        self._inputs.checkpoints[node.id] = checkpoint
        self._inputs.summaries[node.id] = ended.result.summary if ended.result else ""
        self._publisher.add(checkpoint)
        self._dag.update(node)
        await ended.acknowledge()

    async def _conclude_failure(self, ended: Ended, failure: Failure, now: datetime) -> None:
        """The step is tried again, or has failed for good with all that builds on it."""
        node, attempt = ended.node, ended.attempt
        again = await decide(self._world, self._run, ended, failure, self._attempts, now)
        changes = close_attempt(ended, now, failure, again.why_not)
        failed = replace(attempt, state=AttemptState.FAILED, ended_at=now)
        self._note(failed)
        decision = self._gate.error(node)
        if again.node:
            await ended.recorder.commit(*changes, *again.changes)
            self._backoffs.hold(again.node, again.until)
            self._dag.again(again.node)
        elif decision.effect == "ask":
            step, past = self._inputs.steps[node.step], await past_failures(self._world.store)
            waiting, asked = ask_about_error(
                node, step, attempt.number, failure, again.why_not, decision, self._gate.options, past, now
            )
            await ended.recorder.commit(*changes, *asked)
            self._dag.update(waiting)
        else:
            await self._fail(node, changes, failure.message, engine(failure.category), now, ended)
        await ended.acknowledge()

    async def _fail(
        self, node: Node, changes: Sequence[Change], error: str, why: By, now: datetime, ended: Ended | None = None
    ) -> None:
        """A step has failed for good, and with it all that builds on it."""
        number = ended.attempt.number if ended else None
        node, moved = move_node(node, StepState.FAILED, why, now, error, number)
        doomed, skipped = skip(self._dag.doomed(node.id), f"{node.step} failed", now)
        await (ended.recorder if ended else self._world.store).commit(*changes, *moved, *skipped)
        for one in [*doomed, node]:
            self._dag.update(one)

    async def _gather_results(self, node: Node) -> None:
        """The terminator: merge what the last steps left into the run's directory."""
        this = await next_try(self._world, self._session, self._run, node, self._attempts)
        attempt, now = this.attempt, self._world.clock.now()
        node, begun = move_node(node, StepState.RUNNING, engine("all steps are done"), now, attempt=attempt.number)
        await self._world.store.commit(*this.opening, *begun)
        tree, conflicts = self._inputs.tree(self._dag, node)
        await self._publisher.finish(tree)
        found = await compared(self._world, self._run, node, tree)
        now = self._world.clock.now()
        summary = "\n\n".join(filter(None, (self._inputs.summaries.get(one.id) for one in self._dag.upstream(node.id))))
        checkpoint = Checkpoint(new_id(), node.session_id, node.run_id, node.id, attempt.id, now, tree, {})
        node, done = move_node(node, StepState.COMPLETED, engine("the results are gathered"), now)
        changes: list[Change] = [*found, *(Add(self._conflict(node, conflict)) for conflict in conflicts)]
        changes.append(EndAttempt(attempt.session_id, attempt.id, AttemptState.COMPLETED, now, summary))
        self._dag.update(node)
        _, over = move_run(self._run, RunState.COMPLETED, engine("every step is completed"), now)
        await self._world.store.commit(*changes, Add(checkpoint), *done, *over)

    async def _settle(self) -> None:
        """Nothing can proceed: the run waits for a person, or has ended. One that the terminator has not completed has
        failed, and says why."""
        nodes = [node for node in self._dag.nodes.values() if node.id not in self._dag.passed]
        if any(node.state is StepState.WAITING_APPROVAL for node in nodes):
            why = engine("a person is asked")
            _, waiting = move_run(self._run, RunState.WAITING_APPROVAL, why, self._world.clock.now())
            await self._world.store.commit(*waiting)
        elif any(node.state is not StepState.COMPLETED for node in nodes):
            why = verdict(nodes)
            await self._publisher.finish(None)
            comparing = asyncio.create_task(compared(self._world, self._run, None, None))
            while not comparing.done():
                if not await self._control.first_done([comparing]):
                    await end_tasks([comparing])
                    return
            found = comparing.result()
            _, over = move_run(self._run, RunState.FAILED, engine("a step failed"), self._world.clock.now(), why)
            await self._world.store.commit(*found, *over)

    def _conflict(self, node: Node, conflict: Conflict) -> Event:
        data: Json = {"path": conflict.path, "kept": list(conflict.kept), "nodes": list(conflict.nodes)}
        title = f"{conflict.path} was written differently by parallel steps: kept as {', '.join(conflict.kept)}"
        return Event(
            new_id(),
            node.session_id,
            node.run_id,
            EventKind.CONFLICT,
            self._world.clock.now(),
            node_id=node.id,
            title=title,
            data=data,
        )


def _result(task: asyncio.Task[Ended | None]) -> Ended | None:
    return None if task.cancelled() or task.exception() else task.result()
