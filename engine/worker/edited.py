"""What a person has edited, as the answer of the model in whose place they speak."""

from __future__ import annotations

import json

from ag2.events import ModelResponse, ToolCallEvent, ToolCallsEvent, Usage

from engine.model.frames import Program

PERSON = "person"  # who answers, in the journal


def runs_program(program: Program) -> ModelResponse:
    """The answer that has a program run, as it would be the model's first."""
    arguments = {
        "filename": program.file.removeprefix("codebase/"),
        "code": program.code,
        "explanation": "The program as a person has edited it",
    }
    call = ToolCallEvent(id="call_person_1", name="run_code", arguments=json.dumps(arguments, ensure_ascii=False))
    return ModelResponse(
        tool_calls=ToolCallsEvent([call]),
        usage=Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0),
        model=PERSON,
        provider=PERSON,
        finish_reason="tool_calls",
    )
