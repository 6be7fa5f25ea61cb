"""The rules screen: rules and grants in the order in which they are judged, tried, taken back; the mode changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from cmbagent_tui.screens.rules import ModeScreen, RulesScreen
from engine.engine import Engine
from engine.model.changes import SettleApproval
from engine.model.grants import Scope
from engine.model.options import ApprovalMode, RunOptions
from engine.model.records import ApprovalState
from tests.tui.looking import hides, settles, shows, text_of, until
from tests.tui.seed import Seed
from tests.tui.test_inbox import asks
from tests.tui.test_snapshots import SIZES, Compare, SeededApp

SIZE = (100, 32)
RULES: dict[str, Any] = {
    "deny": [{"command": ["rm", "sudo"], "why": "Nothing is removed."}, {"path": "/etc/*"}],
    "ask": [{"tool": "run_code", "cost_over": 2.5, "why": "It was dear so far."}, {"package": "*"}],
    "allow": [{"tool": ["read_file", "list_files"]}, {"command": "ls *", "agent": "engineer"}],
}
PUSH: dict[str, Any] = {
    "tool": "run_shell",
    "agent": "engineer",
    "arguments": {"command": "git push"},
    "why": ["no rule speaks of git push"],
    "grant": {"tool": "run_shell", "source": "", "command": ["git", "push"]},
    "always": "run_shell with exactly the command git push",
}
TOML = '[[deny]]\ncommand = "rm"\nwhy = "Nothing is removed."\n'


async def granted(engine: Engine, seed: Seed) -> None:
    """What was asked about was allowed for good: for the run, and for the session."""
    given = {"run_shell with exactly the command git push": Scope.RUN, "write_text on a": Scope.SESSION}
    for words, scope in given.items():
        asked = await asks(seed, "tool", shown={**PUSH, "always": words})
        await engine.resolve(asked.id, ApprovalState.APPROVED, always=scope)


def custom(seed: Seed) -> Seed:
    seed.options = {**seed.options, "approval": "custom", "rules": RULES}
    seed.__post_init__()
    return seed


async def open_rules(pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: getattr(pilot.app.screen, "board", None) is not None, "the run")
    await settles(pilot)
    await pilot.press("r")
    await until(pilot, lambda: isinstance(pilot.app.screen, RulesScreen))
    await shows(pilot, "mode ")


async def test_rules_and_grants_are_listed_as_they_are_judged(make_app: Any, engine: Engine, seed: Seed) -> None:
    await granted(engine, custom(seed))
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_rules(pilot)
        await shows(pilot, "mode custom", "otherwise", "write_text on a")
        seen = text_of(app)
        listed = (
            *("deny 1", "deny 2", "ask 1", "ask 2", "always", "always", "allow 1", "allow 2"),
            "otherwise",
        )
        assert re.findall(r"(?:deny|ask|allow) \d(?=  )|always(?=  )|otherwise(?=  )", seen) == list(listed)
        assert "command rm or sudo  Nothing is removed." in seen
        assert "tool run_code, more than $2.5 spent" in seen
        await pilot.press("t", *"ls && sudo rm x")
        await shows(pilot, "deny (3 parts; the strictest counts)", "deny   sudo rm x: deny 1: Nothing is removed.")
        await shows(pilot, "ask    ls: no rule speaks of ls")
        await pilot.press("escape", "t")
        app.screen.query_one("#rules-line").value = "git push"  # type: ignore[attr-defined]
        await shows(pilot, "but allowed for good: run_shell with exactly the command git push")
        await pilot.press("escape", "escape")
        await hides(pilot, "When this run asks")


async def test_a_grant_is_taken_back_once_it_is_confirmed(make_app: Any, engine: Engine, seed: Seed) -> None:
    await granted(engine, custom(seed))
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_rules(pilot)
        await shows(pilot, "write_text on a")
        await pilot.press("x")
        await shows(pilot, "Only what was allowed for good can be taken back")
        await pilot.press(*"jjjj", "x")
        await shows(pilot, "Take this back?")
        await pilot.press("n")
        await hides(pilot, "Take this back?")
        await pilot.press("x")
        await shows(pilot, "Take this back?", "write_text on a: it is asked")
        await pilot.press("y")
        await hides(pilot, "write_text on a")
    kept = {one.words: one.revoked_by for one in await engine.grants(seed.run.id)}
    assert kept["run_shell with exactly the command git push"] is None
    assert kept["write_text on a"]


async def test_the_mode_is_changed_while_the_run_goes_on(
    make_app: Any, engine: Engine, seed: Seed, tmp_path: Path
) -> None:
    await asks(seed, "error")
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "About a error")
        await pilot.press("escape")
        await open_rules(pilot)
        await shows(pilot, "mode after_planning", "There are no rules")
        await pilot.press("t", "l", "s")
        await shows(pilot, "There are no rules to try it against.")
        await pilot.press("escape", "m")
        await until(pilot, lambda: isinstance(app.screen, ModeScreen))
        await pilot.press("j", "j", "enter")
        await shows(pilot, "mode on_error")
        await pilot.press("m", "j", "enter")
        await shows(pilot, "it cannot be read", "No such file")
        (app.settings.home / "rules.toml").write_text(TOML)
        await until(pilot, lambda: isinstance(app.screen, RulesScreen))
        await pilot.press("m", "j", "enter")
        await shows(pilot, "mode custom", "deny 1", "command rm")
    options = RunOptions.from_json((await engine.view(seed.run.id)).run.options)
    assert (options.approval, options.rules) == (
        ApprovalMode.CUSTOM,
        {"deny": [{"command": ["rm"], "why": "Nothing is removed."}]},
    )


async def test_a_run_that_is_over_keeps_its_mode_and_says_why(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_rules(pilot)
        await pilot.press("m", "k", "enter")
        await shows(pilot, "it asks nothing any more")


class RuledApp(SeededApp):
    """An app on a run with rules of its own and a grant."""

    async def _seeded(self) -> Engine:
        from tests.tui.conftest import engine_at

        engine = engine_at(self._seeded_at)
        await engine.open()
        seed = custom(Seed(engine._store, engine._blobs))  # pyright: ignore[reportPrivateUsage]
        asked = await asks(seed, "tool", shown=PUSH)
        given, at = {"always": Scope.RUN.value}, seed.pass_time(1)
        settled = SettleApproval(seed.session.id, asked.id, ApprovalState.APPROVED, "ada", at, None, given)
        await seed.store.commit(settled)
        self._seed_run = seed.run.id
        return engine


async def before_list(pilot: Pilot[Any]) -> None:
    await open_rules(pilot)
    await shows(pilot, "otherwise")
    await settles(pilot)


async def before_trying(pilot: Pilot[Any]) -> None:
    await before_list(pilot)
    await pilot.press("t", *"ls -l && sudo rm x")
    await shows(pilot, "the strictest counts")
    await settles(pilot)


async def before_mode(pilot: Pilot[Any]) -> None:
    await before_list(pilot)
    await pilot.press("m")
    await shows(pilot, "before_each_step")
    await settles(pilot)


BEFORE = {"list": before_list, "trying": before_trying, "mode": before_mode}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", BEFORE)
def test_looks(snap_compare: Compare, tmp_path: Path, name: str, size: str) -> None:
    assert snap_compare(RuledApp(tmp_path, "rules"), terminal_size=SIZES[size], run_before=BEFORE[name])


@pytest.mark.parametrize("name", BEFORE)
def test_looks_in_ascii(snap_compare: Compare, tmp_path: Path, name: str) -> None:
    app = RuledApp(tmp_path, "rules", ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=BEFORE[name])
