"""Who drives a run: each process is a client with a heartbeat, and a run has at most one owner, by lease.

A process that wants something of a run that another one drives leaves a command; its owner carries it out.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from engine.model.changes import Add, Fence, Forget, Own, SettleCommand
from engine.model.clients import Client, Command, CommandState
from engine.model.errors import CockpitError, StaleState, UsageError
from engine.model.ids import new_id, short
from engine.model.options import EngineSettings
from engine.model.records import Json, Run
from engine.ports import Clock, Store
from engine.runs.liveness import Watch, this_process, this_system

_ANSWER = 10.0  # seconds to wait for an owner to carry out a command
_LOOK = 0.05  # seconds between looks for its answer
_TICK = timedelta(microseconds=1)


class Ownership:
    """This process as a client, and what it knows of the others."""

    def __init__(self, store: Store, clock: Clock, settings: EngineSettings) -> None:
        self._store, self._clock = store, clock
        self._most = settings.max_clients
        self._watch = Watch(clock, settings.silent)
        now = clock.now()
        self.client = Client(
            new_id(),
            os.getpid(),
            socket.gethostname(),
            settings.terminal,
            now,
            now,
            boot=this_system(),
            process=this_process(),
        )

    @property
    def name(self) -> str:
        """How this process is called in histories."""
        try:
            person = getpass.getuser()
        except (KeyError, OSError):  # a user id without a name, as in some containers
            person = f"user {os.getuid()}"
        return f"{person} ({self.client.terminal or 'no terminal'})"

    async def enter(self) -> None:
        """Appear among the clients, and take those off the list that are no more.

        Raises:
            UsageError: there are too many already.
        """
        living = await self.sweep()
        if living >= self._most:
            raise UsageError(
                f"{living} processes have this database open, and at most {self._most} may",
                "Close some of them, or raise max_clients in the settings.",
            )
        await self._store.commit(Add(self.client))

    async def beat(self) -> None:
        """Give a sign of life."""
        self.client = replace(self.client, heartbeat_at=self._clock.now())
        await self._store.commit(Add(self.client), urgent=False)

    async def sweep(self) -> int:
        """Take off the list who is no more; return how many are left."""
        clients = await self._store.clients()
        gone = [one for one in clients if one.id != self.client.id and not self._watch.alive(one)]
        for one in gone:
            with suppress(StaleState):  # it has just woken up
                await self._store.commit(Forget(one.id, before=one.heartbeat_at + _TICK))
        return len(clients) - len(gone)

    async def leave(self) -> None:
        """Take this process off the list."""
        await self._store.commit(Forget(self.client.id))

    async def living_owner(self, run: Run) -> Client | None:
        """The other client that drives this run, if it is alive."""
        if run.owner_id is None or run.owner_id == self.client.id:
            return None
        owner = next((one for one in await self._store.clients() if one.id == run.owner_id), None)
        return owner if owner and self._watch.alive(owner) else None

    async def living(self) -> frozenset[str]:
        """The other clients that are alive."""
        others = [one for one in await self._store.clients() if one.id != self.client.id]
        return frozenset(one.id for one in others if self._watch.alive(one))

    def claim(self, run: Run) -> tuple[Own, Fence]:
        """The change that makes this process the owner in place of the one that `run` shows, and what it then writes
        under."""
        own = Own(run.session_id, run.id, self.client.id, run.owner_id, run.lease)
        return own, Fence(run.session_id, run.id, self.client.id, run.lease + 1)

    def fence(self, run: Run) -> Fence:
        """What the owner of a run writes under."""
        return Fence(run.session_id, run.id, self.client.id, run.lease)

    async def ask(self, run: Run, verb: str, arguments: Json | None = None) -> str | None:
        """Leave a command for the run's owner and wait until it is settled; return the outcome in words, or None when
        there is no living owner (any more).

        Raises:
            CockpitError: the owner refused, or did not answer in time.
        """
        if await self.living_owner(run) is None:
            return None
        now = self._clock.now()
        command = Command(new_id(), run.session_id, run.id, verb, arguments or {}, self.name, now)
        await self._store.commit(Add(command))
        waited = self._clock.monotonic()
        while self._clock.monotonic() - waited < _ANSWER:
            await asyncio.sleep(_LOOK)
            command = await self._store.command(command.id)
            if command.state is CommandState.PENDING and await self.living_owner(run) is None:
                command = await self._withdrawn(command, "its owner is gone")
                if command.outcome == "its owner is gone":
                    return None
            if command.state is CommandState.REFUSED:
                raise CockpitError(f"the process that drives the run refused: {command.outcome}")
            if command.state is CommandState.DONE:
                return command.outcome or "done"
        await self._withdrawn(command, "nobody answered in time")
        raise CockpitError(
            f"the process that drives run {short(run.id)} did not answer within {_ANSWER:g} s",
            "If it hangs, end it and say `cmbagent-tui resume` for the run.",
        )

    async def _withdrawn(self, command: Command, why: str) -> Command:
        """The command as it was settled: withdrawn, unless its owner was quicker."""
        with suppress(StaleState):
            settle = SettleCommand(command.id, CommandState.REFUSED, why, self._clock.now())
            await self._store.commit(settle)
        return await self._store.command(command.id)
