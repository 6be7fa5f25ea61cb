"""Rules: a person's file that says which actions are denied, asked about or allowed.

    default = "ask"                 # where no rule fits: ask (if nothing is said), or allow

    [[deny]]
    command = ["rm", "sudo"]        # a program, or a program and its words; * stands for any text
    why = "Nothing is removed."

    [[ask]]
    tool = "run_code"
    cost_over = 2.50                # once so much (USD) is spent

    [[allow]]
    tool = ["read_file", "list_files"]
    agent = "researcher"

A rule fits when all that it names fits: what ("plan", "step", "tool", "error"), agent, tool, step (a title), path,
command, package, cost_over. A list is met by any of its items. Deny goes before ask, and ask before allow. The parts of
a command are judged each by itself, and the strictest judgement counts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from engine.model.errors import UsageError
from engine.model.text import clean, one_line
from engine.policy.actions import What

MAX_BYTES = 256 * 1024
MAX_RULES = 1_000
Effect = Literal["deny", "ask", "allow"]
EFFECTS: tuple[Effect, ...] = ("deny", "ask", "allow")
_SELECTORS = ("what", "agent", "tool", "step", "path", "command", "package")


class Rule(BaseModel):
    """One rule. What is empty is not asked; texts may hold * and ? for any text and any character."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    what: tuple[What, ...] = ()
    agent: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()
    step: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    package: tuple[str, ...] = ()
    cost_over: float | None = Field(default=None, ge=0)  # USD
    why: str = ""

    @field_validator(*_SELECTORS, mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator(*_SELECTORS)
    @classmethod
    def _said(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(one.strip() for one in value):
            raise ValueError("it says nothing: give a text, or leave the key out")
        return tuple(clean(one).strip() for one in value)

    @property
    def in_words(self) -> str:
        """What it asks for, on one line."""
        said = [f"{name} {' or '.join(getattr(self, name))}" for name in _SELECTORS if getattr(self, name)]
        if self.cost_over is not None:
            said.append(f"more than ${self.cost_over:g} spent")
        return one_line(", ".join(said) or "everything", 300)


class Rules(BaseModel):
    """All rules of a file, in its order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: Literal["ask", "allow"] = "ask"
    deny: tuple[Rule, ...] = ()
    ask: tuple[Rule, ...] = ()
    allow: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any], name: str = "the rules") -> Rules:
        """Rules from plain data.

        Raises:
            UsageError: they say something that cannot be; the rule and its key are named.
        """
        try:
            rules = cls.model_validate(data)
        except ValidationError as error:
            raise UsageError(f"{name}: {_sentence(error)}", _HINT) from None
        count = len(rules.deny) + len(rules.ask) + len(rules.allow)
        if count > MAX_RULES:
            raise UsageError(f"{name}: there are {count} rules; at most {MAX_RULES} are allowed")
        return rules

    def listed(self) -> list[tuple[str, Effect, Rule]]:
        """Every rule in the order in which they are asked, with its id: `deny 1`, `ask 1`, …"""
        return [
            (f"{effect} {number}", effect, rule)
            for effect in EFFECTS
            for number, rule in enumerate(cast(tuple[Rule, ...], getattr(self, effect)), 1)
        ]


_HINT = (
    f"A file has default and [[deny]], [[ask]], [[allow]]; a rule has {', '.join(_SELECTORS)}, cost_over (USD) and why."
)


def read_rules(path: Path) -> Rules:
    """Read a file of rules.

    Raises:
        UsageError: it cannot be read, is no TOML, or says something that cannot be; file, rule and key are named.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise UsageError(f"{path}: it has more than {MAX_BYTES} bytes")
        data = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: it cannot be read: {error.strerror}", _HINT) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: it is not text (UTF-8)") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: it is not TOML: {clean(str(error), 200)}") from None
    return Rules.parse(data, str(path))


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    if len(place) > 1 and place[1].isdigit():
        place[:2] = [f"{place[0]} {int(place[1]) + 1}"]
    said = {"extra_forbidden": "there is no such key", "missing": "it is missing"}.get(first["type"], first["msg"])
    return clean(f"{': '.join(place)}: {said.removeprefix('Value error, ')}", 300)
