"""The agents that there are: the shipped files, and a person's own beside or over them.

An agent file is TOML, named after its agent (`engineer.toml`):

    description = "…"          # the planner reads it to choose an agent for a step
    prompt = '''…'''
    tools = ["run_code"]       # of run_code, read_file, list_files, write_text, ask_person
    plannable = true           # whether a plan may name it
    model = "openai:gpt-5"     # optional: instead of the run's model
    temperature = 0.0          # optional
    attempts = 3               # failed programs within one step
    max_turns = 50             # model calls within one step

A person's file with the name of a shipped agent changes the keys that it has and leaves the others as shipped.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from engine.model.agents import AgentSpec
from engine.model.errors import UsageError
from engine.model.modelref import ModelRef
from engine.model.text import clean, one_line

TOOLS = ("run_code", "read_file", "list_files", "write_text", "ask_person")
MAX_BYTES = 1024 * 1024


def load_agents(user_dir: Path | None) -> dict[str, AgentSpec]:
    """Every agent by name: the shipped ones, changed and joined by the files of `user_dir` if that is there.

    Raises:
        UsageError: a file cannot be read or says something that cannot be; file and line or key are named.
    """
    agents = dict(_shipped())
    if user_dir is not None and user_dir.is_dir():
        for path in sorted(user_dir.glob("*.toml")):
            known = agents.get(path.stem)
            agents[path.stem] = _agent(path, known.model_dump() if known else {})
    return agents


@cache
def _shipped() -> MappingProxyType[str, AgentSpec]:
    files = sorted(Path(__file__).parent.glob("*.toml"))
    return MappingProxyType({path.stem: _agent(path, {}) for path in files})


def _agent(path: Path, base: dict[str, Any]) -> AgentSpec:
    source, data = _read(path)
    name = data.get("name", path.stem)
    if name != path.stem:
        raise UsageError(
            f"{path}: the agent is named {one_line(str(name))!r}", f"Name the file {path.stem}.toml alike."
        )
    try:
        agent = AgentSpec.model_validate({**base, **data, "name": path.stem})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        said = {"extra_forbidden": "there is no such key", "missing": "it is missing"}.get(first["type"], first["msg"])
        keys = ", ".join(AgentSpec.model_fields)
        raise UsageError(f"{_place(path, source, key)}: {clean(key)}: {clean(said)}", f"The keys are {keys}.") from None
    for key, named in (("tools", agent.tools), ("ask_again", agent.ask_again)):
        unknown = [tool for tool in named if tool not in TOOLS]
        if unknown:
            raise UsageError(
                f"{_place(path, source, key)}: {key}: there is no tool {one_line(unknown[0])!r}",
                f"The tools are {', '.join(TOOLS)}.",
            )
    if agent.model:
        try:
            ModelRef.parse(agent.model)
        except UsageError as error:
            raise UsageError(f"{_place(path, source, 'model')}: model: {error.cause}", error.hint) from None
    return agent


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise UsageError(f"{path}: it has more than {MAX_BYTES} bytes", "An agent file is a prompt and settings.")
        source = raw.decode("utf-8")
        return source, tomllib.loads(source)
    except OSError as error:
        raise UsageError(f"{path}: it cannot be read: {error.strerror}", "Correct it, or remove it.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: it is not text (UTF-8)", "Correct it, or remove it.") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: it is not TOML: {clean(str(error), 200)}", "Correct it, or remove it.") from None


def _place(path: Path, source: str, key: str) -> str:
    """The file, with the line on which the key is set if it is."""
    for number, line in enumerate(source.splitlines(), 1):
        if key and line.partition("=")[0].strip().strip("\"'") == key:
            return f"{path}, line {number}"
    return str(path)
