"""Settings: a command line option beats the environment, which beats the project's file, which beats the user's file.

The user's file is `CMBAGENT_HOME/config.toml`, the project's `.cmbagent.toml` in the working directory or above. A
project's file may say how runs go; what would run a program or loosen a policy is taken from the user's file alone.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from engine.model.errors import UsageError

PROJECT_FILE = ".cmbagent.toml"
_RUN_KEYS: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "models": dict,
    "approval": str,
    "max_parallel": int,
    "reviews": int,
    "max_steps": int,
    "retries": int,
    "budget": (str, int, float),
    "code_timeout": (int, float),
    "attempt_timeout": (int, float),
    "model_timeout": (int, float),
}
_USER_KEYS: dict[str, type | tuple[type, ...]] = {
    **_RUN_KEYS,
    "python": str,
    "max_workers": int,
    "suspend_after": (int, float),
    "theme": str,
    "ascii": bool,
    "keys": dict,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the files and the environment say. `sources` tells for every key where its value came from."""

    home: Path
    environ: Mapping[str, str] = field(repr=False)
    values: Mapping[str, Any]
    sources: Mapping[str, str]

    @property
    def database_url(self) -> str | None:
        """Another place for the database than the home."""
        return self.environ.get("CMBAGENT_DATABASE_URL") or None

    @property
    def keys(self) -> dict[str, str]:
        """The person's own keys: the id of a binding to its keys, joined by commas."""
        return {
            name: keys if isinstance(keys, str) else ",".join(cast(list[str], keys))
            for name, keys in _by_id(self.values.get("keys", {}))
        }


def load(environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        UsageError: a file is no TOML, has an unknown key, or a value of the wrong kind; file and key are named.
    """
    environ = os.environ if environ is None else environ
    home = Path(environ.get("CMBAGENT_HOME") or Path.home() / ".cmbagent").expanduser().absolute()
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    user, project = home / "config.toml", _project_file(directory or Path.cwd())
    for file, allowed in ((user, _USER_KEYS), (project, _RUN_KEYS)):
        if file is None:
            continue
        for key, value in _read(file, allowed).items():
            values[key] = value
            sources[key] = str(file)
    if environ.get("CMBAGENT_MODEL"):
        values["model"], sources["model"] = environ["CMBAGENT_MODEL"], "CMBAGENT_MODEL"
    if given := environ.get("CMBAGENT_SUSPEND_AFTER"):
        values["suspend_after"], sources["suspend_after"] = _seconds(given), "CMBAGENT_SUSPEND_AFTER"
    return Settings(home, environ, values, sources)


def _seconds(given: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise UsageError(
            f"CMBAGENT_SUSPEND_AFTER is {given!r}, which is no number", "It is in seconds, like 60."
        ) from None


def _project_file(directory: Path) -> Path | None:
    for folder in (directory, *directory.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder / PROJECT_FILE
    return None


def _read(file: Path, allowed: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}  # a home that cannot be made is for the store to refuse
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML: {error}", "Mend it, or move it away.") from None
    for key, value in data.items():
        if key not in allowed:
            hint = "It counts in the user's own file alone." if key in _USER_KEYS else f"Known: {', '.join(allowed)}."
            raise UsageError(f"{file}: unknown key {key!r}", hint)
        if not isinstance(value, allowed[key]) or (isinstance(value, bool) and allowed[key] is not bool):
            raise UsageError(f"{file}: {key} has a value of the wrong kind: {value!r}")
    models = cast(dict[str, object], data.get("models", {}))
    wrong = next((role for role, name in models.items() if not isinstance(name, str)), None)
    if wrong:
        raise UsageError(f"{file}: models.{wrong} must be a text like provider:model")
    wrong = next((name for name, given in _by_id(data.get("keys", {})) if not _is_keys(given)), None)
    if wrong:
        raise UsageError(f'{file}: keys.{wrong} must be a key like "x", or several: ["x", "ctrl+x"]')
    return data


def _by_id(given: dict[str, object]) -> Iterator[tuple[str, object]]:
    """`run.pause = "x"` is a table in a table to TOML; with quotes it is one name."""
    for name, value in given.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{rest}", keys) for rest, keys in cast(dict[str, object], value).items())
        else:
            yield name, value


def _is_keys(given: object) -> bool:
    return isinstance(given, str) or (isinstance(given, list) and all(isinstance(one, str) for one in given))
