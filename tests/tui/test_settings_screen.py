"""The settings on the screen: looked over as they are typed, written into config.toml, in force at once where that can
be; and the same from the command line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from cmbagent_tui.cli import main
from cmbagent_tui.known_settings import SETTINGS
from cmbagent_tui.settings import load
from tests.tui.looking import hides, shows, until

SIZE = (100, 34)


async def go_to(pilot: Pilot[Any], name: str) -> None:
    await pilot.press("home", *["down"] * [one.name for one in SETTINGS].index(name))


async def test_a_setting_is_changed_and_the_rest_of_the_file_stays(make_app: Any, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("# mine\nmax_steps = 3  # few\n")
    app = make_app(settings=load({"CMBAGENT_HOME": str(tmp_path)}, tmp_path))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("comma")
        await go_to(pilot, "retries")
        await shows(pilot, "How often a step that failed is tried again", "Default: 2", "config.toml")
        await pilot.press("enter", "backspace", "x")
        await shows(pilot, "retries must be a whole number")
        await pilot.press("enter", "backspace", "7")
        await hides(pilot, "must be a whole number")
        await pilot.press("enter")
        await until(pilot, lambda: app.settings.values.get("retries") == 7)
        assert file.read_text() == "# mine\nmax_steps = 3  # few\nretries = 7\n"
        await pilot.press("d")
        await until(pilot, lambda: "retries" not in app.settings.values)
        assert file.read_text() == "# mine\nmax_steps = 3  # few\n"
        await pilot.press("d")
        await shows(pilot, "retries is not in config.toml")


async def test_a_theme_counts_at_once_and_a_switch_needs_no_typing(make_app: Any, tmp_path: Path) -> None:
    app = make_app(settings=load({"CMBAGENT_HOME": str(tmp_path)}, tmp_path))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("comma")
        await go_to(pilot, "theme")
        await pilot.press("enter", "ctrl+a", *["delete"] * 20, *"nord", "enter")
        await until(pilot, lambda: app.theme == "nord")
        await go_to(pilot, "ascii")
        await pilot.press("enter")
        await until(pilot, lambda: app.settings.values.get("ascii") is True)
        assert tomllib.loads((tmp_path / "config.toml").read_text()) == {"theme": "nord", "ascii": True}


async def test_what_counts_more_than_the_file_is_said(make_app: Any, tmp_path: Path) -> None:
    settings = load({"CMBAGENT_HOME": str(tmp_path), "CMBAGENT_MODEL": "openai:x"}, tmp_path)
    app = make_app(settings=settings)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("comma")
        await shows(pilot, "openai:x", "comes from CMBAGENT_MODEL, which counts more")


def test_settings_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CMBAGENT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["settings", "retries", "4"]) == 0
    assert "config.toml" in capsys.readouterr().out
    assert main(["settings", "retries", "--json"]) == 0
    assert '"value": 4' in capsys.readouterr().out
    assert main(["settings", "retries", "many"]) == 2
    assert main(["settings", "retires"]) == 2
    assert "retries" in capsys.readouterr().err
    assert main(["settings", "retries", "--unset"]) == 0
    assert main(["settings"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()][1:] == [one.name for one in SETTINGS]
