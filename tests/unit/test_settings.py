"""Settings: what each may be, where its value came from, and config.toml changed without touching the rest of it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from textual.theme import BUILTIN_THEMES

from cmbagent_tui.config_file import changed, write_setting
from cmbagent_tui.known_settings import BY_NAME, SETTINGS, THEMES
from cmbagent_tui.settings import load
from cmbagent_tui.themes import DARK, LIGHT
from engine.model.errors import UsageError
from engine.model.options import EngineSettings, RunOptions

FILE = """\
# what I like
model = "openai:gpt-5"  # the best
budget = 5.00

[models]
# one that plans well
planner = "openai:a"
"data scientist" = 'openai:b'

[keys]
run.pause = "P"
"""


@pytest.mark.parametrize(
    ("name", "value", "line", "instead"),
    [
        ("model", "gemini:x", 'model = "gemini:x"  # the best', 'model = "openai:gpt-5"  # the best'),
        ("model", None, "", 'model = "openai:gpt-5"  # the best\n'),
        ("budget", "2.50", 'budget = "2.50"', "budget = 5.00"),
        ("retries", 3, "budget = 5.00\nretries = 3", "budget = 5.00"),
        ("ascii", True, "budget = 5.00\nascii = true", "budget = 5.00"),
        ("model", 'a:"\\u\n#', 'model = "a:\\"\\\\u\\n#"  # the best', 'model = "openai:gpt-5"  # the best'),
        (
            "models",
            {"planner": "openai:c", "data scientist": "openai:b", "coder": "openai:d"},
            'planner = "openai:c"\n"data scientist" = "openai:b"\ncoder = "openai:d"',
            'planner = "openai:a"\n"data scientist" = \'openai:b\'',
        ),
        ("models", None, "", 'planner = "openai:a"\n"data scientist" = \'openai:b\'\n'),
    ],
)
def test_only_its_line_changes(name: str, value: Any, line: str, instead: str) -> None:
    after = changed(FILE, name, value)
    assert after == FILE.replace(instead, line)
    assert tomllib.loads(after).get(name) in (value, {} if value is None else value)


def test_a_key_goes_above_the_tables_and_a_table_behind() -> None:
    assert tomllib.loads(changed("[keys]\na.b='x'", "model", "a:b")) == {"model": "a:b", "keys": {"a": {"b": "x"}}}
    assert changed("", "model", "a:b") == 'model = "a:b"\n'
    assert changed("ascii = true", "models", {"x": "a:b"}) == 'ascii = true\n\n[models]\nx = "a:b"\n'


@pytest.mark.parametrize("text", ['model = """\nopenai:x\n"""\n', "model = [", "ascii = true\nmodel = 'x # y'"])
def test_what_cannot_be_changed_alone_is_left(text: str) -> None:
    try:
        after = tomllib.loads(changed(text, "model", "a:b"))
    except UsageError as error:
        assert "model" in error.cause
    else:
        assert after == {**tomllib.loads(text), "model": "a:b"}


def test_the_file_is_made_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "home" / "config.toml"
    write_setting(file, "retries", 1)
    file.chmod(0o600)
    write_setting(file, "retries", 2)
    assert file.read_text() == "retries = 2\n" and file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["config.toml"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ascii", "yes", True),
        ("mouse", "off", False),
        ("retries", " 0 ", 0),
        ("code_timeout", "90", 90),
        ("suspend_after", "0.5", 0.5),
        ("budget", "2.50", "2.50"),
        ("models", "planner=openai:a, coder = openai:b", {"planner": "openai:a", "coder": "openai:b"}),
    ],
)
def test_what_is_typed_becomes_a_value(name: str, text: str, value: Any) -> None:
    assert BY_NAME[name].parse(text) == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ascii", "perhaps", "true or false"),
        ("max_parallel", "0", "at least 1"),
        ("max_parallel", "many", "a whole number"),
        ("code_timeout", "-3", "at least"),
        ("code_timeout", "nan", "a number"),
        ("budget", "a lot", "not an amount of money"),
        ("budget", "-1", "negative"),
        ("approval", "never", "after_planning"),
        ("theme", "pink", "ansi-dark"),
        ("model", "gpt-5", "provider:model"),
        ("models", "planner", "like agent="),
        ("models", "planner=gpt", "provider:model"),
    ],
)
def test_what_cannot_be_is_said_in_words(name: str, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        BY_NAME[name].parse(text)


def test_where_a_value_came_from(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    (home / "config.toml").write_text("retries = 1\nmax_steps = 3\nmodel = 'openai:a'\nsuspend_after = 5\n")
    (project / ".cmbagent.toml").write_text("max_steps = 4\n")
    environ = {"CMBAGENT_HOME": str(home), "CMBAGENT_MODEL": "openai:b", "CMBAGENT_SUSPEND_AFTER": "7"}
    settings = load(environ, project).given(ascii=True, mouse=None)
    assert settings.values == {"retries": 1, "max_steps": 4, "model": "openai:b", "suspend_after": 7, "ascii": True}
    assert settings.sources == {
        "retries": str(home / "config.toml"),
        "max_steps": str(project / ".cmbagent.toml"),
        "model": "CMBAGENT_MODEL",
        "suspend_after": "CMBAGENT_SUSPEND_AFTER",
        "ascii": "--ascii",
    }


def test_a_wrong_value_is_refused_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("max_parallel = 0\n")
    with pytest.raises(UsageError, match=r"config\.toml: max_parallel must be at least 1"):
        load({"CMBAGENT_HOME": str(tmp_path)})


def test_the_defaults_that_are_shown_are_those_that_count() -> None:
    holders = (RunOptions(), EngineSettings(Path("/")))
    for one in SETTINGS:
        for held in (getattr(holder, one.name) for holder in holders if hasattr(holder, one.name) and one.default):
            assert one.default == (f"{held:g}" if isinstance(held, int | float) else held), one


def test_every_theme_can_be_set() -> None:
    assert set(THEMES) == {DARK.name, LIGHT.name, *BUILTIN_THEMES}
