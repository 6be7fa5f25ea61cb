"""The frames: what the host and a worker say to each other, one JSON object a line, over any byte stream.

The host sends one `start`, then answers. A frame from the worker with a number `n` is answered by an `ack` of that
number once its content is durable, and the worker goes on only then: that is what makes a journal entry a promise.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from engine.model.agents import AgentSpec
from engine.model.plan import Plan, PlanStep

MAX_FRAME = 16 * 1024 * 1024  # bytes; a longer line is a broken protocol
MAX_WAIT = 30 * 86_400.0  # seconds; whatever a server asks for, nobody waits longer


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("no calendar goes so far") from None


MOST = 2**53  # what a program in any language can count to
At = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Count = Annotated[int, Field(ge=0, le=MOST)]


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSpec(_Frame):
    """How a role reaches its model. `api_key` is a secret: it is sent once, to the worker alone, and never stored."""

    provider: str
    name: str
    base_url: str | None = None
    api_key: str | None = Field(default=None, repr=False)
    timeout: float = 1200.0  # seconds for one call
    retries: int = 2  # of the provider's client, for 429 and 5xx
    max_tokens: int | None = None  # of one answer; None: as many as the provider gives


class ScriptedAnswer(_Frame):
    """One answer of a `journal:` model: the `sequence`-th model call (from 1) of `agent` in `step`, in try `attempt`
    (None: any). `delay` (seconds) is how long the answer takes to stream, so that a demonstration can be followed by
    eye."""

    step: str
    agent: str
    sequence: int = Field(ge=1)
    attempt: int | None = None
    content: str | None = None
    tool_calls: tuple[ScriptedCall, ...] = ()
    model: str = "journal"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    delay: float = 0.0
    request_hash: str | None = None


class ScriptedCall(_Frame):
    """A tool call in a scripted answer."""

    name: str
    arguments: dict[str, Any]


class Permit(_Frame):
    """What a person or a rule has made of a call before it is made: the `arguments` to make it with, a `note` that its
    agent reads behind the result, or the answer that it gets `instead` of being made."""

    arguments: dict[str, Any] | None = None
    note: str = ""
    instead: dict[str, Any] | None = None


class RecordedEntry(_Frame):
    """A journal entry of this attempt that is already known: it is given again instead of being asked again."""

    agent: str
    sequence: int
    kind: Literal["model", "tool", "human"]
    request_hash: str
    answer: dict[str, Any] | None
    name: str = ""
    request: tuple[str, ...] = ()  # one digest line per message, where a difference is to be shown
    permit: Permit | None = None  # in a replay: how the tool is to run again


class Replay(_Frame):
    """The answers that an attempt of an earlier run was given, for one that replays it: models and people are not asked
    again, tools run again but for those whose answer is among the entries.

    Strict: each request must be the recorded one. `texts` are what was said then, to show how another one differs.
    """

    strict: bool = False
    entries: tuple[RecordedEntry, ...] = ()
    texts: tuple[str, ...] = ()


class Program(_Frame):
    """A program that an agent runs: a file below codebase/, and what is in it."""

    file: str
    code: str


class Upstream(_Frame):
    """A finished step that this one builds on. Its files already lie in the work directory."""

    step: str
    title: str
    agent: str
    summary: str
    files: tuple[str, ...] = ()


class Limits(_Frame):
    """Ceilings for a worker and the code it runs. Seconds, bytes, counts."""

    code_timeout: float = 7200.0
    attempt_timeout: float = 21600.0
    output_bytes: int = (
        10 * 1024 * 1024
    )  # kept of one run's stdout and of its stderr; what is beyond is counted, not kept
    file_bytes: int = 4 * 1024 * 1024 * 1024
    memory_bytes: int | None = None
    processes: int = 4096
    grace: float = 2.0


class Planning(_Frame):
    """What the planning worker needs beside the task."""

    reviews: int = 1
    repairs: int = 2  # how often an invalid plan goes back to the planner
    max_steps: int = 12
    feedback: str | None = None
    previous: Plan | None = None


class Tried(_Frame):
    """An earlier attempt that failed: `why` in general, its `error` in its own lines, what it `ran` and how that went,
    and what it `changed` in the program that failed in the attempt before it (a unified diff)."""

    attempt: int
    why: str
    error: str
    ran: tuple[str, ...] = ()
    changed: str = ""


class Resolved(_Frame):
    """The same error elsewhere, which the next attempt there overcame: what its agent said in the end, what a person
    had said before, and what was `changed` in the program (a unified diff)."""

    error: str
    summary: str = ""
    said: str = ""
    changed: str = ""


class Retry(_Frame):
    """What an attempt is told of those that failed before it. `code` is the whole of the program that was run last."""

    tried: tuple[Tried, ...]
    file: str = ""
    code: str = ""
    resolved: tuple[Resolved, ...] = ()


class WorkerSpec(_Frame):
    """Everything one attempt needs."""

    session_id: str
    run_id: str
    node_id: str
    attempt_id: str
    attempt: int
    step_id: str
    task: str
    workdir: str
    inputs: tuple[str, ...] = ()  # files that a person attached, which lie in the work directory
    agents: dict[str, AgentSpec]
    models: dict[str, ModelSpec]  # by agent
    planning: Planning | None = None  # set: this attempt makes the plan
    step: PlanStep | None = None  # set: this attempt carries out a step
    upstream: tuple[Upstream, ...] = ()
    feedback: str | None = None
    context: dict[str, Any] = {}  # variables that a person has set
    retry: Retry | None = None  # set: attempts before this one failed, and it begins anew
    scripted: tuple[ScriptedAnswer, ...] = ()
    recorded: tuple[RecordedEntry, ...] = ()
    replay: Replay | None = None  # set: no model and no person is asked anything
    program: Program | None = None  # what the agent runs first, because a person has written it
    counted: bool = False  # whether each model call is asked for before it is made
    limits: Limits = Limits()
    sandbox: str = "limits"
    python: str = ""  # the interpreter for the agents' code; empty: the worker's own


class Start(_Frame):
    """Host → worker: begin."""

    type: Literal["start"] = "start"
    spec: WorkerSpec


class Ack(_Frame):
    """Host → worker: what frame `n` carried is durable. With an `error`, it was refused and the worker must stop; a
    `permit` says how what it announces is to be done."""

    type: Literal["ack"] = "ack"
    n: int
    error: str | None = None
    permit: Permit | None = None


HostFrame = Annotated[Start | Ack, Field(discriminator="type")]


class Hello(_Frame):
    """Worker → host: up, with what it runs on."""

    type: Literal["hello"] = "hello"
    pid: int
    sandbox: str
    versions: dict[str, str] = {}


class EventFrame(_Frame):
    """Worker → host: something happened (see engine.model.events for `kind` and `data`)."""

    type: Literal["event"] = "event"
    id: str
    kind: str
    at: At
    phase: Literal["start", "end", "point"] = "point"
    parent: str | None = None
    span: str | None = None
    agent: str | None = None
    title: str = ""
    data: dict[str, Any] = {}


class DeltaFrame(_Frame):
    """Worker → host: a piece of streamed text; not stored."""

    type: Literal["delta"] = "delta"
    event: str
    text: str


class JournalFrame(_Frame):
    """Worker → host, acknowledged: an intent (`answer` None: a tool is about to start, with these `arguments`; `source`
    tells its implementation from any other) or an answer. What is not `repeatable` is not started a second time without
    asking."""

    type: Literal["journal"] = "journal"
    n: Count
    agent: str
    sequence: Count
    kind: Literal["model", "tool", "human"]
    name: str = ""
    request_hash: str
    request: list[str] = []
    answer: dict[str, Any] | None = None
    at: At
    repeatable: bool = True
    arguments: dict[str, Any] | None = None
    source: str = ""


class CallFrame(_Frame):
    """Worker → host, acknowledged once it may be made: a model is about to be asked, in the span `event`. The request
    has `request_bytes` (UTF-8), the answer at most `max_tokens` (0: nothing limits it)."""

    type: Literal["call"] = "call"
    n: Count
    event: str
    agent: str
    provider: str
    model: str
    request_bytes: Count
    max_tokens: Count = 0


class FileChange(_Frame):
    """A file that differs from before. `sha256` and `size` are None when it was deleted."""

    path: str
    change: Literal["added", "changed", "deleted"]
    sha256: str | None = None
    size: Count | None = None
    kind: str = "other"


class FilesFrame(_Frame):
    """Worker → host, acknowledged: files that a tool call wrote; the host stores their content before it
    acknowledges."""

    type: Literal["files"] = "files"
    n: Count
    event: str | None
    agent: str
    changes: tuple[FileChange, ...]


class UsageFrame(_Frame):
    """Worker → host: tokens of one model call. Counts are inclusive: prompt with cached, completion with reasoning."""

    type: Literal["usage"] = "usage"
    event: str
    agent: str
    provider: str
    model: str
    prompt_tokens: Count
    completion_tokens: Count
    cached_tokens: Count = 0
    at: At


class MessageFrame(_Frame):
    """Worker → host: one turn of a conversation, whole."""

    type: Literal["message"] = "message"
    event: str | None
    sender: str
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    at: At


class CheckFrame(_Frame):
    """One check's outcome, within a result. One that was `waived` (by whom, and why) does not fail the step."""

    name: str
    ok: bool
    detail: str
    waived: str = ""


