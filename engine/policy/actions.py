"""Actions: what is judged, as plain values. What a tool call does is read from its arguments, by their names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

What = Literal["plan", "step", "tool", "error"]

_PATHS = ("path", "paths", "file", "files", "filename", "directory", "target", "source")
_COMMANDS = ("command", "commands", "cmd", "script", "argv")
_PACKAGES = ("package", "packages", "requirement", "requirements")


@dataclass(frozen=True, slots=True)
class Action:
    """What is about to be done, by whom, in which step (its title), when `cost_micro` (micro-USD) are spent.

    `commands` are command lines as a shell would read them, `code` a Python program.
    """

    what: What
    agent: str = ""
    step: str = ""
    tool: str = ""
    cost_micro: int = 0
    paths: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    code: str = ""


def tool_action(agent: str, step: str, tool: str, arguments: Mapping[str, Any], cost_micro: int = 0) -> Action:
    """A tool call as an action."""
    commands = _texts(arguments, _COMMANDS, joined=True)
    code = "\n".join(_texts(arguments, ("code",)))
    if re.fullmatch(r"(run_|execute_)?(shell|bash|command|terminal)", tool) and code:
        commands, code = (*commands, code), ""
    paths = _texts(arguments, _PATHS)
    if tool == "run_code":
        paths = tuple(path if path.startswith("codebase/") else f"codebase/{path}" for path in paths)
    return Action("tool", agent, step, tool, cost_micro, paths, commands, _texts(arguments, _PACKAGES), code)


def _texts(arguments: Mapping[str, Any], names: tuple[str, ...], *, joined: bool = False) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        value = arguments.get(name)
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list | tuple):
            words = [str(one) for one in cast(list[Any], value)]
            found += [shlex.join(words)] if joined and name in ("argv", "command", "cmd") else words
    return tuple(found)
