"""An agent as data: what its file says."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator


class AgentSpec(BaseModel):
    """One agent: its prompt and settings.

    `tools` names tools of the worker (`run_code`, `read_file`, `list_files`, `write_text`,
    `ask_person`); `attempts` is how often the
    agent may run code that fails within one step; `model` overrides the role's model (`provider:model`). `ask_again`
    names the tools whose calls have effects outside of the step's directory: one that had begun when its process was
    lost is not begun again until a person has said so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    prompt: str
    tools: tuple[str, ...] = ()
    ask_again: tuple[str, ...] = ()
    plannable: bool = True  # whether a plan may name it
    model: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    attempts: int = Field(default=3, ge=1, le=50)
    max_turns: int = Field(default=50, ge=1, le=500)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", value):
            raise ValueError("an agent's name is lowercase letters, digits and _, at most 40")
        return value
