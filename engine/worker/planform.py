"""The plan as it goes over the wire to a model, and back.

Providers' strict mode takes only a flat schema: every property required, nothing else allowed, no defaults, no choice
by a discriminator and no maps. So a check lists every field of every kind, and what does not belong to its kind is
null. What comes back is turned into the plan form of the contract, which is also accepted as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from engine.model.errors import PlanInvalid
from engine.model.plan import Plan
from engine.model.text import clean

_NUMBER: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "null"}]}
_INTEGER: dict[str, Any] = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
_TEXT: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_FENCE = re.compile(r"\A\s*```[a-z]*\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_ARRAY_SHAPE = _object(name={"type": "string"}, shape={"type": "array", "items": {"type": "integer"}})
_CHECK = _object(
    kind={
        "type": "string",
        "enum": ["file_exists", "csv", "json_value", "npz", "image", "text_contains", "numbers", "python"],
    },
    name={"type": "string", "description": "What the check says when it holds, in a few words."},
    path={**_TEXT, "description": "The file that is looked at; null for python."},
    min_bytes={**_INTEGER, "description": "file_exists"},
    columns={"anyOf": [_TEXTS, {"type": "null"}], "description": "csv: columns that must be there"},
    min_rows={**_INTEGER, "description": "csv"},
    max_rows={**_INTEGER, "description": "csv"},
    pointer={**_TEXT, "description": "json_value: an RFC 6901 pointer such as /fit/h0"},
    equals={
        "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"}],
        "description": "json_value: the exact value",
    },
    min={**_NUMBER, "description": "json_value: lower bound"},
    max={**_NUMBER, "description": "json_value: upper bound"},
    approx={**_NUMBER, "description": "json_value: expected value, with tolerance"},
    tolerance={**_NUMBER, "description": "json_value: absolute tolerance of approx"},
    arrays={
        "anyOf": [{"type": "array", "items": _ARRAY_SHAPE}, {"type": "null"}],
        "description": "npz: arrays and their shapes; -1 is any length",
    },
    min_width={**_INTEGER, "description": "image: pixels"},
    min_height={**_INTEGER, "description": "image: pixels"},
    not_blank={
        "anyOf": [{"type": "boolean"}, {"type": "null"}],
        "description": "image: it is not all one colour",
    },
    pattern={**_TEXT, "description": "text_contains: a regular expression"},
    files={
        "anyOf": [_TEXTS, {"type": "null"}],
        "description": "numbers: the files that the text's numbers come from; null: those of the steps before",
    },
    code={**_TEXT, "description": "python: assertions, run in the step's directory"},
)
_FIELDS = {
    kind: {"kind", "name", *fields.split()}
    for kind, fields in {
        "file_exists": "path min_bytes",
        "csv": "path columns min_rows max_rows",
        "json_value": "path pointer equals min max approx tolerance",
        "npz": "path arrays",
        "image": "path min_width min_height not_blank",
        "text_contains": "path pattern",
        "numbers": "path files",
        "python": "code",
    }.items()
}
_STEP = _object(
    id={"type": "string", "description": "Short, unique: letters, digits, _ and -."},
    title={"type": "string"},
    agent={"type": "string"},
    instructions={**_TEXTS, "description": "Bullet points for the agent."},
    depends_on={**_TEXTS, "description": "Ids of the steps whose files or findings this one needs."},
    outputs={**_TEXTS, "description": "Files that the step must leave behind, relative paths."},
    checks={"type": "array", "items": _CHECK},
)
PLAN_SCHEMA = _object(title={"type": "string"}, steps={"type": "array", "items": _STEP})
REVIEW_SCHEMA = _object(
    approved={"type": "boolean", "description": "True when the plan can be carried out as it is."},
    remarks={**_TEXTS, "description": "What to change, each a sentence; empty when nothing is."},
    unchecked={
        **_TEXTS,
        "description": "Results that a step claims and that could be wrong with every check holding: the step's id, a"
        " colon, and what no check would notice; empty when there are none.",
    },
)


def read_plan(text: str) -> Plan:
    """The plan in a model's answer.

    Raises:
        PlanInvalid: it is not JSON or not a plan; each problem is named.
    """
    data = _json(text, "the answer")
    if isinstance(data.get("steps"), list):
        data = {**data, "steps": [_step(step) for step in data["steps"]]}
    return Plan.parse(data)


def read_review(text: str) -> tuple[bool, str, list[str]]:
    """(approved, remarks as lines of text, the claims that no check looks at). An answer in free words is all
    remarks."""
    try:
        data = _json(text, "the review")
    except PlanInvalid:
        return False, clean(text).strip(), []
    lines = _told(data.get("remarks"))
    return bool(data.get("approved")), "\n".join(f"- {line}" for line in lines), _told(data.get("unchecked"))


def _told(value: Any) -> list[str]:
    listed = cast(list[Any], value) if isinstance(value, list) else [value or ""]
    return [line for one in listed if (line := clean(str(one))).strip()]


def _json(text: str, name: str) -> dict[str, Any]:
    fenced = _FENCE.match(text)
    body = fenced[1] if fenced else text
    if not body.strip():
        raise PlanInvalid(["it is empty"], name)
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PlanInvalid([f"it is not JSON: {error}"], name) from None
    if not isinstance(data, dict):
        raise PlanInvalid(["it is no JSON object with a title and steps"], name)
    return cast(dict[str, Any], data)


def _step(step: Any) -> Any:
    if not isinstance(step, Mapping):
        return step
    kept = _without_nulls(cast(Mapping[str, Any], step))
    if isinstance(kept.get("checks"), list):
        kept["checks"] = [_check(check) for check in kept["checks"]]
    return kept


def _check(check: Any) -> Any:
    """A check without the fields that the wire form asks for and that its kind does not have."""
    if not isinstance(check, Mapping):
        return check
    kept = _without_nulls(cast(Mapping[str, Any], check))
    own = _FIELDS.get(str(kept.get("kind")))
    if own is not None:
        kept = {key: value for key, value in kept.items() if key in own or key not in _CHECK["properties"]}
    if isinstance(kept.get("arrays"), list):
        pairs = [cast(Mapping[str, Any], one) for one in kept["arrays"] if isinstance(one, Mapping)]
        kept["arrays"] = {str(one.get("name")): one.get("shape") for one in pairs}
    return kept


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): item for key, item in value.items() if item is not None}
