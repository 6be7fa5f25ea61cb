"""Carrying out changes inside the writer's transaction: each guarded, and in its own session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from engine.model.changes import (
    Add,
    Advise,
    Amend,
    Change,
    EndAttempt,
    Fence,
    Forget,
    Move,
    Own,
    Retitle,
    SetOptions,
    SetPlan,
    SettleApproval,
    SettleCommand,
    Shelve,
)
from engine.model.clients import Client, CommandState
from engine.model.errors import Fenced, IllegalTransition, NotFound, StaleState
from engine.model.events import Event
from engine.model.records import ApprovalState, AttemptState, JournalEntry, Run, SessionState, StateChange
from engine.model.states import RunState, StepState, check_run, check_step
from storage.codec import APPROVAL, ATTEMPT, COMMAND, EVENT, JOURNAL, NODE, RUN, SESSION, Value, codec_of, micros
from storage.statements import EVENT_CHUNKS, SHELVED, Prepared, Statements

if TYPE_CHECKING:
    from engine.ports import Blobs


class Cursor(Protocol):
    """What is used of a driver's cursor (PEP 249)."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, sql: str, parameters: Sequence[Any], /) -> object: ...
    def fetchone(self) -> Any: ...


_WORK = frozenset({RunState.PLANNING, RunState.EXECUTING, StepState.RUNNING})


