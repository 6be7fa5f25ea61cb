"""The facade: everything that a screen, the command line or another program asks of the engine."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from engine.again import Again
from engine.agents.registry import load_agents
from engine.hub import Hub, Subscription
from engine.model.browsing import DrivenBy
from engine.model.changes import Amend, SettleApproval
from engine.model.errors import CockpitError, StaleState, UsageError
from engine.model.grants import Grant, Scope, grant_in
from engine.model.ids import short
from engine.model.options import ApprovalMode, EngineSettings, RunOptions
from engine.model.plan import Plan
from engine.model.records import (
    Approval,
    ApprovalState,
    Json,
    Mode,
    Run,
)
from engine.model.redo import Redo
from engine.model.text import clean
from engine.ports import Blobs, Clock, Launcher, Prices, Store
from engine.runs.attaching import attached
from engine.runs.beginning import Request, begin_run, check_rules
from engine.runs.fleet import Fleet
from engine.runs.publish import publish
from engine.runs.redo import find_step
from engine.runs.settling import answer_of
from engine.runs.slots import Slots
from engine.runs.world import SystemClock, World

_MANY = 100_000


class Engine(Again):
    """One engine on one store. All methods belong to one event loop; every error a person reads is a CockpitError."""

    def __init__(
        self,
        settings: EngineSettings,
        store: Store,
        blobs: Blobs,
        launcher: Launcher,
        prices: Prices,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(store, blobs)
        self.settings = settings
        self._launcher, self._prices = launcher, prices
        self._clock = clock or SystemClock()
        self._chance = chance
        self._agents = {}
        self._world: World | None = None
        self._hub = Hub(self.events)
        self._warming: asyncio.Task[None] | None = None

    sandbox_tier = "limits"

    async def open(self) -> None:
        """Open the store (creating or migrating it), read the agents, and begin to warm up.

        Raises:
            StorageError: the database cannot be used.
            UsageError: an agent's file is wrong.
        """
        self._agents = load_agents(self.settings.agents_dir)
        await self._store.open()
        self._store.listen(self._hub.publish)
        self._hub.open(self._store.watch)
        self._world = World(
            self._store,
            self._blobs,
            self._launcher,
            self._prices,
            self._clock,
            self.settings,
            self._agents,
            Slots(self.settings.max_workers),
            self._hub.publish,
            self._chance,
        )
        self._fleet = Fleet(self._world, self._store)
        await self._fleet.open()
        if self.settings.drives and self.settings.warm:
            self._warming = asyncio.create_task(self._warm())

    async def close(self) -> None:
        """Stop what is driven here, to be resumed later, and let go of everything."""
        if self._fleet:
            await self._fleet.close()
        if self._warming:
            await self._warming
        self._hub.close()
        await self._launcher.close()
        await self._store.close()

    async def _warm(self) -> None:
        with suppress(CockpitError):  # the first worker's start will say it
            await self._launcher.open()

    @property
    def is_open(self) -> bool:
        """Whether it was opened."""
        return self._fleet is not None

    def active(self) -> list[str]:
        """The runs in which this process has something running now."""
        return self.fleet.active()

    async def driven(self, run_id: str) -> bool:
        """Whether a living process, this or another, drives a run."""
        return await self.fleet.driven(await (await self._of_run(run_id)).run(run_id))

    async def drivers(self, runs: Sequence[Run]) -> dict[str, DrivenBy]:
        """Who drives each of these runs, by its id."""
        return await self.fleet.drivers(runs)

    def trouble(self, run_id: str) -> CockpitError | None:
        """Why this process cannot drive a run any further (the database cannot be written to, say). The run's own rows
        may not tell, since they could not be written either."""
        return self.fleet.trouble(run_id)

    # Starting and steering

    async def submit(
        self,
        task: str,
        *,
        mode: Mode = Mode.PLANNING_CONTROL,
        options: RunOptions | None = None,
        plan: Plan | None = None,
        title: str | None = None,
        session_id: str | None = None,
        attach: Sequence[Path] = (),
        drive: bool = True,
    ) -> Run:
        """Begin a run, in a new session unless one is named. Without `drive` it is only written down, to be resumed.
        Files that are attached are copied, and every step finds them in its directory, in `inputs/`.

        Raises:
            UsageError: the task, the mode, a model, an agent or a file is not usable. Nothing was written.
            PlanInvalid: the given plan cannot run.
        """
        session = await self.reads(session_id).session() if session_id else None
        options = options or RunOptions()
        if attach:
            options = replace(options, inputs=await asyncio.to_thread(attached, attach, self._blobs))
        run, changes = begin_run(
            Request(task, mode, options, plan, title),
            session,
            self._agents,
            self.settings,
            self._clock.now(),
            owner_id=self.fleet.client_id if drive else None,
        )
        await self._store.commit(*changes)
        self._sessions[run.id] = run.session_id
        if drive:
            self.fleet.begin(session or await self.reads(run.session_id).session(), run)
        return run

    async def wait(self, run_id: str) -> Run:
        """Wait until a run that this process drives is over, paused, or waits for a person; return it.

        Raises:
            CockpitError: what made driving it impossible.
        """
        await self.fleet.wait(run_id)
        return await (await self._of_run(run_id)).run(run_id)

    async def take_over(self) -> list[str]:
        """Go on with the runs that were at work when the process that drove them died; return them."""
        return await self.fleet.take_over()

    async def pause(self, run_id: str, *, now: bool = False) -> Run:
        """Hold a run: each agent is answered what it has asked and then stays where it is. With `now`, what runs is
        ended at once. Either way it goes on from there when it is resumed."""
        return await self._steer(run_id, "pause-now" if now else "pause")

    async def hold(self, run_id: str) -> Run:
        """End what a run has running now, because this program is interrupted."""
        return await self._steer(run_id, "interrupted")

    async def cancel(self, run_id: str) -> Run:
        """End a run and everything that it started."""
        return await self._steer(run_id, "cancel")

    async def resume(self, run_id: str) -> Run:
        """Let a paused run go on, or take over one whose process died.

        Raises:
            UsageError: it is over.
        """
        reads = await self._of_run(run_id)
        run = await reads.run(run_id)
        if run.state.terminal:
            raise UsageError(
                f"run {short(run_id)} is {run.state.value}: there is nothing to resume",
                f"`cmbagent-tui redo {short(run_id)} STEP` does a step again, and what builds on it.",
            )
        await self.fleet.resume(await reads.session(), run)
        return await reads.run(run_id)

    async def _steer(self, run_id: str, verb: str) -> Run:
        reads = await self._of_run(run_id)
        run = await reads.run(run_id)
        if run.state.terminal:
            raise UsageError(f"run {short(run_id)} is {run.state.value}: there is nothing to {verb}")
        await self.fleet.stop(await reads.session(), run, verb)
        return await reads.run(run_id)

    async def set_mode(self, run_id: str, mode: ApprovalMode, *, rules: Json | None = None) -> Run:
        """Change when a run stops and asks, from its next plan, step, call or error on. `rules` are those of the mode
        custom. What waits already goes on waiting.

        Raises:
            UsageError: the run is over, or the rules say something that cannot be.
        """
        reads = await self._of_run(run_id)
        run = await reads.run(run_id)
        if run.state.terminal:
            raise UsageError(f"run {short(run_id)} is {run.state.value}: it asks nothing any more")
        check_rules(rules)
        await self.fleet.set_mode(await reads.session(), run, mode, rules)
        return await reads.run(run_id)

    async def resolve(
        self,
        approval_id: str,
        state: ApprovalState,
        *,
        feedback: str | None = None,
        plan: Plan | None = None,
        edit: Json | None = None,
        always: Scope | None = None,
    ) -> Approval:
        """Settle an approval, once, in one of the ways that engine.model.resolutions gives for it. `edit` is what
        replaces what was shown when it is modified: a step, or a call's arguments (a plan may be given as `plan`).
        `always`: such calls (exactly what was shown) are not asked about any more, in this run or session.

        Raises:
            StaleState: someone settled it before.
            UsageError: it cannot be settled so. The approval still waits.
            PlanInvalid: the edited plan cannot run. The approval still waits.
        """
        found, session_id = await self.identify("approvals", approval_id)
        reads = self.reads(session_id)
        approval = await reads.approval(found)
        if approval.state is not ApprovalState.PENDING:
            raise _settled(approval)
        run = await reads.run(approval.run_id)
        said = clean(feedback).strip() or None if feedback else None
        edit = plan.model_dump(mode="json") if plan else edit
        answer = answer_of(approval, state, edit, said, always, run, self.agent_names(), self.fleet.name)
        now = self._clock.now()
        settle = SettleApproval(session_id, found, state, self.fleet.name, now, said, answer)
        try:
            await self._store.commit(settle)
        except StaleState:
            raise _settled(await reads.approval(found)) from None
        await self.fleet.wake(await reads.session(), await reads.run(approval.run_id))
        return await reads.approval(found)

    async def waive(self, run_id: str, step: str, checks: Sequence[str], *, why: str | None = None) -> Run:
        """Let a step's result stand although these of its checks do not hold. What it did is not done again: the checks
        are, and where one fails that is waived, it is shown as waived.

        Raises:
            UsageError: there is no such step or check, or the step has not failed of a check.
        """
        reads = await self._of_run(run_id)
        view = await reads.view(run_id)
        node = find_step(view, step)
        waiting = [one for one in view.approvals if one.node_id == node.id and one.state is ApprovalState.PENDING]
        if waiting and waiting[0].kind == "error":
            edit = {"waive": list(checks)}
            await self.resolve(waiting[0].id, ApprovalState.MODIFIED, feedback=why, edit=edit)
        else:
            wanted = Redo(why, waive=tuple(checks)).cleaned()
            await self.fleet.redo(await reads.session(), view.run, step, wanted)
        return await reads.run(run_id)

    async def grants(self, run_id: str | None = None) -> list[Grant]:
        """What people have allowed for good, newest first: all, or what counts in a run; also what was revoked."""
        if run_id is None:
            found = await self._store.approvals(pending=False, limit=_MANY)
        else:
            found = (await (await self._of_run(run_id)).approvals(state=ApprovalState.APPROVED))[::-1]
        grants = [grant for one in found if (grant := grant_in(one))]
        return [one for one in grants if run_id in (None, one.run_id) or one.scope is Scope.SESSION]

    async def revoke(self, grant_id: str) -> Grant:
        """Take back what was allowed for good: such calls are asked about again, from the next one on.

        Raises:
            UsageError: it is no grant, or was taken back before.
        """
        found, session_id = await self.identify("approvals", grant_id)
        reads = self.reads(session_id)
        approval = await reads.approval(found)
        grant = grant_in(approval)
        if grant is None or grant.revoked_by:
            how = f"was taken back by {grant.revoked_by}" if grant else "allows nothing for good"
            raise UsageError(f"{approval.title}: this {how}", "`cmbagent-tui grants` lists what is allowed.")
        answer = {**(approval.answer or {}), "revoked_by": self.fleet.name, "revoked_at": self._clock.now().isoformat()}
        await self._store.commit(Amend(session_id, found, answer))
        return replace(grant, revoked_by=self.fleet.name)

    async def publish(self, run_id: str) -> None:
        """Write the directory of a run that is over from what is stored: it may have come from another machine."""
        if self._world is None:
            raise CockpitError("the engine is not open")
        await publish(self._world, await (await self._of_run(run_id)).session(), run_id)

    def subscribe(self, run_id: str | None, *, after: int = 0) -> Subscription:
        """Hear a run's events from behind `after`, or (None) the states and approvals of all runs from now on.

        What other processes commit is heard at most 0.2 s later. Text that models stream is heard in the process alone
        that drives the run."""
        return self._hub.subscribe(run_id, after)


def _settled(approval: Approval) -> StaleState:
    return StaleState(
        f"{approval.title} was settled before: {approval.state.value} by {approval.resolved_by or 'the engine'}"
    )
