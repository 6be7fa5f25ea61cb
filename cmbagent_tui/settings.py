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

from cmbagent_tui.known_settings import BY_NAME, SETTINGS, Setting
from engine.model.errors import UsageError

PROJECT_FILE = ".cmbagent.toml"


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
    def file(self) -> Path:
        """The person's own file."""
        return self.home / "config.toml"

    def given(self, **options: object) -> Settings:
        """With what the command line says (None: nothing) over it."""
        said = {name: value for name, value in options.items() if value is not None}
        return Settings(
            self.home,
            self.environ,
            {**self.values, **said},
            {**self.sources, **{one: BY_NAME[one].option for one in said}},
        )

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
    for file, mine in ((user, True), (project, False)):
        if file is None:
            continue
        for key, value in _read(file, mine=mine).items():
            values[key] = value
            sources[key] = str(file)
    for one in SETTINGS:
        if one.variable and environ.get(one.variable):
            values[one.name], sources[one.name] = _from(one, environ[one.variable]), one.variable
    return Settings(home, environ, values, sources)


def _from(setting: Setting, given: str) -> Any:
    """What a variable of the environment says. Textual's own is not refused: it says so itself."""
    try:
        return given if setting.variable == "TEXTUAL_THEME" else setting.parse(given)
    except UsageError as error:
        raise UsageError(f"{setting.variable}: {error.cause}", error.hint) from None


def _project_file(directory: Path) -> Path | None:
    for folder in (directory, *directory.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder / PROJECT_FILE
    return None


def _read(file: Path, *, mine: bool) -> dict[str, Any]:
    """What a file says: the person's own, or a project's, which may say less."""
    allowed = {one.name: one for one in SETTINGS if mine or one.project}
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
            hint = "It counts in the user's own file alone." if key in BY_NAME else f"Known: {', '.join(allowed)}."
            raise UsageError(f"{file}: unknown key {key!r}", hint)
        if refused := allowed[key].accepts(value):
            raise UsageError(f"{file}: {refused}")
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
