"""The plan as YAML for a person's editor, and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import yaml

from engine.model.errors import PlanInvalid, UsageError
from engine.model.plan import Plan

_HEAD = """\
# Change what you like, save and leave: the edited plan runs at once.
# Leave without a change to keep the plan waiting.
"""
_MARK = "#! "


def plan_yaml(plan: Mapping[str, Any]) -> str:
    """A plan as YAML with a word on how to go on; what is empty or at its default is left out."""
    try:
        data: object = Plan.parse(plan).model_dump(mode="json", exclude_defaults=True)
    except PlanInvalid:  # shown all the same: a person may mend it
        data = plan
    return _HEAD + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def read_edited(text: str, agents: Collection[str]) -> tuple[Plan | None, list[str]]:
    """(the plan, no problems), or (None, every reason why it cannot run)."""
    try:
        plan = Plan.parse(without_problems(text))
        plan.require(agents)
    except PlanInvalid as error:
        return None, error.problems
    return plan, []


def with_problems(text: str, problems: list[str]) -> str:
    """The text with the problems written above it, as comments."""
    listed = [f"{_MARK}{line}" for problem in problems for line in problem.splitlines()]
    return "\n".join(["#! This plan cannot run yet:", *listed, without_problems(text)])


def without_problems(text: str) -> str:
    """The text without the problems that were written above it."""
    lines = text.split("\n")
    return "\n".join(line for line in lines if not line.startswith("#!"))


def values_yaml(values: Mapping[str, Any]) -> str:
    """A step or a call as YAML, texts of several lines as blocks."""
    head = "# Change what you like, save and leave; nothing happens before you approve it.\n"
    return head + yaml.dump(dict(values), Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=100)


def read_values(text: str) -> dict[str, Any]:
    """What a person made of it.

    Raises:
        UsageError: it is no YAML with names and values.
    """
    try:
        data: object = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"that is no YAML: {error}") from None
    if not isinstance(data, dict):
        raise UsageError("that has no names and values")
    return {str(key): value for key, value in data.items()}


def checks_yaml(checks: object) -> str:
    """A step's checks as YAML; what was typed and is none stays as it is."""
    if isinstance(checks, str):
        return checks
    return yaml.safe_dump(checks, sort_keys=False, allow_unicode=True, width=100).rstrip() if checks else ""


def read_checks(text: str) -> list[Any] | str:
    """The checks that a text lists; the text itself where it lists none."""
    try:
        found: object = yaml.safe_load(text) if text.strip() else []
    except (yaml.YAMLError, RecursionError, ValueError):
        return text
    return list(found) if isinstance(found, list) else text


class _Blocks(yaml.SafeDumper):
    """Writes texts of several lines as they are."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _text)
