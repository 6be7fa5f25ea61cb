"""The tools that an agent may call: run code, read, list and write files, all within the step's directory.

What a tool returns is what the model reads. It says nothing that differs from try to try (times, process ids, absolute
paths), so that a replay with tools run again makes the same requests.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Any, Self

from ag2 import Context, ToolResult
from ag2.events import ToolCallEvent, ToolResultEvent
from ag2.events.input_events import TextInput
from ag2.middleware import BaseMiddleware, ToolExecution, ToolResultType
from ag2.tools.final.function_tool import FunctionDefinition, FunctionToolSchema
from ag2.tools.schemas import ToolSchema
from ag2.tools.tool import Tool

from engine.model.agents import AgentSpec
from engine.model.text import one_line
from engine.worker.capture import Span
from engine.worker.coding import CodeRunner, Ran
from engine.worker.context import Attempt
from engine.worker.failures import AttemptFailed
from engine.worker.workdir import Refusal

ASK_PERSON = "ask_person"
NOT_JSON = "__not_json__"  # stands for the arguments of a call that were no JSON object


def _schema(tool: str, description: str, optional: tuple[str, ...] = (), **parameters: tuple[str, str]) -> ToolSchema:
    properties = {name: {"type": kind, "description": text} for name, (kind, text) in parameters.items()}
    required = [name for name in parameters if name not in optional]
    return FunctionToolSchema(
        function=FunctionDefinition(
            tool,
            description,
            {"type": "object", "properties": properties, "required": required, "additionalProperties": False},
        )
    )


SCHEMAS: dict[str, Any] = {
    "run_code": _schema(
        "run_code",
        "Write a Python program to codebase/<filename> and run it in the step's directory. Give the whole program "
        "every time. Paths in it are relative to the step's directory; modules in codebase/ can be imported. Print "
        "what matters: you are told the exit code, the end of stdout and stderr, and the files written.",
        filename=("string", "Such as fit.py"),
        code=("string", "The whole program"),
        explanation=("string", "One sentence: what the program does"),
    ),
    "read_file": _schema(
        "read_file",
        "Read lines of a text file in the step's directory.",
        ("start", "lines"),
        path=("string", "Relative to the step's directory"),
        start=("integer", "The first line, counted from 1; 1 if left out"),
        lines=("integer", "How many lines; 400 if left out"),
    ),
    "list_files": _schema("list_files", "List the files of the step's directory with their sizes in bytes."),
    "write_text": _schema(
        "write_text",
        "Write a text file (markdown, JSON, CSV …) in the step's directory, replacing it if it is there.",
        path=("string", "Relative to the step's directory"),
        text=("string", "The whole content"),
    ),
    "ask_person": _schema(
        "ask_person",
        "Ask the person who is responsible for this research, and wait for the answer. Only for what you cannot find "
        "out and what would change your work: a person may take hours to answer.",
        question=("string", "The question, with all that is needed to answer it"),
    ),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool call came to: what the model reads, and, when code ran, how that went."""

    ok: bool
    text: str
    ran: Ran | None = None

    def to_json(self) -> dict[str, Any]:
        """As a journal's answer."""
        return {"ok": self.ok, "result": self.text, **({"ran": self.ran.to_json()} if self.ran else {})}

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Outcome:
        """Back from a journal's answer.

        Raises:
            AttemptFailed: it is not one.
        """
        try:
            ran = Ran(**answer["ran"]) if "ran" in answer else None
            return cls(bool(answer["ok"]), str(answer["result"]), ran)
        except (KeyError, TypeError):
            raise AttemptFailed("journal", "a recorded tool result cannot be read", "Redo the step.") from None

    @classmethod
    def from_result(cls, result: ToolResult) -> Outcome:
        """From what AG2 made of the tool's return value."""
        text = "\n".join(part.content for part in result.parts if isinstance(part, TextInput))
        return cls(bool(result.metadata.get("ok", True)), text, result.metadata.get("ran"))

    def to_result(self) -> ToolResult:
        """As a tool's return value."""
        return ToolResult(self.text, metadata={"ok": self.ok, "ran": self.ran})


