"""Who drives a run: each process that can is a client with a heartbeat, and a run has at most one owner.

A process that wants something of a run that another one drives leaves a command; its owner carries it out.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from dataclasses import replace
from datetime import datetime, timedelta

from engine.model.changes import Add, Forget, Own
from engine.model.clients import Client, Command, CommandState
from engine.model.errors import CockpitError
from engine.model.ids import new_id
from engine.model.records import Json, Run
from engine.ports import Clock, Store

HEARTBEAT = 2.0  # seconds between two signs of life
SILENT = timedelta(seconds=15)  # a client that was silent for longer is gone
_ANSWER = 10.0  # seconds to wait for an owner to carry out a command


class Ownership:
    """This process as a client, and what it knows of the others."""

    def __init__(self, store: Store, clock: Clock, terminal: str) -> None:
        self._store, self._clock = store, clock
        now = clock.now()
        self.client = Client(new_id(), os.getpid(), socket.gethostname(), terminal, now, now)

    @property
    def name(self) -> str:
        """How this process is called in histories."""
        try:
            person = getpass.getuser()
        except (KeyError, OSError):  # a user id without a name, as in some containers
            person = f"user {os.getuid()}"
        return f"{person} ({self.client.terminal or 'no terminal'})"

    async def beat(self) -> None:
        """Give a sign of life."""
        self.client = replace(self.client, heartbeat_at=self._clock.now())
        await self._store.commit(Add(self.client), urgent=False)

    async def leave(self) -> None:
        """Take this process off the list."""
        await self._store.commit(Forget(self.client.id))

    async def living_owner(self, run: Run) -> Client | None:
        """The other client that drives this run, if it is alive."""
        if run.owner_id is None or run.owner_id == self.client.id:
            return None
        owner = next((one for one in await self._store.clients() if one.id == run.owner_id), None)
        return owner if owner and self._alive(owner, self._clock.now()) else None

    def claim(self, run: Run) -> Own:
        """The change that makes this process the owner in place of the one that `run` shows."""
        return Own(run.session_id, run.id, self.client.id, run.owner_id, run.lease)

    async def ask(self, run: Run, verb: str, arguments: Json | None = None) -> str:
        """Leave a command for the run's owner and wait until it is settled; return the outcome in words.

        Raises:
            CockpitError: the owner refused, or did not answer in time.
        """
        now = self._clock.now()
        command = Command(new_id(), run.session_id, run.id, verb, arguments or {}, self.name, now)
        await self._store.commit(Add(command))
        waited = self._clock.monotonic()
        while self._clock.monotonic() - waited < _ANSWER:
            await asyncio.sleep(0.05)
            command = await self._store.command(command.id)
            if command.state is CommandState.REFUSED:
                raise CockpitError(f"the process that drives the run refused: {command.outcome}")
            if command.state is CommandState.DONE:
                return command.outcome or "done"
        raise CockpitError(
            f"the process that drives the run did not answer within {_ANSWER:g} s",
            "If it hangs, end it and say `cmbagent-tui resume` for the run.",
        )

    def _alive(self, client: Client, now: datetime) -> bool:
        if client.host == self.client.host and not _process_exists(client.pid):
            return False
        return now - client.heartbeat_at < SILENT


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
