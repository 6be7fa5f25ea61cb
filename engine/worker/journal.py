"""The journal in the worker: what is known already, what is asked, and the promise that an answer is durable before
anyone sees it.

An entry is keyed by agent and sequence; sequences count an agent's model calls, tool calls and questions to a person
together, in the order in which they begin. Tool calls of one response get theirs in the order in which the model named
them, whichever runs first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from ag2.events import BaseEvent, ModelRequest, ModelResponse, TextInput, ToolResultsEvent

from engine.model.frames import CallFrame, JournalFrame, ModelSpec, Permit, RecordedEntry, Replay
from engine.model.text import one_line
from engine.worker.capture import Capture
from engine.worker.channel import Channel
from engine.worker.failures import AttemptFailed
from engine.worker.replayed import difference, digest_line

Kind = Literal["model", "tool", "human"]

# Recorded model answers name the AG2 and provider classes that they are rebuilt from; no other code is ever imported
# because a journal says so.
_TRUSTED = ("ag2.", "openai.types.", "anthropic.types.", "google.genai.types.")
_FRAME = 16  # bytes
_MARKS = ("__event__", "__dataclass__", "__pydantic__", "__enum__")


@dataclass(frozen=True)
class Request:
    """What an answer answers: messages, role and text each, without ids and times, which differ from try to try."""

    texts: list[tuple[str, str]]

    @cached_property
    def lines(self) -> list[str]:
        """One digest line per message."""
        return [digest_line(role, text) for role, text in self.texts]

    @cached_property
    def hash(self) -> str:
        """The SHA-256 over all lines, hexadecimal."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all that is said (UTF-8), with a little for the frame of each message."""
        return sum(len(text.encode(errors="replace")) + _FRAME for _, text in self.texts)


class Journal:
    """Gives sequences, finds recorded answers, and commits new ones."""

    def __init__(
        self, recorded: Iterable[RecordedEntry], channel: Channel, capture: Capture, replay: Replay | None = None
    ) -> None:
        self._recorded = {(entry.agent, entry.sequence): entry for entry in recorded}
        self._replay = replay
        self._given = {(entry.agent, entry.sequence): entry for entry in replay.entries} if replay else {}
        self._channel = channel
        self._capture = capture
        self._last: dict[str, int] = {}

    def next(self, agent: str) -> int:
        """The agent's next sequence, from 1."""
        self._last[agent] = self._last.get(agent, 0) + 1
        return self._last[agent]

    def find(self, agent: str, sequence: int, kind: Kind, request: Request) -> RecordedEntry | None:
        """The entry that is known already, if there is one; its answer is None when only the intent was recorded.

        An entry with an empty request hash is taken as it is (lenient); any other must answer the very same request.

        Raises:
            AttemptFailed: the entry answers another request than this one.
        """
        entry = self._recorded.get((agent, sequence))
        if entry is None:
            return None
        if entry.kind != kind or (entry.request_hash and entry.request_hash != request.hash):
            raise AttemptFailed(
                "journal",
                f"the recorded answer {sequence} of {agent} ({entry.kind} {entry.name}) belongs to another request "
                f"than the one made now ({kind})",
                "The task, the agents or the program have changed since. Redo the step instead of continuing it.",
            )
        return entry

    def given(self, agent: str, sequence: int, kind: Kind, request: Request, call: str) -> RecordedEntry | None:
        """In a replay, the entry that the replayed attempt had here; None when this is none, and for a tool that is to
        run again. `call` names the call for people.

        Raises:
            AttemptFailed: no answer was recorded here, or the replay is strict and another request was.
        """
        if self._replay is None:
            return None
        entry = self._given.get((agent, sequence))
        if kind == "tool" and (entry is None or entry.permit):
            return None
        if entry is None or entry.kind != kind or entry.answer is None:
            raise AttemptFailed(
                "journal",
                f"{call} of {agent} (entry {sequence} of its journal) has no recorded answer",
                "The run that is replayed failed or was stopped there, or the program asks for more by now. A replay "
                "asks nobody: to go on from here, run the task again with a model.",
            )
        if self._replay.strict and entry.request_hash != request.hash:
            raise AttemptFailed(
                "journal",
                f"{call} of {agent} (entry {sequence} of its journal) is not the recorded one: "
                + difference(entry.request, request.texts, self._replay.texts),
                "Without --strict, the recorded answer is given all the same.",
            )
        return entry

    async def intend(
        self,
        agent: str,
        sequence: int,
        kind: Kind,
        name: str,
        request: Request,
        arguments: dict[str, Any],
        source: str,
        *,
        repeatable: bool,
    ) -> Permit | None:
        """Make durable that something is about to start whose outcome nobody can know if this process dies, and whether
        it may then be started again unasked; return how it is to be done (None: as it is). In a replay, as then.

        Raises:
            Refused: the host did not take it; it must not be started.
        """
        given = self._given.get((agent, sequence))
        permit = await self._commit(agent, sequence, kind, name, request, None, repeatable, arguments, source)
        return given.permit if given and given.permit else permit

    async def allowed(self, event: str, agent: str, model: ModelSpec, request_bytes: int) -> None:
        """Wait until a model may be asked, in the span `event`.

        Raises:
            Refused: the host did not take it; it must not be asked.
        """
        await self._channel.commit(
            lambda n: CallFrame(
                n=n,
                event=event,
                agent=agent,
                provider=model.provider,
                model=one_line(model.name),
                request_bytes=request_bytes,
                max_tokens=model.max_tokens or 0,
            )
        )

    async def answered(
        self,
        agent: str,
        sequence: int,
        kind: Kind,
        name: str,
        request: Request,
        answer: dict[str, Any],
        *,
        repeatable: bool = True,
    ) -> None:
        """Make an answer durable. Only then may the agent see it.

        Raises:
            Refused: the host did not take it; nobody may act on it.
        """
        await self._commit(agent, sequence, kind, name, request, answer, repeatable)

    async def _commit(
        self,
        agent: str,
        sequence: int,
        kind: Kind,
        name: str,
        request: Request,
        answer: dict[str, Any] | None,
        repeatable: bool,
        arguments: dict[str, Any] | None = None,
        source: str = "",
    ) -> Permit | None:
        at = self._capture.now()
        return await self._channel.commit(
            lambda n: JournalFrame(
                n=n,
                agent=agent,
                sequence=sequence,
                kind=kind,
                name=one_line(name),
                request_hash=request.hash,
                request=request.lines,
                answer=answer,
                at=at,
                repeatable=repeatable,
                arguments=arguments,
                source=source,
            )
        )


