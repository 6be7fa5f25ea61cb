"""What the first attempt of a process would have to prepare, prepared once in the warm parent: AG2 and pydantic build
much of themselves on the first turn, and a forked worker finds it done."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable

from engine.model.agents import AgentSpec
from engine.model.frames import ModelSpec, ScriptedAnswer, ScriptedCall, WorkerFrame, WorkerSpec
from engine.model.plan import PlanStep
from engine.worker.attempt import run_attempt
from engine.worker.channel import Channel

_AGENT = "warmer"


class _Nowhere(Channel):
    """A channel whose frames are made into bytes and forgotten."""

    def __init__(self) -> None:
        pass

    def emit(self, frame: WorkerFrame) -> None:
        frame.model_dump_json()

    async def commit(self, make: Callable[[int], WorkerFrame]) -> None:
        make(1).model_dump_json()


def warm() -> None:
    """Run one attempt of a script that calls a tool, for nobody. Leaves no thread, no event loop and no file."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run_attempt(_spec(directory), _Nowhere()))


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
