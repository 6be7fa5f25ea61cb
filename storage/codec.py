"""Between the engine's values and rows: one description a record, used for writing and for reading.

What of a body lives in the blob store (see storage.bodies) is put there before its row is written, and fetched when the
row is read, so that nobody above notices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import Column, Table

from engine.model.clients import Client, Command, CommandState
from engine.model.errors import StorageError
from engine.model.events import Event, EventKind, Phase
from engine.model.records import (
    Approval,
    ApprovalState,
    Artifact,
    Attempt,
    AttemptState,
    Checkpoint,
    CheckResult,
    Cost,
    Edge,
    EdgeKind,
    JournalEntry,
    Message,
    Mode,
    Node,
    NodeKind,
    Run,
    Session,
    SessionState,
    StateChange,
    TreeEntry,
)
from engine.model.states import Actor, RunState, StepState
from storage import tables
from storage.bodies import pack, unpack

if TYPE_CHECKING:
    from engine.ports import Blobs

T = TypeVar("T")
Value: TypeAlias = "str | int | None"
Encode: TypeAlias = "Callable[[Any, Blobs], Value]"
Decode: TypeAlias = "Callable[[Any, Blobs], Any]"


class Kind(NamedTuple):
    """What a field becomes in its column, and back."""

    encode: Encode
    decode: Decode
    body: bool = False  # it may name blobs


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Whole microseconds since 1970 UTC; a naive time is a TypeError."""
    span = at - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def moment(at: int) -> datetime:
    """The time, aware, UTC."""
    return _EPOCH + at * _MICROSECOND


def _encode_time(at: datetime | None, _: Blobs) -> int | None:
    return None if at is None else micros(at)


def _decode_time(at: int | None, _: Blobs) -> datetime | None:
    return None if at is None else moment(at)


def _encode_body(value: Any, blobs: Blobs) -> str | None:
    return None if value is None else pack(value, blobs)


def _decode_body(text: str | None, blobs: Blobs) -> Any:
    return None if text is None else unpack(text, blobs)


def _enum(kind: type[StrEnum], *, null: bool = False) -> Kind:
    members: dict[str | None, StrEnum | None] = {member.value: member for member in kind}
    if null:
        members[None] = None

    def encode(value: StrEnum | None, _: Blobs) -> str | None:
        return None if value is None else value.value

    def decode(value: str | None, _: Blobs) -> StrEnum | None:
        return members[value]

    return Kind(encode, decode)


def _tuple_of(kind: type[CheckResult] | type[TreeEntry]) -> Kind:
    """Small records in a body, each as the list of its values."""
    names = [field.name for field in fields(kind)]

    def encode(values: Sequence[Any], blobs: Blobs) -> str:
        return pack([[getattr(value, name) for name in names] for value in values], blobs)

    def decode(text: str, blobs: Blobs) -> tuple[Any, ...]:
        return tuple(kind(*values) for values in unpack(text, blobs))

    return Kind(encode, decode, body=True)


def _encode_flag(value: bool, _: Blobs) -> int:
    return int(value)


def _decode_flag(value: int, _: Blobs) -> bool:
    return bool(value)


def _decode_words(text: str, blobs: Blobs) -> tuple[str, ...]:
    return tuple(unpack(text, blobs))


TIME = Kind(_encode_time, _decode_time)
BODY = Kind(_encode_body, _decode_body, body=True)
FLAG = Kind(_encode_flag, _decode_flag)
WORDS = Kind(_encode_body, _decode_words, body=True)


