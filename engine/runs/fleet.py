"""The fleet: the runs that this process drives, and what is asked of those that it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from engine.model.browsing import DrivenBy
from engine.model.changes import Add, Change, Fence, SetOptions, SettleCommand
from engine.model.clients import Command, CommandState
from engine.model.errors import CockpitError, Fenced, StaleState, StorageError
from engine.model.events import EventKind
from engine.model.ids import short
from engine.model.options import ApprovalMode, RunOptions
from engine.model.records import ApprovalState, AttemptState, Json, Run, RunView, Session
from engine.model.redo import Redo
from engine.model.states import Actor, RunState, StepState
from engine.model.text import one_line
from engine.ports import Store
from engine.runs.control import Stop, end_tasks
from engine.runs.deadlines import Deadlines, expire
from engine.runs.driver import Driver
from engine.runs.lease import LeasedStore
from engine.runs.lessons import last_program
from engine.runs.moves import By, engine, move_run, run_event
from engine.runs.outcome import break_off, cancel
from engine.runs.ownership import Ownership
from engine.runs.redo import find_step, redo
from engine.runs.waive import waive
from engine.runs.world import World

_LOOK = 0.2  # seconds between looks for commands
_LOOK_FOR_DEADLINES = 0.5
_ALL = 1_000_000
_STOPS = {"pause": Stop.PAUSE, "pause-now": Stop.PAUSE_NOW, "interrupted": Stop.CLOSE, "cancel": Stop.CANCEL}
_AT_WORK = frozenset({RunState.PLANNING, RunState.EXECUTING})


@dataclass(frozen=True, slots=True)
class _Owned:
    """A run of this process, and the lease that it writes under."""

    session: Session
    fence: Fence


class Fleet:
    """All drivers of one engine."""

    def __init__(self, world: World, store: Store) -> None:
        self._world = world
        self._store = store
        self._ownership = Ownership(store, world.clock, world.settings)
        self._drivers: dict[str, Driver] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._failures: dict[str, CockpitError] = {}
        self._owned: dict[str, _Owned] = {}
        self._duties: set[asyncio.Task[None]] = set()
        self._obeying: set[str] = set()  # commands that are being carried out

    @property
    def client_id(self) -> str:
        """This process, as an owner of runs."""
        return self._ownership.client.id

    @property
    def name(self) -> str:
        """This process, in histories."""
        return self._ownership.name

    async def open(self) -> None:
        """Appear among the clients, and keep an eye on commands.

        Raises:
            UsageError: too many processes have the database open.
        """
        await self._ownership.enter()
        self._attend(self._keep_beating())
        if self._world.settings.drives:
            self._attend(self._keep_looking())
            self._attend(self._keep_deadlines())

    async def close(self) -> None:
        """Stop every driver, so that its run can be resumed, and leave."""
        left = bool(self._duties)
        await end_tasks(tuple(self._duties))
        by = engine("the program was closed")
        for driver in tuple(self._drivers.values()):
            driver.stop(Stop.CLOSE, by)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if left:
            with suppress(CockpitError):
                await self._ownership.leave()

    def _attend(self, duty: Coroutine[None, None, None]) -> None:
        """Have something done beside everything else, until this process leaves."""
        task = asyncio.create_task(duty)
        self._duties.add(task)
        task.add_done_callback(self._duties.discard)

    def owns(self, run_id: str) -> bool:
        """Whether this process drives the run, or would."""
        return run_id in self._owned

    def active(self) -> list[str]:
        """The runs that have a driver at work: not one that only clears up behind a run that is over or paused."""
        return [run_id for run_id, driver in self._drivers.items() if not driver.at_rest]

    async def driven(self, run: Run) -> bool:
        """Whether a living process, this or another, drives the run."""
        return self.owns(run.id) or await self._ownership.living_owner(run) is not None

    async def drivers(self, runs: Sequence[Run]) -> dict[str, DrivenBy]:
        """Who drives each of these runs, by its id."""
        living = await self._ownership.living()

        def by(run: Run) -> DrivenBy:
            if self.owns(run.id):
                return DrivenBy.HERE
            return DrivenBy.ELSEWHERE if run.owner_id in living else DrivenBy.NOBODY

        return {run.id: by(run) for run in runs}

    def begin(self, session: Session, run: Run) -> None:
        """Drive a run that was just written down as this process's own."""
        self._owned[run.id] = _Owned(session, self._ownership.fence(run))
        self._drive(run.id)

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
        """Let a run go on: where it is driven, or else here, if this process drives runs at all."""
        driver = self._drivers.get(run.id)
        if driver is not None:
            if not driver.go_on():
                self._attend(self._resume_once_stopped(session, run.id))
        elif await self._ownership.ask(run, "resume") is None and self._world.settings.drives:
            await self._adopt(session, run, resume=True)
            self._drive(run.id)

    async def _resume_once_stopped(self, session: Session, run_id: str) -> None:
        with suppress(CockpitError):  # what went wrong stands in the run
            await self.wait(run_id)
            run = await self._store.reads(session.id).run(run_id)
            if run.state is RunState.PAUSED:
                await self.resume(session, run)

    async def take_over(self) -> list[str]:
        """Go on with the runs that were at work, or had been given the answer that they waited for, when their process
        died; return them."""
        taken: list[str] = []
        asking = {one.run_id for one in await self._store.approvals(pending=True, limit=_ALL)}
        for run in await self._store.unfinished():
            answered = run.state is RunState.WAITING_APPROVAL and run.id not in asking
            if (run.state in _AT_WORK or answered) and run.owner_id and not await self.driven(run):
                session = await self._store.reads(run.session_id).session()
                with suppress(StaleState):  # another process was quicker
                    await self._adopt(session, run, resume=False)
                    self._drive(run.id)
                    taken.append(run.id)
        return taken

    async def wake(self, session: Session, run: Run) -> None:
        """Something that a run waited for is settled: have its driver look."""
        if self.owns(run.id):
            self._drive(run.id)
        elif await self._ownership.ask(run, "wake") is None and self._world.settings.drives:
            await self._adopt(session, run, resume=False)
            self._drive(run.id)

    async def stop(self, session: Session, run: Run, verb: str) -> None:
        """Pause or cancel a run, wherever it is driven: "pause", "pause-now", "interrupted" or "cancel".

        When this returns a cancelled run has ended, and a run in which nothing was at work is paused.
        """
        how, by = _STOPS[verb], By(Actor.PERSON, self.name, verb)
        driver = self._drivers.get(run.id)
        at_rest = driver is None
        if driver is None:
            if not self.owns(run.id):
                if await self._ownership.ask(run, verb) is not None:
                    return
                await self._adopt(session, run, resume=False)
            self._failures.pop(run.id, None)
            driver = self._drivers[run.id] = self._driver(run.id)
            driver.stop(how, by)
            self._tasks[run.id] = asyncio.create_task(self._keep_driving(run.id))
        else:
            driver.stop(how, by)
        if at_rest or how is not Stop.PAUSE:
            await self.wait(run.id)

    async def redo(self, session: Session, run: Run, step: str, wanted: Redo, who: str | None = None) -> None:
        """Have a step done again, or checks of it waived, wherever the run is driven (see engine.runs.redo, .waive).
        `who` asks for it, if not this process."""
        by = By(Actor.PERSON, who or self.name, "waive" if wanted.waive else "redo")
        if run.id in self._drivers:
            await self._redone(session, run.id, step, wanted, by)  # what cannot be stops nothing
            if driver := self._drivers.get(run.id):  # it may have ended meanwhile
                driver.stop(Stop.PAUSE_NOW, by)
                await self.wait(run.id)
        if not self.owns(run.id):
            if await self._ownership.ask(run, "redo", {"step": step, **wanted.to_json()}) is not None:
                return
            await self._adopt(session, run, resume=False)
        await self._commit(run.id, await self._redone(session, run.id, step, wanted, by))
        self._drive(run.id)

    async def _redone(self, session: Session, run_id: str, step: str, wanted: Redo, by: By) -> list[Change]:
        reads = self._store.reads(session.id)
        view = await reads.view(run_id)
        if wanted.waive:
            return await waive(reads, view, step, wanted, by, self._world.clock.now())
        program = await last_program(reads, run_id, find_step(view, step).id) if wanted.program else None
        return redo(view, step, wanted, by, self._world.clock.now(), program)

    async def set_mode(self, session: Session, run: Run, mode: ApprovalMode, rules: Json | None) -> None:
        """Change when a run asks, wherever it is driven."""
        if not self.owns(run.id):
            if await self._ownership.ask(run, "mode", {"mode": mode.value, "rules": rules}) is not None:
                return
            await self._adopt(session, run, resume=False)
        await self._change_mode(session, run.id, mode, rules, self.name)

    async def _change_mode(
        self, session: Session, run_id: str, mode: ApprovalMode, rules: Json | None, who: str
    ) -> None:
        run = await self._store.reads(session.id).run(run_id)
        options = replace(RunOptions.from_json(run.options), approval=mode, rules=rules)
        data: Json = {"state": ApprovalState.APPROVED.value, "mode": mode.value, "by": who}
        event = run_event(run, EventKind.APPROVAL, self._world.clock.now(), f"from now on: {mode.value}", data)
        await self._commit(run_id, [SetOptions(session.id, run_id, options.to_json()), Add(event)])
        if driver := self._drivers.get(run_id):
            driver.change(options)

    def _driver(self, run_id: str) -> Driver:
        owned = self._owned[run_id]
        return Driver(replace(self._world, store=LeasedStore(self._store, owned.fence)), owned.session, run_id)

    def _drive(self, run_id: str) -> None:
        """Have a run that this process owns driven, or looked at again if it is."""
        self._failures.pop(run_id, None)
        if run_id in self._drivers:
            self._again.add(run_id)
            self._drivers[run_id].look()
            return
        self._drivers[run_id] = self._driver(run_id)
        self._tasks[run_id] = asyncio.create_task(self._keep_driving(run_id))

    async def _commit(self, run_id: str, changes: list[Change]) -> None:
        await LeasedStore(self._store, self._owned[run_id].fence).commit(*changes)

    async def _adopt(self, session: Session, run: Run, *, resume: bool) -> None:
        """Become a run's owner; what its last owner left running is ended, and will be continued.

        Raises:
            StaleState: another process was quicker.
        """
        if not self.owns(run.id):
            own, fence = self._ownership.claim(run)
            try:
                await self._store.commit(own)
            except StaleState as error:
                raise StaleState(f"run {short(run.id)} was taken over by another process", error.cause) from None
            self._owned[run.id] = _Owned(session, fence)
        # From here on the last owner writes nothing more, and only this process starts anything of the run.
        now = self._world.clock.now()
        view = await self._store.reads(session.id).view(run.id)
        left = [attempt.id for attempt in view.attempts if attempt.state is AttemptState.RUNNING]
        if left:
            await self._world.launcher.sweep(left)
        changes = break_off(view, now, "its process is gone")
        if resume and view.run.state is RunState.PAUSED:
            by = By(Actor.PERSON, self.name, "resume")
            changes += move_run(view.run, _before_the_pause(view), by, now)[1]
        await self._commit(run.id, changes)

    async def _keep_driving(self, run_id: str) -> None:
        try:
            while True:
                self._again.discard(run_id)
                driver = self._drivers[run_id]
                await driver.drive()
                if run_id not in self._again and not driver.unheard:
                    break
        except Fenced:
            self._owned.pop(run_id, None)  # it is another process's by now: from here on it is followed
        except CockpitError as error:
            await self._give_up(run_id, error)
        except OSError as error:
            await self._give_up(run_id, StorageError(f"{error.strerror or error}", str(error.filename or "")))
        finally:
            self._drivers.pop(run_id, None)

    async def _give_up(self, run_id: str, error: CockpitError) -> None:
        """Driving failed, and the run says why, if that can still be written: where the disk or the database refused it
        is paused, since nothing is wrong with the run itself; else it has failed."""
        self._failures[run_id] = error
        with suppress(CockpitError):
            view = await self._store.reads(self._owned[run_id].session.id).view(run_id)
            now, cause = self._world.clock.now(), one_line(error.cause, 500)
            if view.run.state.terminal:
                return
            if isinstance(error, StorageError) and view.run.state in _AT_WORK:
                paused = move_run(view.run, RunState.PAUSED, engine(cause), now)[1]
                await self._commit(run_id, [*break_off(view, now, cause), *paused])
            elif not isinstance(error, StorageError):
                await self._commit(run_id, cancel(view, engine("driving it failed"), now, failed=cause))

    async def _keep_beating(self) -> None:
        clock, settings = self._world.clock, self._world.settings
        last = clock.monotonic()
        while True:
            await asyncio.sleep(settings.heartbeat)
            with suppress(CockpitError):  # a store that cannot be written fails the runs themselves, loudly
                await self._ownership.beat()
                if clock.monotonic() - last > settings.silent / 2:
                    await self._see_what_is_left()
                last = clock.monotonic()

    async def _see_what_is_left(self) -> None:
        """This process slept: let go of the runs that others have taken over."""
        for run_id, owned in tuple(self._owned.items()):
            run = await self._store.reads(owned.session.id).run(run_id)
            if (run.owner_id, run.lease) != (owned.fence.client_id, owned.fence.lease):
                self._owned.pop(run_id, None)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            if self._owned:
                with suppress(CockpitError):
                    for command in await self._store.commands(run_ids=tuple(self._owned)):
                        if command.id not in self._obeying:
                            self._obeying.add(command.id)
                            self._attend(self._obey(command))

    async def _keep_deadlines(self) -> None:
        deadlines = Deadlines(self._world.clock)
        while True:
            await asyncio.sleep(_LOOK_FOR_DEADLINES)
            with suppress(CockpitError):
                for approval in deadlines.due(await self._store.approvals(pending=True)):
                    with suppress(StaleState):  # a person, or another process, was quicker
                        await self._store.commit(expire(approval, self._world.clock.now()))
                        reads = self._store.reads(approval.session_id)
                        await self.wake(await reads.session(), await reads.run(approval.run_id))

    async def _obey(self, command: Command) -> None:
        session = self._owned[command.run_id].session
        run = await self._store.reads(session.id).run(command.run_id)
        state, outcome = CommandState.DONE, "done"
        try:
            match command.verb:
                case "wake":
                    self._drive(run.id)
                case "resume":
                    await self.resume(session, run)
                case "redo":
                    wanted = Redo.from_json(command.arguments)
                    await self.redo(session, run, str(command.arguments.get("step")), wanted, command.issued_by)
                case "mode":
                    mode, rules = ApprovalMode(command.arguments["mode"]), command.arguments["rules"]
                    await self._change_mode(session, run.id, mode, rules, command.issued_by)
                case verb if verb in _STOPS and not run.state.terminal:
                    await self.stop(session, run, verb)
                case _:
                    state, outcome = CommandState.REFUSED, f"the run is {run.state.value}"
        except CockpitError as error:
            state, outcome = CommandState.REFUSED, error.cause
        with suppress(CockpitError):  # who asked did not want to wait, or looks again
            await self._store.commit(SettleCommand(command.id, state, outcome, self._world.clock.now()))
        self._obeying.discard(command.id)


def _before_the_pause(view: RunView) -> RunState:
    """The state that a paused run goes back to."""
    if view.run.plan is not None:
        return RunState.EXECUTING
    asked = any(node.state is StepState.WAITING_APPROVAL for node in view.nodes)
    return RunState.WAITING_APPROVAL if asked else RunState.PLANNING
