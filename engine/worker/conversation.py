"""One agent's conversation within an attempt: an AG2 agent on a stream of its own, every model call and tool call of
which passes through the journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from ag2 import Agent, Context
from ag2.events import (
    BaseEvent,
    HumanInputRequest,
    HumanMessage,
    ModelMessageChunk,
    ModelResponse,
    ToolCallEvent,
    ToolResultEvent,
)
from ag2.events.conditions import Condition
from ag2.middleware import BaseMiddleware, LLMCall, Middleware, ToolExecution, ToolResultType
from ag2.middleware.base import HumanInputHook
from ag2.response import ResponseProto

from engine.model.agents import AgentSpec
from engine.model.events import EventKind
from engine.model.frames import Permit
from engine.model.text import clean, one_line
from engine.worker.capture import Span
from engine.worker.context import Attempt
from engine.worker.edited import PERSON, runs_program
from engine.worker.failures import AttemptFailed, answered_nothing, filtered, is_filtered, model_failure
from engine.worker.journal import (
    Kind,
    Request,
    human_request,
    is_carried,
    model_answer,
    model_request,
    rebuild_model_answer,
    tool_request,
)
from engine.worker.models import inclusive_usage, model_config, patiently
from engine.worker.stream import DirectStream
from engine.worker.tidy import tidied
from engine.worker.tools import ASK_PERSON, Outcome, Toolbox


@dataclass(frozen=True, slots=True)
class _Reserved:
    """A tool call's place: its sequence, the model call that asked for it, and whom it waits for."""

    sequence: int
    asked_by: Span
    before: asyncio.Event | None
    done: asyncio.Event


class Conversation:
    """An agent that can be asked several times and remembers what was said.

    `calls` counts its model calls. Once `stop` is set, no further model or tool is asked: the attempt is over.
    """

    def __init__(self, attempt: Attempt, agent: AgentSpec, schema: ResponseProto[Any] | None = None) -> None:
        if agent.name not in attempt.spec.models:
            raise AttemptFailed("setup", f"no model is set for the agent {agent.name}", "Name one with --model.")
        self.agent = agent
        self.model = attempt.spec.models[agent.name]
        self.journal = attempt.journal
        self.capture = attempt.capture
        self.toolbox = Toolbox(attempt, agent)
        self.schema = schema.json_schema if schema else None
        self.calls = 0
        self.stop: Exception | None = None
        self.asking: Span | None = None
        self.carried: list[BaseEvent] = []
        self.reserved: dict[str, _Reserved] = {}
        self.turn: Span | None = None
        self.counted = attempt.spec.counted
        self.program = attempt.spec.program
        self._allowed: tuple[Span, int] | None = None  # the call that may be made, and the bytes of its request
        self._sent = False  # whether it was
        self._attempt = attempt.spec.attempt
        self._unsaid: list[tuple[str, str]] = [("system", agent.prompt)]
        self._stream = DirectStream()
        self._stream.subscribe(self._heard, condition=_WhileAsking(self), sync_to_thread=False)
        self._agent = Agent(
            agent.name,
            [agent.prompt],
            config=model_config(attempt, agent, lambda: self.calls, self._sending if self.counted else None),
            tools=[self.toolbox],
            middleware=[Middleware(JournalMiddleware, conversation=self)],
            response_schema=schema,
        )

    async def ask(self, text: str, title: str = "") -> str:
        """Say something to the agent and return its last word, once it has nothing more to do.

        Raises:
            AttemptFailed: the model or the journal failed, or a limit is reached.
            Refused: the host did not take a frame.
        """
        self.turn = self.capture.start(
            EventKind.AGENT_CALL,
            {"attempt": self._attempt, "model": f"{self.model.provider}:{self.model.name}"},
            agent=self.agent.name,
            title=title or self.agent.name,
        )
        self._unsaid.append(("user", text))
        try:
            reply = await self._agent.ask(text, stream=self._stream)
            if self.stop:
                raise self.stop
        except AttemptFailed as error:
            self.capture.end(self.turn, {"ok": False, "error": error.failure.message})
            raise
        said = clean(reply.body or "")
        self.capture.end(self.turn, {"ok": True, "summary": one_line(said, 400)})
        return said

    def say_unsaid(self, span: Span) -> None:
        """Report what the model is about to be told for the first time."""
        for role, text in self._unsaid:
            self.capture.message(
                span, "cockpit" if role == "user" else self.agent.name, "user" if role == "user" else "system", text
            )
        self._unsaid.clear()

    def forget_unsaid(self) -> None:
        """What a replayed call was told was reported when it was made."""
        self._unsaid.clear()

    async def may_ask(self, span: Span, request: Request) -> None:
        """Where calls are counted: wait until this one may be made."""
        if self.counted:
            await self.journal.allowed(span.id, self.agent.name, self.model, request.size)
            self._allowed, self._sent = (span, request.size), False

    async def _sending(self, _: object) -> None:
        """A request goes out. If the provider's client makes it once more, that is another call."""
        if self._sent and self._allowed:
            span, size = self._allowed
            await self.journal.allowed(span.id, self.agent.name, self.model, size)
        self._sent = True

    async def _heard(self, event: BaseEvent) -> None:
        """AG2's stream, while the model answers: pieces of text are shown, what the provider needs again is kept."""
        if self.asking is None:
            return
        if isinstance(event, ModelMessageChunk):
            self.capture.delta(self.asking, event.content)
        else:
            self.carried.append(event)


