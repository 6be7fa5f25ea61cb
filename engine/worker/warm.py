"""What the first attempt of a process would have to prepare, prepared once in the warm parent: AG2 and pydantic build
much of themselves on the first turn, and a forked worker finds it done."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Collection
from importlib import import_module

from engine.model.agents import AgentSpec
from engine.model.frames import ModelSpec, ScriptedAnswer, ScriptedCall, WorkerFrame, WorkerSpec
from engine.model.plan import PlanStep
from engine.worker.attempt import run_attempt
from engine.worker.channel import Channel

_AGENT = "warmer"
_STREAM = (
    b'data: {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "warm", "choices": '
    b'[{"index": 0, "delta": {"role": "assistant", "content": "done"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
)


class _Nowhere(Channel):
    """A channel whose frames are made into bytes and forgotten."""

    def __init__(self) -> None:
        pass

    def emit(self, frame: WorkerFrame) -> None:
        frame.model_dump_json()

    async def commit(self, make: Callable[[int], WorkerFrame]) -> None:
        make(1).model_dump_json()


def warm(providers: Collection[str] = ()) -> None:
    """Run one attempt of a script that calls a tool, for nobody, and for OpenAI one call that reaches nobody.

    Leaves no thread, no event loop, no connection and no file. A provider that is not needed is better left out: every
    fork copies the page tables of what it has built.
    """
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run_attempt(_spec(directory), _Nowhere()))
    if "openai" in providers:
        asyncio.run(_call_nobody())


async def _call_nobody() -> None:
    """What OpenAI's client imports and builds on its first call takes 0.15 s, and every worker would do it again."""
    import httpx2
    from ag2 import Agent
    from ag2.config.openai import OpenAIConfig

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=_STREAM)

    import_module("httpcore2")  # the client does so when it first connects
    transport = httpx2.MockTransport(answer)
    async with httpx2.AsyncClient(transport=transport) as client:
        config = OpenAIConfig("warm", api_key="none", streaming=True, http_client=client)
        await Agent(_AGENT, config=config).ask("")


def _spec(directory: str) -> WorkerSpec:
    call = ScriptedCall(name="write_text", arguments={"path": "a.md", "text": "a"})
    spec = WorkerSpec(
        session_id="",
        run_id="",
        node_id="",
        attempt_id="",
        attempt=1,
        step_id="warm",
        task="",
        workdir=directory,
        agents={_AGENT: AgentSpec(name=_AGENT, description="", prompt="", tools=("write_text",))},
        models={_AGENT: ModelSpec(provider="journal", name="")},
        step=PlanStep(id="warm", title="", agent=_AGENT),
        scripted=(
            ScriptedAnswer(step="warm", agent=_AGENT, sequence=1, tool_calls=(call,)),
            ScriptedAnswer(step="warm", agent=_AGENT, sequence=2, content="done"),
        ),
    )
    return WorkerSpec.model_validate_json(spec.model_dump_json())