class Applier:
    """Writes changes through one cursor. Events are numbered at once and inserted together by `flush`, which must come
    before the transaction's end; nothing in the schema refers to an event, so their place among the others is free."""

    def __init__(self, cursor: Cursor, blobs: Blobs, statements: Statements) -> None:
        self._cursor = cursor
        self._blobs = blobs
        self._say = statements
        self._event_rows: list[list[Value]] = []
        self._runs: dict[str, tuple[str, int]] = {}  # run → (session, last number given)
        self._do: dict[type, Callable[[Any, list[Event]], None]] = {
            Add: self._add,
            Move: self._move,
            EndAttempt: self._end_attempt,
            SetPlan: self._set_plan,
            SetOptions: self._set_options,
            SettleApproval: self._settle_approval,
            Amend: self._amend,
            SettleCommand: self._settle_command,
            Own: self._own,
            Fence: self._fence,
            Advise: self._advise,
            Retitle: self._retitle,
            Shelve: self._shelve,
            Forget: self._forget,
        }

    def apply(self, changes: Sequence[Change], numbered: list[Event]) -> None:
        """Carry out the changes of one call; its events, numbered, are appended to `numbered`.

        Raises:
            Fenced: it was to be written only under a lease that has passed to another owner.
            StaleState: a change found another state than it expected.
            NotFound: what it names is not there, or is another session's.
            IllegalTransition: the table of transitions forbids a move.
        """
        for change in changes:
            self._do[type(change)](change, numbered)

    def flush(self) -> None:
        """Insert the events that are waiting."""
        rows, start = self._event_rows, 0
        for chunk in EVENT_CHUNKS:
            while len(rows) - start >= chunk:
                part = rows[start : start + chunk]
                self._cursor.execute(self._say.insert_events[chunk], [value for row in part for value in row])
                start += chunk
        rows.clear()

    def forget(self) -> None:
        """Drop what was not flushed and every number given: the transaction was rolled back, to its start or a
        savepoint."""
        self._event_rows.clear()
        self._runs.clear()

    def _run(self, statement: Prepared, values: Mapping[str, Any]) -> int:
        self._cursor.execute(statement.sql, statement.bind(values))
        return self._cursor.rowcount

    def _one(self, statement: Prepared, values: Mapping[str, Any]) -> Any:
        self._cursor.execute(statement.sql, statement.bind(values))
        return self._cursor.fetchone()

    def _add(self, change: Add, numbered: list[Event]) -> None:
        record = change.record
        if isinstance(record, Event):
            self._event(record, numbered)
        elif isinstance(record, JournalEntry):
            self._journal(record)
        elif isinstance(record, Client):
            beat = {"the_id": record.id, "heartbeat_at": micros(record.heartbeat_at)}
            if not self._run(self._say.heartbeat, beat):
                self._insert(record)
        else:
            if isinstance(record, Run):
                self._check_parent(record)
                self._touch(record.session_id, record.created_at)
            elif isinstance(record, SessionState):
                self._touch(record.session_id, record.at)
            self._insert(record)

    def _insert(self, record: Any) -> None:
        codec = codec_of(record)
        self._cursor.execute(self._say.insert[codec.record].sql, codec.encode(record, self._blobs))

    def _event(self, event: Event, numbered: list[Event]) -> None:
        place = self._runs.get(event.run_id) or self._one(self._say.run_place, {"the_id": event.run_id})
        if place is None or place[0] != event.session_id:
            raise NotFound(f"there is no run {event.run_id} in session {event.session_id}.")
        event = event.numbered(place[1] + 1)
        self._event_rows.append(EVENT.encode(event, self._blobs))
        self._runs[event.run_id] = (event.session_id, event.seq)
        numbered.append(event)

    def _journal(self, entry: JournalEntry) -> None:
        values = dict(zip(JOURNAL.stored, JOURNAL.encode(entry, self._blobs), strict=True))
        where = {
            "the_attempt": entry.attempt_id,
            "the_agent": entry.agent,
            "the_sequence": entry.sequence,
            "the_run": entry.run_id,
            "the_session": entry.session_id,
        }
        if not self._run(self._say.answer, {**values, **where}):
            # One that has its answer meets the primary key here, and is refused.
            self._cursor.execute(self._say.insert[JournalEntry].sql, list(values.values()))

    def _check_parent(self, run: Run) -> None:
        if run.parent_node_id is not None:
            found = self._one(self._say.node_run, {"the_id": run.parent_node_id, "the_session": run.session_id})
            if found is None or found[0] != run.parent_run_id:
                raise NotFound(f"the parent run {run.parent_run_id} has no node {run.parent_node_id}.")

    def _touch(self, session_id: str, at: datetime) -> None:
        self._run(self._say.touch, {"the_id": session_id, "the_at": micros(at)})

    def _move(self, change: Move, numbered: list[Event]) -> None:
        move = change.change
        before, after = _checked(move)
        at = micros(move.at)
        codec = RUN if move.entity == "run" else NODE
        found = self._run(
            self._say.move[move.entity],
            {
                "the_id": move.entity_id,
                "the_run": move.run_id,
                "the_session": move.session_id,
                "the_before": before.value,
                "state": after.value,
                "started_at": at if after in _WORK else None,
                "ended_at": at if after.terminal else None,
                "error": codec.encode_field("error", change.error if after.terminal else None, self._blobs),
            },
        )
        if not found:
            self._refuse(
                f"{move.entity} {move.entity_id}", self._say.state[move.entity], move.entity_id, move.session_id
            )
        self._insert(move)
        if move.entity == "run":
            self._touch(move.session_id, move.at)

    def _end_attempt(self, change: EndAttempt, numbered: list[Event]) -> None:
        if change.state is AttemptState.RUNNING:
            raise IllegalTransition("an attempt cannot end in the state running")
        values = {
            "the_id": change.attempt_id,
            "the_session": change.session_id,
            "state": change.state.value,
            "ended_at": micros(change.at),
            **{
                name: ATTEMPT.encode_field(name, getattr(change, name), self._blobs)
                for name in ("summary", "error", "checks")
            },
        }
        if not self._run(self._say.end_attempt, values):
            self._refuse(f"attempt {change.attempt_id}", self._say.attempt_state, change.attempt_id, change.session_id)

    def _set_plan(self, change: SetPlan, numbered: list[Event]) -> None:
        values = {
            "the_id": change.run_id,
            "the_session": change.session_id,
            "plan": RUN.encode_field("plan", change.plan, self._blobs),
        }
        if not self._run(self._say.set_plan, values):
            raise NotFound(f"there is no run {change.run_id} in session {change.session_id}.")

    def _set_options(self, change: SetOptions, numbered: list[Event]) -> None:
        values = {
            "the_id": change.run_id,
            "the_session": change.session_id,
            "options": RUN.encode_field("options", change.options, self._blobs),
        }
        if not self._run(self._say.set_options, values):
            raise NotFound(f"there is no run {change.run_id} in session {change.session_id}.")

    def _settle_approval(self, change: SettleApproval, numbered: list[Event]) -> None:
        if change.state is ApprovalState.PENDING:
            raise IllegalTransition("an approval cannot be settled as pending")
        values = {
            "the_id": change.approval_id,
            "the_session": change.session_id,
            "state": change.state.value,
            "resolved_at": micros(change.at),
            "resolved_by": change.by,
            "feedback": APPROVAL.encode_field("feedback", change.feedback, self._blobs),
            "answer": APPROVAL.encode_field("answer", change.answer, self._blobs),
        }
        if not self._run(self._say.settle_approval, values):
            self._refuse(
                f"approval {change.approval_id}", self._say.approval_state, change.approval_id, change.session_id
            )

    def _amend(self, change: Amend, numbered: list[Event]) -> None:
        values = {
            "the_id": change.approval_id,
            "the_session": change.session_id,
            "answer": APPROVAL.encode_field("answer", change.answer, self._blobs),
        }
        if not self._run(self._say.amend, values):
            self._refuse(
                f"approval {change.approval_id}", self._say.approval_state, change.approval_id, change.session_id
            )

    def _settle_command(self, change: SettleCommand, numbered: list[Event]) -> None:
        if change.state is CommandState.PENDING:
            raise IllegalTransition("a command cannot be settled as pending")
        values = {
            "the_id": change.command_id,
            "state": change.state.value,
            "outcome": COMMAND.encode_field("outcome", change.outcome, self._blobs),
            "settled_at": micros(change.at),
        }
        if not self._run(self._say.settle_command, values):
            self._refuse(f"command {change.command_id}", self._say.command_state, change.command_id)

    def _own(self, change: Own, numbered: list[Event]) -> None:
        values = {
            "the_id": change.run_id,
            "the_session": change.session_id,
            "the_owner": change.expected,
            "the_lease": change.lease,
            "owner_id": change.client_id,
            "lease": change.lease + 1,
        }
        if not self._run(self._say.own, values):
            found = self._one(self._say.run_owner, values)
            if found is None:
                raise NotFound(f"there is no run {change.run_id} in session {change.session_id}.")
            raise StaleState(f"run {change.run_id} belongs to {found[0] or 'nobody'} by now.")
        self.flush()
        self._runs.pop(change.run_id, None)  # a former owner has given numbers since

    def _fence(self, change: Fence, numbered: list[Event]) -> None:
        found = self._one(self._say.run_owner, {"the_id": change.run_id, "the_session": change.session_id})
        if found is None:
            raise NotFound(f"there is no run {change.run_id} in session {change.session_id}.")
        if tuple(found) != (change.client_id, change.lease):
            raise Fenced(f"run {change.run_id} was taken over by another process.")

    def _advise(self, change: Advise, numbered: list[Event]) -> None:
        values = {
            "the_id": change.node_id,
            "the_session": change.session_id,
            "feedback": NODE.encode_field("feedback", change.feedback, self._blobs),
            "retry_at": NODE.encode_field("retry_at", change.retry_at, self._blobs),
        }
        if not self._run(self._say.advise, values):
            raise NotFound(f"there is no node {change.node_id} in session {change.session_id}.")

    def _shelve(self, change: Shelve, numbered: list[Event]) -> None:
        values: dict[str, Any] = {"the_id": change.session_id}
        for name in SHELVED:
            values[name] = SESSION.encode_field(name, getattr(change, name), self._blobs)
            if change.expected:
                values[f"the_{name}"] = SESSION.encode_field(name, getattr(change.expected, name), self._blobs)
        if not self._run(self._say.shelve_expected if change.expected else self._say.shelve, values):
            self._refuse_session(change.session_id)

    def _retitle(self, change: Retitle, numbered: list[Event]) -> None:
        values = {"the_id": change.session_id, "title": change.title, "updated_at": micros(change.at)}
        if change.expected is None:
            found = self._run(self._say.retitle, values)
        else:
            found = self._run(self._say.retitle_expected, {**values, "the_title": change.expected})
        if not found:
            self._refuse_session(change.session_id)

    def _refuse_session(self, session_id: str) -> None:
        if self._one(self._say.session, {"the_id": session_id}) is None:
            raise NotFound(f"there is no session {session_id}.")
        raise StaleState("the session was changed by someone else in between.")

    def _forget(self, change: Forget, numbered: list[Event]) -> None:
        values: dict[str, Any] = {"the_id": change.client_id}
        if change.before is None:
            self._run(self._say.forget, values)
        elif not self._run(self._say.forget_stale, {**values, "the_at": micros(change.before)}) and self._one(
            self._say.client, values
        ):
            raise StaleState(f"client {change.client_id} is alive: its heartbeat is newer than was thought.")

    def _refuse(self, what: str, state: Prepared, identifier: str, session_id: str | None = None) -> None:
        """Say why an update found nothing to change."""
        found = self._one(state, {"the_id": identifier, "the_session": session_id})
        if found is None:
            raise NotFound(f"there is no {what}" + (f" in session {session_id}." if session_id else "."))
        raise StaleState(f"{what} is {found[0]} by now: someone else was faster.")


def _checked(move: StateChange) -> tuple[RunState, RunState] | tuple[StepState, StepState]:
    """The states of a legal move.

    Raises:
        IllegalTransition: the table forbids it, or there are no such states.
        NotFound: it names one run and means another.
    """
    if move.entity == "run" and move.entity_id != move.run_id:
        raise NotFound(f"run {move.entity_id} is not run {move.run_id}.")
    try:
        if move.entity == "run":
            run_states = RunState(move.before), RunState(move.after)
            check_run(*run_states, move.actor)
            return run_states
        if move.entity == "node":
            step_states = StepState(move.before), StepState(move.after)
            check_step(*step_states, move.actor)
            return step_states
    except ValueError as error:
        raise IllegalTransition(str(error)) from error
    raise IllegalTransition(f"a {move.entity} is nothing that moves")
