"""The fleet: the runs that this process drives, and what is asked of those that it does not."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from engine.model.changes import SettleCommand
from engine.model.clients import Command, CommandState
from engine.model.errors import CockpitError, StaleState
from engine.model.ids import short
from engine.model.records import AttemptState, Run, RunView, Session
from engine.model.states import Actor, RunState, StepState
from engine.model.text import one_line
from engine.runs.control import Stop
from engine.runs.driver import Driver
from engine.runs.moves import By, engine, move_run
from engine.runs.outcome import break_off, cancel
from engine.runs.ownership import HEARTBEAT, Ownership
from engine.runs.world import World

_LOOK = 0.2  # seconds between looks for commands


class Fleet:
    """All drivers of one engine."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ownership = Ownership(world.store, world.clock, world.settings.terminal)
        self._drivers: dict[str, Driver] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._failures: dict[str, CockpitError] = {}
        self._owned: dict[str, Session] = {}
        self._duties: list[asyncio.Task[None]] = []

    @property
    def client_id(self) -> str:
        """This process, as an owner of runs."""
        return self._ownership.client.id

    @property
    def name(self) -> str:
        """This process, in histories."""
        return self._ownership.name

    async def open(self) -> None:
        """Appear among the clients, and keep an eye on commands."""
        await self._ownership.beat()
        self._duties = [asyncio.create_task(self._keep_beating()), asyncio.create_task(self._keep_looking())]

    async def close(self) -> None:
        """Stop every driver, so that its run can be resumed, and leave."""
        for duty in self._duties:
            duty.cancel()
        by = engine("the program was closed")
        for driver in tuple(self._drivers.values()):
            driver.stop(Stop.CLOSE, by)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._duties:
            with suppress(CockpitError):
                await self._ownership.leave()

    def owns(self, run_id: str) -> bool:
        """Whether this process drives the run, or would."""
        return run_id in self._owned

    def active(self) -> list[str]:
        """The runs that have a driver at work."""
        return list(self._drivers)

    async def driven(self, run: Run) -> bool:
        """Whether a living process, this or another, drives the run."""
        return self.owns(run.id) or await self._ownership.living_owner(run) is not None

    def drive(self, session: Session, run_id: str) -> None:
        """Have a run that this process owns driven, or looked at again if it is."""
        self._owned[run_id] = session
        self._failures.pop(run_id, None)
        if run_id in self._tasks and not self._tasks[run_id].done():
            self._again.add(run_id)
            return
        self._drivers[run_id] = Driver(self._world, session, run_id)
        self._tasks[run_id] = asyncio.create_task(self._keep_driving(session, run_id))

    async def wait(self, run_id: str) -> None:
        """Wait until nothing of the run can go on without a person. Raises what made driving it impossible."""
        task = self._tasks.get(run_id)
        if task:
            await asyncio.shield(task)
        if run_id in self._failures:
            raise self._failures[run_id]

    def trouble(self, run_id: str) -> CockpitError | None:
        """What made driving a run impossible, until it is driven again."""
        return self._failures.get(run_id)

    async def resume(self, session: Session, run: Run) -> None:
        """Let a run go on: here, or where it is driven."""
        if run.id in self._drivers and run.state is not RunState.PAUSED:
            return
        if await self._ownership.living_owner(run):
            await self._ownership.ask(run, "resume")
            return
        await self._adopt(session, run, resume=True)
        self.drive(session, run.id)

    async def take_over(self) -> list[str]:
        """Go on with the runs that were at work when their process died; return them."""
        taken: list[str] = []
        for run in await self._world.store.unfinished():
            at_work = run.state in (RunState.PLANNING, RunState.EXECUTING)
            if at_work and run.owner_id and not await self.driven(run):
                session = await self._world.store.reads(run.session_id).session()
                with suppress(StaleState):  # another process was quicker
                    await self._adopt(session, run, resume=False)
                    self.drive(session, run.id)
                    taken.append(run.id)
        return taken

    async def wake(self, session: Session, run: Run) -> None:
        """Something that a run waited for is settled: have its driver look."""
        if self.owns(run.id):
            self.drive(session, run.id)
        elif await self._ownership.living_owner(run):
            await self._ownership.ask(run, "wake")
        elif self._world.settings.drives:
            await self._adopt(session, run, resume=False)
            self.drive(session, run.id)

    async def stop(self, session: Session, run: Run, verb: str, how: Stop) -> None:
        """Pause or cancel a run, wherever it is driven.

        When this returns a cancelled run has ended, and a run in which nothing was at work is paused.
        """
        by = By(Actor.PERSON, self.name, verb)
        driver = self._drivers.get(run.id)
        at_rest = driver is None
        if driver is None and not self.owns(run.id) and await self._ownership.living_owner(run):
            await self._ownership.ask(run, verb)
            return
        if driver is None:
            if not self.owns(run.id):
                await self._adopt(session, run, resume=False)
            driver = self._drivers[run.id] = Driver(self._world, session, run.id)
            driver.stop(how, by)
            self._owned[run.id] = session
            self._tasks[run.id] = asyncio.create_task(self._keep_driving(session, run.id))
        else:
            driver.stop(how, by)
        if at_rest or how is not Stop.PAUSE:
            await self.wait(run.id)

    async def _adopt(self, session: Session, run: Run, *, resume: bool) -> None:
        """Become a run's owner; what its last owner left running will be continued."""
        now = self._world.clock.now()
        view = await self._world.store.reads(session.id).view(run.id)
        left = [attempt.id for attempt in view.attempts if attempt.state is AttemptState.RUNNING]
        if left:
            await self._world.launcher.sweep(left)
        changes = [] if self.owns(run.id) else [self._ownership.claim(run)]
        changes += break_off(view, now, "its process is gone")
        if resume and run.state is RunState.PAUSED:
            by = By(Actor.PERSON, self.name, "resume")
            changes += move_run(view.run, _before_the_pause(view), by, now)[1]
        try:
            await self._world.store.commit(*changes)
        except StaleState as error:
            raise StaleState(f"run {short(run.id)} was taken over by another process", error.cause) from None
        self._owned[run.id] = session

    async def _keep_driving(self, session: Session, run_id: str) -> None:
        try:
            while True:
                self._again.discard(run_id)
                await self._drivers[run_id].drive()
                if run_id not in self._again:
                    break
        except CockpitError as error:
            await self._give_up(session, run_id, error)
        except OSError as error:
            await self._give_up(session, run_id, CockpitError(f"{error.strerror or error}", str(error.filename or "")))
        finally:
            self._drivers.pop(run_id, None)

    async def _give_up(self, session: Session, run_id: str, error: CockpitError) -> None:
        """Driving failed: the run has failed, and says why, if that can still be written."""
        self._failures[run_id] = error
        with suppress(CockpitError):
            view = await self._world.store.reads(session.id).view(run_id)
            if not view.run.state.terminal:
                now = self._world.clock.now()
                cause = one_line(error.cause, 500)
                changes = cancel(view, engine("driving it failed"), now, failed=cause)
                await self._world.store.commit(*changes)

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            with suppress(CockpitError):  # a store that cannot be written fails the runs themselves, loudly
                await self._ownership.beat()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            if self._owned:
                with suppress(CockpitError):
                    for command in await self._world.store.commands(run_ids=tuple(self._owned)):
                        await self._obey(command)

    async def _obey(self, command: Command) -> None:
        session = self._owned[command.run_id]
        run = await self._world.store.reads(session.id).run(command.run_id)
        state, outcome = CommandState.DONE, "done"
        try:
            match command.verb:
                case "wake":
                    self.drive(session, run.id)
                case "resume":
                    await self.resume(session, run)
                case "pause" | "cancel" if not run.state.terminal:
                    how = Stop.PAUSE if command.verb == "pause" else Stop.CANCEL
                    await self.stop(session, run, command.verb, how)
                case _:
                    state, outcome = CommandState.REFUSED, f"the run is {run.state.value}"
        except CockpitError as error:
            state, outcome = CommandState.REFUSED, error.cause
        await self._world.store.commit(SettleCommand(command.id, state, outcome, self._world.clock.now()))


def _before_the_pause(view: RunView) -> RunState:
    """The state that a paused run goes back to."""
    if any(node.state is StepState.WAITING_APPROVAL for node in view.nodes):
        return RunState.WAITING_APPROVAL
    return RunState.EXECUTING if view.run.plan is not None else RunState.PLANNING
