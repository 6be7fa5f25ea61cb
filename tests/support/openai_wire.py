"""Requests of the chat-completions protocol: what one asks for, and what a strict server would refuse about it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass
class Request:
    """What the server was asked."""

    body: Json
    headers: dict[str, str]
    at: float

    @property
    def messages(self) -> list[Json]:
        return self.body.get("messages", [])

    @property
    def system(self) -> str:
        return "\n".join(words(m) for m in self.messages if m["role"] == "system")

    @property
    def first(self) -> str:
        """The first message of the user."""
        return next((words(m) for m in self.messages if m["role"] == "user"), "")

    @property
    def last(self) -> Json:
        return self.messages[-1]

    @property
    def tools(self) -> list[str]:
        return [one["function"]["name"] for one in self.body.get("tools", [])]

    @property
    def schema(self) -> Json | None:
        form = self.body.get("response_format") or {}
        return form.get("json_schema", {}).get("schema")

    @property
    def role(self) -> str | None:
        form = (self.body.get("response_format") or {}).get("json_schema", {}).get("name")
        if form in ("plan", "review"):
            return "planner" if form == "plan" else "plan_reviewer"
        if "run_code" in self.tools:
            return "engineer"
        return "researcher" if "write_text" in self.tools else None

    @property
    def results(self) -> list[str]:
        """What the tools said, in order."""
        return [words(m) for m in self.messages if m["role"] == "tool"]


def words(message: Json) -> str:
    """A message's text, whichever form it came in."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def history_problem(messages: list[Json]) -> str | None:
    open_calls: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                return f"tool message {message['tool_call_id']} answers no call"
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            return f"tool calls without a result: {open_calls}"
        for one in message.get("tool_calls") or ():
            json.loads(one["function"]["arguments"])
            open_calls.append(one["id"])
    return f"tool calls without a result: {open_calls}" if open_calls else None


def schema_problem(schema: Any, where: str = "the schema") -> str | None:
    """What strict mode would refuse in a schema."""
    if isinstance(schema, list):
        return next(filter(None, (schema_problem(one, where) for one in schema)), None)
    if not isinstance(schema, dict):
        return None
    for forbidden in ("default", "oneOf", "allOf", "discriminator", "patternProperties"):
        if forbidden in schema and not isinstance(schema[forbidden], dict):
            return f"{where}: {forbidden} is not permitted"
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            return f"{where}: additionalProperties must be false"
        if sorted(schema.get("required", [])) != sorted(schema.get("properties", {})):
            return f"{where}: required must name every property"
    found = (schema_problem(value, f"{where}.{key}") for key, value in schema.items())
    return next(filter(None, found), None)


def conform(schema: Json, value: Any) -> Any:
    """A value as strict mode would have it: every property there, null where nothing was said, maps as lists."""
    for choice in schema.get("anyOf", []):
        if choice.get("type") == "null" and value is None:
            return None
        if choice.get("type") in ("object", "array"):
            return conform(choice, value)
    if schema.get("type") == "object" and isinstance(value, dict):
        return {key: conform(one, value.get(key)) for key, one in schema["properties"].items()}
    if schema.get("type") == "array":
        if isinstance(value, dict):
            value = [{"name": key, "shape": item} for key, item in value.items()]
        return [conform(schema["items"], one) for one in value or []]
    return value
