"""Writing one setting into config.toml, with all else in the file left as a person wrote it."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from engine.model.errors import UsageError

_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)


def write_setting(file: Path, name: str, value: Any | None) -> None:
    """Set a key of the file, or take it out (None). Atomic; blocks.

    Raises:
        UsageError: the file cannot be changed without touching something else, or cannot be written.
    """
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        after = changed(text, name, value)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = file.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(after, encoding="utf-8")
        if file.exists():
            beside.chmod(file.stat().st_mode & 0o777)
        beside.replace(file.resolve())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be written: {error}") from None


def changed(text: str, name: str, value: Any | None) -> str:
    """The file's text with one key set anew, or without it (None).

    Raises:
        UsageError: that would change something else as well (a value over several lines, say).
    """
    before = _parsed(text)
    if isinstance(value, dict) or isinstance(before.get(name), dict):
        after = _with_table(text, name, value or {})
    else:
        after = _with_line(text, name, value)
    if _without_nothing(_parsed(after)) != _without_nothing({**before, name: value}):
        raise UsageError(f"{name} cannot be changed without touching what else is in the file", "Change it there.")
    return after


def _without_nothing(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {})}


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return {"": str(error)}  # equal to nothing that is wanted


def _with_line(text: str, name: str, value: Any | None) -> str:
    """A key above the tables."""
    first = _TABLE.search(text)
    head, tables = (text[: first.start()], text[first.start() :]) if first else (text, "")
    return _with_key(head, name, value) + tables


def _with_table(text: str, name: str, values: dict[str, Any]) -> str:
    """A table: each of its keys in its place, and those that it is to have no more taken out."""
    had = _parsed(text).get(name, {})
    if not (found := re.search(rf"^[ \t]*\[\s*{re.escape(name)}\s*\].*\n?", text, re.MULTILINE)):
        text = text.rstrip("\n") + f"\n\n[{name}]\n" if text.strip() else f"[{name}]\n"
        return text + "".join(f"{_key(key)} = {_written(one)}\n" for key, one in values.items())
    rest = text[found.end() :]
    after = _TABLE.search(rest)
    body, others = (rest[: after.start()], rest[after.start() :]) if after else (rest, "")
    for key in (*had, *values):
        body = _with_key(body, _key(key), values.get(key))
    return text[: found.end()] + body + others


def _with_key(lines: str, key: str, value: Any | None) -> str:
    """A key in the place of its line, or behind the last line."""
    line = re.compile(rf"^([ \t]*{re.escape(key)}\s*=\s*)(.*?)([ \t]*#[^\n\"']*)?(\n|$)", re.MULTILINE)
    if line.search(lines):
        new = "" if value is None else _written(value)
        return line.sub(lambda old: f"{old[1]}{new}{old[3] or ''}{old[4]}" if new else "", lines, count=1)
    if value is None:
        return lines
    body = lines.rstrip("\n")
    return f"{body}\n" * bool(body) + f"{key} = {_written(value)}\n" + (lines[len(body) + 1 :] if body else lines)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