class Codec(Generic[T]):
    """How one record is kept: its table, and what its fields become there. Other fields are kept as they are."""

    def __init__(self, record: type[T], table: Table, **kinds: Kind) -> None:
        names = [field.name for field in fields(record)]  # pyright: ignore[reportArgumentType]
        unknown = set(kinds) - set(names)
        assert not unknown, f"{record.__name__} has no {unknown}"
        self.record = record
        self.table = table
        self.names = names
        self.columns: list[Column[Any]] = [table.c[name] for name in names]
        self.bodies = [name for name, kind in kinds.items() if kind.body]
        self._kinds = kinds
        self.stored = [column.name for column in table.columns if column.name in names]
        self._encoders = [(name, kinds[name].encode if name in kinds else None) for name in self.stored]
        self._decoders = [(place, kinds[name].decode) for place, name in enumerate(names) if name in kinds]

    def encode(self, record: T, blobs: Blobs) -> list[Value]:
        """The values of a row, in the order of `stored`: the table's, which is how SQLAlchemy writes an INSERT."""
        return [
            getattr(record, name) if encoder is None else encoder(getattr(record, name), blobs)
            for name, encoder in self._encoders
        ]

    def encode_field(self, name: str, value: Any, blobs: Blobs) -> Value:
        """The value of one column."""
        return self._kinds[name].encode(value, blobs)

    def decode_field(self, name: str, value: Value, blobs: Blobs) -> Any:
        """What one column holds."""
        return self._kinds[name].decode(value, blobs)

    def decode(self, row: Sequence[Any], blobs: Blobs) -> T:
        """The record of a row whose columns are `columns`.

        Raises:
            StorageError: the row holds what no record can be made of.
        """
        values = list(row)
        try:
            for place, decoder in self._decoders:
                values[place] = decoder(values[place], blobs)
            return self.record(*values)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise StorageError(
                f"a row of {self.table.name} cannot be read ({type(error).__name__}: {error}).",
                "Run `cmbagent-tui db check`.",
            ) from error


SESSION = Codec(
    Session,
    tables.sessions,
    mode=_enum(Mode),
    created_at=TIME,
    updated_at=TIME,
    tags=WORDS,
    archived_at=TIME,
    deleted_at=TIME,
)
SESSION_STATE = Codec(SessionState, tables.session_states, at=TIME, conversation=BODY, context=BODY, plan=BODY)
RUN = Codec(
    Run,
    tables.runs,
    state=_enum(RunState),
    mode=_enum(Mode),
    task=BODY,
    options=BODY,
    created_at=TIME,
    plan=BODY,
    hypothesis=BODY,
    started_at=TIME,
    ended_at=TIME,
    error=BODY,
)
NODE = Codec(
    Node,
    tables.nodes,
    kind=_enum(NodeKind),
    state=_enum(StepState),
    started_at=TIME,
    ended_at=TIME,
    error=BODY,
    feedback=BODY,
    retry_at=TIME,
)
EDGE = Codec(Edge, tables.edges, kind=_enum(EdgeKind))
ATTEMPT = Codec(
    Attempt,
    tables.attempts,
    state=_enum(AttemptState),
    started_at=TIME,
    ended_at=TIME,
    summary=BODY,
    error=BODY,
    checks=_tuple_of(CheckResult),
    feedback=BODY,
)
JOURNAL = Codec(JournalEntry, tables.journal_entries, request=BODY, answer=BODY, at=TIME, repeatable=FLAG)
EVENT = Codec(Event, tables.events, kind=_enum(EventKind), at=TIME, phase=_enum(Phase), data=BODY)
MESSAGE = Codec(Message, tables.messages, at=TIME, content=BODY)
ARTIFACT = Codec(Artifact, tables.artifacts, at=TIME)
CHECKPOINT = Codec(Checkpoint, tables.checkpoints, at=TIME, tree=_tuple_of(TreeEntry), context=BODY)
APPROVAL = Codec(
    Approval,
    tables.approvals,
    shown=BODY,
    state=_enum(ApprovalState),
    created_at=TIME,
    deadline_at=TIME,
    resolved_at=TIME,
    feedback=BODY,
    answer=BODY,
    on_expiry=_enum(ApprovalState, null=True),
)
STATE_CHANGE = Codec(StateChange, tables.state_history, actor=_enum(Actor), why=BODY, at=TIME)
COST = Codec(Cost, tables.cost_records, at=TIME)
COMMAND = Codec(
    Command,
    tables.commands,
    arguments=BODY,
    issued_at=TIME,
    state=_enum(CommandState),
    outcome=BODY,
    settled_at=TIME,
)
CLIENT = Codec(Client, tables.clients, started_at=TIME, heartbeat_at=TIME)

CODECS: Mapping[type, Codec[Any]] = {
    codec.record: codec
    for codec in (
        SESSION,
        SESSION_STATE,
        RUN,
        NODE,
        EDGE,
        ATTEMPT,
        JOURNAL,
        EVENT,
        MESSAGE,
        ARTIFACT,
        CHECKPOINT,
        APPROVAL,
        STATE_CHANGE,
        COST,
        COMMAND,
        CLIENT,
    )
}


def codec_of(record: object) -> Codec[Any]:
    """The codec of a record's class."""
    return CODECS[type(record)]


def body_columns() -> list[Column[Any]]:
    """Every column that may name a blob."""
    return [codec.table.c[name] for codec in CODECS.values() for name in codec.bodies]
