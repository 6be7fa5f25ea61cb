"""What a model's server sent, made into what a conversation can go on with."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Sized
from copy import copy
from typing import Protocol

from ag2.events import ModelResponse, ToolCallEvent

from engine.model.frames import ModelSpec
from engine.model.text import clean
from engine.worker.failures import AttemptFailed, answer_broke_off, not_an_answer
from engine.worker.tools import NOT_JSON

ANSWER_LIMIT = 4_000_000  # characters of one answer: far more than any model says, far less than a frame may hold


class _Taken(Sized, Container[str], Protocol):
    """The ids of the calls so far."""


def tidied(response: ModelResponse, model: ModelSpec, taken: _Taken) -> ModelResponse:
    """The response with tool calls that the conversation can go on with, whatever the server made of them.

    Raises:
        AttemptFailed: it is only half a response, none at all, or too large.
    """
    if model.provider == "openai" and response.finish_reason is None:
        raise answer_broke_off(model) if response.response_id else not_an_answer(model)
    calls: list[ToolCallEvent] = []
    size = len(response.content or "")
    for call in response.tool_calls.calls:
        tidy = copy(call)
        if not tidy.id or tidy.id in taken or any(tidy.id == other.id for other in calls):
            tidy.id = f"call_{len(taken) + len(calls) + 1}"
        if not _is_object(tidy.arguments):
            # The clients decode the arguments again for the next request, so what is no JSON must not stay.
            tidy.arguments = json.dumps({NOT_JSON: clean(tidy.arguments, 2000)})
        tidy.name = re.sub(r"[^A-Za-z0-9_-]", "_", tidy.name)[:64] or "unnamed"  # what may be sent back
        tidy.arguments = tidy.arguments.encode(errors="replace").decode()
        calls.append(tidy)
        size += len(tidy.arguments)
    if size > ANSWER_LIMIT:
        raise AttemptFailed(
            "api_error", f"{model.name} sent an answer of {size} characters; at most {ANSWER_LIMIT} are taken"
        )
    response.tool_calls.calls = calls
    if response.message:
        response.message.content = clean(response.message.content)
    return response


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments or "{}"), dict)
    except (ValueError, RecursionError):
        return False