def model_request(
    prompt: Iterable[str], messages: Iterable[BaseEvent], tools: Sequence[dict[str, Any]], schema: dict[str, Any] | None
) -> Request:
    """A model call: prompt, messages and tools."""
    said = [("system", "\n".join(prompt))]
    for message in messages:
        if isinstance(message, ModelRequest):
            said.append(("user", "\n".join(_text(part) for part in message.parts)))
        elif isinstance(message, ModelResponse):
            calls = [f"{call.name}({_canonical(call.arguments)})" for call in message.tool_calls.calls]
            said.append(("assistant", "\n".join([message.content or "", *calls])))
        elif isinstance(message, ToolResultsEvent):
            for result in message.results:
                said.append((f"tool {result.name}", "\n".join(_text(part) for part in result.result.parts)))
    if tools:
        said.append(("tools", _compact(tools)))
    if schema:
        said.append(("schema", _compact(schema)))
    return Request(said)


def tool_request(name: str, arguments: str) -> Request:
    """A tool call."""
    return Request([(f"call {name}", _canonical(arguments))])


def human_request(question: str) -> Request:
    """A question to a person."""
    return Request([("question", question)])


def model_answer(response: ModelResponse, carried: Sequence[BaseEvent]) -> dict[str, Any]:
    """A response as JSON, with the events that the provider needs to see again in later calls."""
    events = [{"type": f"{type(event).__module__}.{type(event).__qualname__}", **event.to_dict()} for event in carried]
    return {"response": response.to_dict(), **({"events": events} if events else {})}


def rebuild_model_answer(answer: dict[str, Any]) -> tuple[ModelResponse, list[BaseEvent]]:
    """The response and the events of `model_answer`.

    Raises:
        AttemptFailed: this is no recorded model answer.
    """
    try:
        _trust(answer)
        response = ModelResponse.from_dict(answer["response"])
        events = [_event(data) for data in answer.get("events", [])]
    except (KeyError, TypeError, ValueError, AttributeError, ImportError, RecursionError) as error:
        raise AttemptFailed(
            "journal", f"a recorded model answer cannot be read: {one_line(str(error))}", "Redo the step."
        ) from None
    if not isinstance(response, ModelResponse):
        raise AttemptFailed("journal", "a recorded model answer holds something else", "Redo the step.")
    return response, events


def _event(data: dict[str, Any]) -> BaseEvent:
    from importlib import import_module

    module, _, name = str(data["type"]).rpartition(".")
    if not f"{module}.".startswith("ag2."):
        raise ValueError(f"{data['type']} is no event of AG2")
    found = getattr(import_module(module), name)
    if not (isinstance(found, type) and issubclass(found, BaseEvent)):
        raise ValueError(f"{data['type']} is no event of AG2")
    return found.from_dict({key: value for key, value in data.items() if key != "type"})


def _trust(value: Any) -> None:
    """Refuse class names from anywhere but AG2 and the providers' types."""
    if isinstance(value, dict):
        for mark in _MARKS:
            named: object = value.get(mark)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            if named is not None and not str(named).startswith(_TRUSTED):  # pyright: ignore[reportUnknownArgumentType]
                raise ValueError(f"{named} is not to be imported")
        for item in value.values():  # pyright: ignore[reportUnknownVariableType]
            _trust(item)
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            _trust(item)


def is_carried(event: BaseEvent) -> bool:
    """Whether an event that a provider's client sends during a call stays in the conversation."""
    return not type(event).__transient__ and not isinstance(event, ModelResponse | ModelRequest)


def _text(part: BaseEvent) -> str:
    return part.content if isinstance(part, TextInput) else _compact(part.to_dict())


def _canonical(arguments: str) -> str:
    try:
        return _compact(json.loads(arguments or "{}"))
    except (ValueError, RecursionError):
        return arguments


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
