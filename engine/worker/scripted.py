"""`journal:` models: an AG2 model whose answers were recorded or written by hand. No network, and named for what it
is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ag2 import Context
from ag2.config import LLMClient, ModelConfig, ModelProvider
from ag2.events import BaseEvent, ModelMessage, ModelMessageChunk, ModelResponse, ToolCallEvent, ToolCallsEvent, Usage

from engine.model.frames import ScriptedAnswer, WorkerSpec
from engine.worker.failures import AttemptFailed

if TYPE_CHECKING:
    from ag2.files.protocol import FilesClient

PIECES = 40  # at most so many deltas an answer


@dataclass(frozen=True, slots=True)
class ScriptedConfig(ModelConfig):
    """Answers `agent`'s model calls from the attempt's script; `calls` tells the number of the call that is being
    made."""

    spec: WorkerSpec
    agent: str
    name: str
    calls: Callable[[], int]

    @property
    def provider(self) -> ModelProvider:
        """Of no provider that AG2 knows."""
        raise NotImplementedError

    @property
    def model(self) -> str:
        """The script's name."""
        return self.name

    def copy(self) -> Self:
        """The same: it holds no state."""
        return self

    def create(self) -> LLMClient:
        """The client."""
        return _ScriptedClient(self)

    def create_files_client(self) -> FilesClient[Any]:
        """A script takes no files."""
        raise NotImplementedError


class _ScriptedClient(LLMClient):
    def __init__(self, config: ScriptedConfig) -> None:
        self._config = config

    async def __call__(self, messages: Sequence[BaseEvent], context: Context, **_: Any) -> ModelResponse:
        answer = self._answer()
        await _stream(answer, context)
        tokens = answer.prompt_tokens + answer.completion_tokens
        return ModelResponse(
            message=ModelMessage(answer.content) if answer.content is not None else None,
            tool_calls=ToolCallsEvent(
                [
                    ToolCallEvent(
                        id=f"call_{answer.agent}_{answer.sequence}_{number}",
                        name=call.name,
                        arguments=json.dumps(call.arguments, ensure_ascii=False),
                    )
                    for number, call in enumerate(answer.tool_calls, 1)
                ]
            ),
            usage=Usage(
                prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens, total_tokens=tokens
            ),
            model=answer.model,
            provider="journal",
            finish_reason="tool_calls" if answer.tool_calls else "stop",
        )

    def _answer(self) -> ScriptedAnswer:
        """This call's answer; one for this very attempt goes before one for any."""
        config, spec = self._config, self._config.spec
        number = config.calls()
        found = [
            one
            for one in spec.scripted
            if (one.step, one.agent, one.sequence) == (spec.step_id, config.agent, number)
            and one.attempt in (None, spec.attempt)
        ]
        if not found:
            raise AttemptFailed(
                "journal",
                f"the journal has no answer for step {spec.step_id!r}, agent {config.agent!r}, model call {number} "
                f"(attempt {spec.attempt})",
                "Add it to the journal's file, or name a live model with --model.",
            )
        return max(found, key=lambda one: one.attempt is not None)


async def _stream(answer: ScriptedAnswer, context: Context) -> None:
    """Show the text as it would come from a live model."""
    text = answer.content or ""
    size = max(1, -(-len(text) // PIECES)) if answer.delay else max(1, len(text))
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    for piece in pieces:
        if answer.delay:
            await asyncio.sleep(answer.delay / len(pieces))
        await context.send(ModelMessageChunk(piece))
    if answer.delay and not pieces:
        await asyncio.sleep(answer.delay)