class Toolbox(Tool):
    """An agent's tools, as one tool of AG2's: it answers every call, of a tool that exists or not, with words that the
    model can act on, and never with a traceback. `current` is the call that is being carried out."""

    name = "toolbox"

    def __init__(self, attempt: Attempt, agent: AgentSpec) -> None:
        self.current: Span | None = None
        self._agent = agent
        self._workdir = attempt.workdir
        self._runner = CodeRunner(attempt, agent)
        self._do: dict[str, Callable[..., Awaitable[Outcome]]] = {
            "run_code": self._run_code,
            "read_file": self._read_file,
            "list_files": self._list_files,
            "write_text": self._write_text,
            ASK_PERSON: self._ask_person,
        }
        unknown = [name for name in agent.tools if name not in SCHEMAS]
        if unknown:
            raise AttemptFailed(
                "setup",
                f"the agent {agent.name} asks for the tool {unknown[0]!r}, which does not exist",
                f"There are {', '.join(SCHEMAS)}. Correct `tools` in the agent's file.",
            )

    def __deepcopy__(self, memo: object) -> Self:
        """The same: AG2 copies the tools that it is given, and this one counts what the attempt has done."""
        return self

    async def schemas(self, context: Context) -> Iterable[ToolSchema]:
        """What the model is told."""
        return [SCHEMAS[name] for name in self._agent.tools]

    def described(self) -> list[dict[str, Any]]:
        """The same as plain data."""
        functions = [SCHEMAS[name].function for name in self._agent.tools]
        return [{"name": one.name, "description": one.description, "parameters": one.parameters} for one in functions]

    def register(
        self, stack: ExitStack | AsyncExitStack, context: Context, *, middleware: Iterable[BaseMiddleware] = ()
    ) -> None:
        """Take every call of the turn, through the middleware."""
        execution: ToolExecution = self._executed
        for one in middleware:
            execution = _wrapped(one, execution)

        async def execute(event: ToolCallEvent, context: Context) -> None:
            await context.send(await execution(event, context))

        stack.enter_context(context.stream.where(ToolCallEvent).sub_scope(execute))

    def problem(self, name: str, arguments: Mapping[str, Any]) -> str | None:
        """Why a call cannot even begin, in words for the model."""
        if name not in self._agent.tools:
            listed = ", ".join(self._agent.tools) or "none"
            return f"There is no tool {one_line(name, 80)!r}. The tools are: {listed}."
        if set(arguments) == {NOT_JSON}:
            return (
                f"The arguments of {name} are not a JSON object, so nothing was done. Send them again as JSON; within "
                f'a JSON string a newline is written \\n and a quotation mark \\". What came began with: '
                f"{one_line(str(arguments[NOT_JSON]), 120)}"
            )
        form = SCHEMAS[name].function.parameters
        takes: dict[str, dict[str, str]] = form["properties"]
        wrong = [f"it takes no argument {one_line(key, 80)!r}" for key in arguments if key not in takes]
        wrong += [f"{key!r} is missing" for key in form["required"] if key not in arguments]
        for key, one in takes.items():
            if key in arguments and not _is(one["type"], arguments[key]):
                wrong.append(f"{key!r} must be of type {one['type']}, not {one_line(repr(arguments[key]), 60)}")
        if wrong:
            listed = ", ".join(takes) or "no arguments"
            return f"Nothing was done, because {'; '.join(wrong[:5])}. {name} takes: {listed}."
        return None

    def source(self, name: str) -> str:
        """What tells a tool's implementation from any other: the SHA-256 of what it does, hexadecimal."""
        code = self._do[name].__func__.__code__.replace(co_filename="")  # pyright: ignore[reportFunctionMemberAccess]
        return hashlib.sha256(marshal.dumps(code)).hexdigest()

    def after(self, outcome: Outcome) -> AttemptFailed | None:
        """Keep count of the code that failed; the reason to stop, once the agent's attempts are used up."""
        return self._runner.count(outcome.ran) if outcome.ran else None

    def failure(self) -> AttemptFailed | None:
        """Why the step is not done when the last program failed; None when it did not."""
        return self._runner.failure()

    async def _executed(self, event: ToolCallEvent, context: Context) -> ToolResultEvent:
        try:
            outcome = await self._do[event.name](**event.serialized_arguments)
        except Refusal as error:
            outcome = Outcome(False, str(error))
        except OSError as error:
            outcome = Outcome(False, f"{event.name} failed: {error.strerror or type(error).__name__}")
        return ToolResultEvent.from_call(event, outcome.to_result())

    async def _run_code(self, filename: str, code: str, explanation: str) -> Outcome:
        assert self.current is not None
        try:
            ran, text = await self._runner.run(filename, code, explanation, self.current)
        except OSError as error:  # the disk, not the program; yet the step is not done
            ran = Ran(one_line(filename), False, f"could not be run: {error.strerror or type(error).__name__}")
            text = f"{ran.file} {ran.how}."
        return Outcome(ran.ok, text, ran)

    async def _read_file(self, path: str, start: int = 1, lines: int = 400) -> Outcome:
        return Outcome(True, self._workdir.read(path, start, lines))

    async def _list_files(self) -> Outcome:
        return Outcome(True, self._workdir.listing())

    async def _write_text(self, path: str, text: str) -> Outcome:
        assert self.current is not None
        said = self._workdir.write(path, text)
        await self._workdir.record(self._agent.name, self.current.id)
        return Outcome(True, said)

    async def _ask_person(self, question: str) -> Outcome:
        raise Refusal("Nobody could be asked. Decide by yourself, and say at the end what you assumed.")


def _wrapped(middleware: BaseMiddleware, inner: ToolExecution) -> ToolExecution:
    async def call(event: ToolCallEvent, context: Context) -> ToolResultType:
        return await middleware.on_tool_execution(inner, event, context)

    return call


def _is(kind: str, value: object) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str)