class Failure(_Frame):
    """Why an attempt failed, in words: `message` the cause, `hint` the next step, `detail` the error's own lines.

    `category` is a kind of engine.model.failures, `retry_after` the seconds that a server asked to be left alone for.
    """

    category: str
    message: str
    hint: str = ""
    detail: str = ""
    retry_after: float | None = Field(default=None, ge=0, le=MAX_WAIT, allow_inf_nan=False)


class ResultFrame(_Frame):
    """Worker → host, acknowledged: the attempt is over. `tree` is every file of the work directory (path → (sha256,
    size))."""

    type: Literal["result"] = "result"
    n: Count
    ok: bool
    summary: str = ""
    failure: Failure | None = None
    plan: Plan | None = None
    checks: tuple[CheckFrame, ...] = ()
    tree: dict[str, tuple[str, int]] = {}
    context: dict[str, Any] = {}


WorkerFrame = Annotated[
    Hello | EventFrame | DeltaFrame | JournalFrame | CallFrame | FilesFrame | UsageFrame | MessageFrame | ResultFrame,
    Field(discriminator="type"),
]

ScriptedAnswer.model_rebuild()
WorkerSpec.model_rebuild()
host_frame: TypeAdapter[HostFrame] = TypeAdapter(HostFrame)
worker_frame: TypeAdapter[WorkerFrame] = TypeAdapter(WorkerFrame)
