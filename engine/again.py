"""Doing again: a step in its run, another way on from one, a whole run with its recorded answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.model.agents import AgentSpec
from engine.model.changes import Add
from engine.model.errors import CockpitError, UsageError
from engine.model.frames import Program
from engine.model.plan import Plan
from engine.model.records import Run
from engine.model.redo import Redo
from engine.model.states import Actor
from engine.model.text import clean, one_line
from engine.runs.branch import Wanted, branch, variables
from engine.runs.fleet import Fleet
from engine.runs.forecast import Forecast, forecast
from engine.runs.lessons import last_program
from engine.runs.moves import By
from engine.runs.redo import find_step
from engine.runs.replay import begin_replay
from engine.shelving import Shelving


class Again(Shelving):
    """What begins again from what a run has left."""

    _agents: Mapping[str, AgentSpec]
    _fleet: Fleet | None = None

    @property
    def fleet(self) -> Fleet:
        """The runs that this process drives."""
        if self._fleet is None:
            raise CockpitError("the engine is not open")
        return self._fleet

    def agent_names(self) -> list[str]:
        """The agents that a plan may name."""
        return sorted(name for name, agent in self._agents.items() if agent.plannable)

    async def redo(
        self,
        run_id: str,
        step: str,
        *,
        feedback: str | None = None,
        instructions: Sequence[str] | None = None,
        program: Program | None = None,
    ) -> Run:
        """Have a step that is over done again, and all that builds on it. `feedback` is told to its agent,
        `instructions` stand in the plan in place of the step's, and `program` is what its agent runs first in place of
        the one that it ran last. What a cancellation or the step's failure had stopped goes on too.

        Raises:
            UsageError: there is no such step, it is not over, it was redone too often, or what was edited cannot be
                carried out.
        """
        reads = await self._of_run(run_id)
        wanted = Redo(feedback, None if instructions is None else tuple(instructions), program).cleaned()
        await self.fleet.redo(await reads.session(), await reads.run(run_id), step, wanted)
        return await reads.run(run_id)

    async def forecast(self, run_id: str, step: str) -> Forecast:
        """What a redo of a step would come to, as things stand.

        Raises:
            UsageError: there is no such step.
        """
        reads = await self._of_run(run_id)
        view = await reads.view(run_id)
        program = await last_program(reads, run_id, find_step(view, step).id)
        return forecast(view, step, program)

    async def branch(
        self,
        run_id: str,
        step: str,
        *,
        name: str,
        hypothesis: str | None = None,
        feedback: str | None = None,
        context: Mapping[str, Any] | None = None,
        plan: Plan | None = None,
    ) -> Run:
        """Another way on from a step of a run, in a run of its own: what stands before the step is taken as it is.
        `context` are variables that every step of it is told, `plan` is carried out in place of the run's.

        Raises:
            UsageError: there is no such step, what it builds on is not complete, a variable's name is none, or the plan
                changes what the step builds on.
            PlanInvalid: the plan cannot run.
        """
        texts = [clean(text).strip() or None if text else None for text in (name, hypothesis, feedback)]
        if texts[0] is None:
            raise UsageError("a branch needs a name")
        if plan is not None:
            plan.require(self.agent_names(), name="the edited plan")
        wanted = Wanted(texts[0], texts[1], texts[2], variables(context or {}), plan)
        return await self._branch(run_id, step, wanted)

    async def play_from(self, run_id: str, step: str) -> Run:
        """A run played again from a step on, in a run of its own: what stands before the step is not done again.

        Raises:
            UsageError: there is no such step, or what it builds on is not complete.
        """
        return await self._branch(run_id, step, Wanted(f"played from {one_line(step, 60)}"))

    async def _branch(self, run_id: str, step: str, wanted: Wanted) -> Run:
        reads = await self._of_run(run_id)
        run, changes = branch(
            await reads.view(run_id),
            await reads.checkpoints(run_id),
            step,
            wanted,
            By(Actor.PERSON, self.fleet.name, f"branch {wanted.name}"),
            self._clock.now(),
            state=await reads.state() if wanted.context else None,
            owner_id=self.fleet.client_id,
        )
        await self._store.commit(*changes)
        self._sessions[run.id] = run.session_id
        self.fleet.begin(await reads.session(), run)
        return await reads.run(run.id)

    async def replay(self, run_id: str, *, strict: bool = False, drive: bool = True) -> Run:
        """Run a run that is over again with the recorded answers, in a new run: tools really run, no model is asked.
        Strict: stop at the first request that is not the recorded one.

        Raises:
            UsageError: the run is not over, or carried out no plan.
            StorageError: its journal, or a file that it left, is missing or damaged. Nothing was written.
        """
        reads = await self._of_run(run_id)
        owner_id = self.fleet.client_id if drive else None
        run = await begin_replay(reads, self._blobs, run_id, strict=strict, at=self._clock.now(), owner_id=owner_id)
        await self._store.commit(Add(run))
        self._sessions[run.id] = run.session_id
        if drive:
            self.fleet.begin(await reads.session(), run)
        return run