class _WhileAsking(Condition):
    """Lets through what a provider's client sends during a model call, so that nothing else costs a dispatch."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def __call__(self, event: Any) -> bool:
        return self._conversation.asking is not None and (isinstance(event, ModelMessageChunk) or is_carried(event))


class JournalMiddleware(BaseMiddleware):
    """Stands before every model call, tool call and question: gives the recorded answer again, or asks and commits."""

    def __init__(self, event: BaseEvent, context: Context, conversation: Conversation) -> None:
        super().__init__(event, context)
        self._c = conversation

    async def on_llm_call(self, call_next: LLMCall, events: Sequence[BaseEvent], context: Context) -> ModelResponse:
        c = self._c
        if c.stop:
            raise c.stop
        c.calls += 1
        if c.calls > c.agent.max_turns:
            raise AttemptFailed(
                "turns",
                f"{c.agent.name} made {c.agent.max_turns} model calls and was not done",
                "Make the step smaller, or raise max_turns in the agent's file.",
            )
        sequence = c.journal.next(c.agent.name)
        request = model_request(context.prompt, events, c.toolbox.described(), c.schema)
        entry = c.journal.find(c.agent.name, sequence, "model", request)
        given = entry or c.journal.given(c.agent.name, sequence, "model", request, f"model call {c.calls}")
        replayed = given is not None and given.answer is not None
        span = c.capture.start(
            EventKind.MODEL_CALL,
            {
                "model": f"{c.model.provider}:{c.model.name}",
                "sequence": sequence,
                "replayed": replayed,
                "scripted": c.model.provider == "journal",
                "counted": True if c.counted else None,
            },
            agent=c.agent.name,
            parent=c.turn.id if c.turn else None,
            title=f"{c.model.provider}:{c.model.name}",
        )
        try:
            if entry is not None and entry.answer is not None:
                response = await self._again(entry.answer, context)
                c.forget_unsaid()
            elif given is not None and given.answer is not None:
                c.say_unsaid(span)
                response = await self._again(given.answer, context)
                self._say(span, response)
                await c.journal.answered(c.agent.name, sequence, "model", given.name, request, given.answer)
            elif sequence == 1 and c.program:
                c.say_unsaid(span)
                response = runs_program(c.program)
                self._say(span, response)
                answer = model_answer(response, ())
                await c.journal.answered(c.agent.name, sequence, "model", PERSON, request, answer)
            else:
                response = await self._asked(call_next, events, context, span, request)
                answer = model_answer(response, c.carried)
                await c.journal.answered(c.agent.name, sequence, "model", c.model.name, request, answer)
        except AttemptFailed as error:
            c.capture.end(span, {"ok": False, "error": error.failure.message, "replayed": replayed})
            raise
        c.capture.end(
            span,
            {
                "ok": True,
                "text": one_line(response.content, 400) if response.content else None,  # the whole is the message
                "tool_calls": [call.name for call in response.tool_calls.calls] or None,
                "replayed": replayed,
            },
        )
        before: asyncio.Event | None = None
        for call in response.tool_calls.calls:
            done = asyncio.Event()
            c.reserved[call.id] = _Reserved(c.journal.next(c.agent.name), span, before, done)
            before = done
        return response

    async def _again(self, answer: dict[str, Any], context: Context) -> ModelResponse:
        response, events = rebuild_model_answer(answer)
        for event in events:
            await context.send(event)
        return response

    async def _asked(
        self, call_next: LLMCall, events: Sequence[BaseEvent], context: Context, span: Span, request: Request
    ) -> ModelResponse:
        c = self._c
        await c.may_ask(span, request)
        c.say_unsaid(span)
        c.carried = []
        c.asking = span
        try:
            async with asyncio.timeout(c.model.timeout):
                response = await patiently(c.model, lambda: call_next(events, context))
        except AttemptFailed:
            raise
        except Exception as error:
            raise model_failure(error, c.model) from None
        finally:
            c.asking = None
        response = tidied(response, c.model, c.reserved)
        if response.usage:
            tokens = inclusive_usage(c.model.provider, response.usage)
            c.capture.usage(span, c.agent.name, c.model.provider, response.model or c.model.name, tokens)
        self._say(span, response)
        if is_filtered(response.finish_reason):
            raise filtered(c.model)
        # What an agent leaves behind may speak for it; one that has done nothing and says nothing has not answered.
        if not (response.content or "").strip() and not response.tool_calls.calls and not c.reserved and not c.schema:
            raise answered_nothing(c.model)
        return response

    def _say(self, span: Span, response: ModelResponse) -> None:
        calls = ", ".join(call.name for call in response.tool_calls.calls)
        words = response.content or (f"[calls {calls}]" if calls else "")
        self._c.capture.message(span, self._c.agent.name, "assistant", words)

    async def on_tool_execution(
        self, call_next: ToolExecution, event: ToolCallEvent, context: Context
    ) -> ToolResultType:
        # AG2 starts all calls of a response at once; here they work one after the other, in the order in which the
        # model named them, so that files belong to one call and every try goes the same way.
        place = self._c.reserved[event.id]
        if place.before:
            await place.before.wait()
        try:
            return ToolResultEvent.from_call(event, await self._used_or_stopped(call_next, event, context))
        finally:
            place.done.set()

    async def _used_or_stopped(self, call_next: ToolExecution, event: ToolCallEvent, context: Context) -> str:
        c = self._c
        if c.stop is None:
            try:
                return (await self._used(call_next, event, context)).text
            except Exception as error:
                # AG2 would hand it to the model as a tool's failure, traceback and all; the next model call raises it.
                c.stop = error
        return "Not done: the attempt is over."

    async def _used(self, call_next: ToolExecution, event: ToolCallEvent, context: Context) -> Outcome:
        c = self._c
        place = c.reserved[event.id]
        request = tool_request(event.name, event.arguments)
        kind: Kind = "human" if event.name == ASK_PERSON else "tool"
        entry = c.journal.find(c.agent.name, place.sequence, kind, request)
        given = entry or c.journal.given(c.agent.name, place.sequence, kind, request, f"tool call {event.name}")
        replayed = given is not None and given.answer is not None
        span = c.capture.start(
            EventKind.TOOL_CALL,
            {"tool": event.name, "arguments": event.serialized_arguments, "sequence": place.sequence},
            agent=c.agent.name,
            parent=place.asked_by.id,
            title=event.name,
        )
        permit: Permit | None = None
        if given is not None and given.answer is not None:
            outcome = Outcome.from_json(given.answer)
        else:
            c.toolbox.current = span
            outcome, permit = await self._run(call_next, event, context, place.sequence, kind, request)
        if entry is None or entry.answer is None:
            c.capture.message(span, event.name, "tool", outcome.text)
            await c.journal.answered(
                c.agent.name,
                place.sequence,
                kind,
                event.name,
                request,
                outcome.to_json() | ({"permit": permit.model_dump(exclude_none=True)} if permit else {}),
                repeatable=event.name not in c.agent.ask_again,
            )
        changed = {"arguments": permit.arguments} if permit and permit.arguments is not None else {}
        c.capture.end(span, {"ok": outcome.ok, "result": outcome.text, "replayed": replayed, **changed})
        c.stop = c.toolbox.after(outcome)
        return outcome

    async def _run(
        self,
        call_next: ToolExecution,
        event: ToolCallEvent,
        context: Context,
        sequence: int,
        kind: Kind,
        request: Request,
    ) -> tuple[Outcome, Permit | None]:
        c = self._c
        problem = c.toolbox.problem(event.name, event.serialized_arguments)
        if problem:
            return Outcome(False, problem), None
        # What was intended before and not answered is intended again: how it may be done is for the host to say.
        permit = await c.journal.intend(
            c.agent.name,
            sequence,
            kind,
            event.name,
            request,
            event.serialized_arguments,
            c.toolbox.source(event.name),
            repeatable=event.name not in c.agent.ask_again,
        )
        if permit and permit.instead is not None:
            return Outcome.from_json(permit.instead), permit
        if permit and permit.arguments is not None:
            event = copy(event)
            event.arguments, event.serialized_arguments = json.dumps(permit.arguments), permit.arguments
            problem = c.toolbox.problem(event.name, permit.arguments)
            if problem:
                return Outcome(False, f"{permit.note}\n{problem}"), permit
        result = await call_next(event, context)
        assert isinstance(result, ToolResultEvent)
        outcome = Outcome.from_result(result.result)
        if permit and permit.note:
            outcome = replace(outcome, text=f"{outcome.text}\n\n{permit.note}")
        return outcome, permit

    async def on_human_input(
        self, call_next: HumanInputHook, event: HumanInputRequest, context: Context
    ) -> HumanMessage:
        c = self._c
        sequence = c.journal.next(c.agent.name)
        request = human_request(event.content)
        entry = c.journal.find(c.agent.name, sequence, "human", request)
        if entry is not None and entry.answer is not None:
            return HumanMessage(str(entry.answer["content"]), parent_id=event.id)
        given = c.journal.given(c.agent.name, sequence, "human", request, "a question to a person")
        if given is not None and given.answer is not None:
            reply = HumanMessage(str(given.answer["content"]), parent_id=event.id)
        else:
            reply = await call_next(event, context)
            reply.content = clean(reply.content)
        await c.journal.answered(c.agent.name, sequence, "human", "", request, {"content": reply.content})
        return reply
