"""The detail pane on a real store: every tab by keyboard, live, and what of it can be taken elsewhere."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from cmbagent_tui.clipboard import sequences
from cmbagent_tui.screens.attempts import AttemptsScreen
from cmbagent_tui.widgets.dag.view import DagView
from cmbagent_tui.widgets.detail.prose import Prose
from cmbagent_tui.widgets.detail.view import NodeDetail
from engine.engine import Engine
from engine.model.events import Delta, EventKind, Phase
from engine.model.records import RunView
from tests.tui.detail_seed import MARKDOWN, again, png, ran, recorded, say, tried_twice, wrote
from tests.tui.looking import hides, shows, text_of, until
from tests.tui.seed import Seed

WIDE = (140, 50)


async def data_runs(seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data", end=False)


def choose(app: Any, seed: Seed, step: str) -> None:
    app.screen.query_one(DagView).select(seed.nodes[step].id, by_hand=True)


def publish(engine: Engine, delta: Delta) -> None:
    engine._hub.publish([delta])  # pyright: ignore[reportPrivateUsage]


async def test_messages_are_a_rendered_conversation(make_app: Any, seed: Seed) -> None:
    await data_runs(seed)
    await say(seed, "data", "user", "Fit the *damped* model, please.")
    await say(seed, "data", "assistant", MARKDOWN, "engineer")
    await say(seed, "data", "tool", "**not** markdown\n  kept as it is")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("9", "g")
        await shows(pilot, "engineer  assistant", "user  07:08:2", "Fit the damped model, please.")
        await shows(pilot, "The fit converged; gamma is 0.137:", "2. fit", "• two parameters", "undamped  311.0  48")
        await pilot.press("G")
        await shows(pilot, "**not** markdown", "  kept as it is")


async def test_a_new_message_is_followed_and_one_that_is_read_stays(make_app: Any, seed: Seed) -> None:
    await data_runs(seed)
    await say(seed, "data", "assistant", "\n\n".join(f"paragraph {number}" for number in range(60)))
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("9")
        await shows(pilot, "paragraph 59")
        await say(seed, "data", "assistant", "and one more")
        await shows(pilot, "and one more")
        await pilot.press("g")
        await shows(pilot, "paragraph 0")
        await say(seed, "data", "assistant", "the very last")
        await pilot.pause(1)
        assert "paragraph 0" in text_of(app) and "the very last" not in text_of(app)


async def test_the_end_stays_in_sight_when_the_pane_shrinks(make_app: Any, seed: Seed) -> None:
    await data_runs(seed)
    await say(seed, "data", "assistant", "\n\n".join(f"paragraph {number}" for number in range(60)))
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("9")
        await shows(pilot, "paragraph 59")
        await pilot.resize_terminal(WIDE[0], WIDE[1] - 12)
        await shows(pilot, "paragraph 59")
        await hides(pilot, "paragraph 48")
        await pilot.press("g")
        await shows(pilot, "paragraph 0")
        await pilot.resize_terminal(*WIDE)
        await shows(pilot, "paragraph 0", "paragraph 9")


async def test_the_models_words_come_in_as_markdown_and_the_codes_as_they_are(
    make_app: Any, seed: Seed, engine: Engine
) -> None:
    await data_runs(seed)
    app = make_app(seed.run.id)
    node = seed.nodes["data"]
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("9")
        await shows(pilot, "I write the code and run it.")
        publish(engine, Delta(seed.run.id, node.id, "call", "Now **that** is"))
        await shows(pilot, "the model is writing", "Now that is")
        run = await seed._event(EventKind.CODE_EXEC, "fit.py", {"command": "python fit.py"}, "data", Phase.START)
        publish(engine, Delta(seed.run.id, node.id, run.id, "epoch **1** of 9\n"))
        await hides(pilot, "the model is writing")
        assert "epoch" not in text_of(app)
        await pilot.press("7")
        await shows(pilot, "printing now", "epoch **1** of 9")
        done = {"exit": 0, "seconds": 1.0, "stdout": "epoch **1** of 9\nall done\n", "stderr": ""}
        await seed._event(EventKind.CODE_EXEC, "fit.py", done, "data", Phase.END, span=run.id)
        await shows(pilot, "exit 0", "all done")
        await hides(pilot, "printing now")


async def test_a_stream_that_began_before_the_screen_was_opened_is_known_for_what_it_is(
    make_app: Any, seed: Seed, engine: Engine
) -> None:
    await data_runs(seed)
    run = await seed._event(EventKind.CODE_EXEC, "fit.py", {"command": "python fit.py"}, "data", Phase.START)
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("7")
        publish(engine, Delta(seed.run.id, seed.nodes["data"].id, run.id, "epoch 1\n"))
        await shows(pilot, "printing now", "epoch 1")


async def test_a_long_output_is_whole_and_its_end_is_seen_first(make_app: Any, seed: Seed) -> None:
    await data_runs(seed)
    await ran(seed, "data", "".join(f"line {number}\n" for number in range(50_000)))
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("7")
        await shows(pilot, "line 49999")
        await pilot.press("g")
        await shows(pilot, "gamma = 0.1371", "line 3")
        await pilot.press("space")
        await hides(pilot, "line 3 ")
        assert app.screen.query_one("#prose", Prose).virtual_size.height > 50_000


async def test_escapes_in_an_output_are_not_obeyed(make_app: Any, seed: Seed) -> None:
    await data_runs(seed)
    await ran(seed, "data", "\x1b[31mred\x1b[0m \x1b]2;owned\x07 50%\r100% [bold]b[/bold]\x9b2J \u202egnp\n")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("7")
        await shows(pilot, "red 2;owned 50%", "100% [bold]b[/bold] gnp")


async def test_a_name_that_is_an_escape_is_shown_and_not_obeyed(make_app: Any, seed: Seed) -> None:
    await data_runs(seed)
    await wrote(seed, "data", "codebase/\x1b]2;owned\x07\u202eevil[b].py", "code", b"print(1)\n")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        for key in ("6", "8", "4"):
            await pilot.press(key)
            await shows(pilot, "2;ownedevil[b].py" if key != "4" else "Attempt 1")
            assert not {"\x1b", "\x07", "\u202e"} & set(text_of(app))


async def test_an_unchecked_step_says_so(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        await pilot.press("4")
        choose(app, seed, "data")
        await shows(pilot, "✓ 1 of 1 passed")
        choose(app, seed, "terminator")
        await shows(pilot, "none: nothing to check")
        unchecked = seed.plan.model_copy(
            update={"steps": tuple(one.model_copy(update={"checks": ()}) for one in seed.plan.steps)}
        )
    other = Seed(seed.store, seed.blobs, number=2, plan=unchecked)
    await other.approve()
    app = make_app(other.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "executing")
        await pilot.press("4")
        choose(app, other, "report")
        await shows(pilot, "unchecked  its own word is all there is", "began    not yet")


async def test_the_summary_reads_the_node_and_not_the_run(
    make_app: Any, seed: Seed, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await data_runs(seed)
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data", "I write the code", "Attempt 1")

        async def never(_: str) -> RunView:
            raise AssertionError("the whole run was read again")

        monkeypatch.setattr(engine, "view", never)
        await seed.end_node("data", "The data are **there**.")
        await shows(pilot, "The data are there.", "✓ completed")
        for key in ("5", "6", "7", "8", "9", "J"):
            await pilot.press(key)
        await shows(pilot, "No answer was recorded yet.")


async def test_the_journal_tells_what_is_known(make_app: Any, seed: Seed) -> None:
    await data_runs(seed)
    await recorded(seed, "data", 1, replayed=True, answer={"text": "[b]I[/b] begin"})
    await recorded(seed, "data", 2, kind="tool", name="run_code", answer=None)
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("J")
        await shows(pilot, "1 ✓ engineer  model openai:gpt-5", "answered, replayed", "2 ◉ engineer  tool run_code")
        await shows(pilot, "Fit the damped model, please.  1,200 characters", '"text": "[b]I[/b] begin"')
        await seed.end_node("data", "lost", error="its process died")
        await shows(pilot, "2 ◆ engineer  tool run_code", "outcome unknown")
        await pilot.press("down")
        await shows(pilot, "it began, and how it ended")


async def test_pictures_and_tables_are_previewed(make_app: Any, seed: Seed) -> None:
    pytest.importorskip("PIL")
    await data_runs(seed)
    await wrote(seed, "data", "a.png", "figure", png(64, 48))
    await wrote(seed, "data", "b.csv", "data", b"name,note\n" + b"".join(b"row %d,[i]x[/i]\n" % n for n in range(1500)))
    await wrote(seed, "data", "c.md", "text", b"# Head\n\ntext *here*\n")
    await wrote(seed, "data", "z.bin", "other", b"\0\1\2")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("8")
        await shows(pilot, "a.png", "▀▀▀▀", "64 x 48 pixels", "by engineer", "sha256 ")
        await pilot.press("down")
        await shows(pilot, "name     note", "row 7    [i]x[/i]")
        await pilot.press("ctrl+d")
        await hides(pilot, "row 7 ")
        await pilot.press("down")
        await shows(pilot, "text here")
        await pilot.press("G")
        await shows(pilot, "not text, 3 B. Press o")


async def test_a_picture_in_ascii_is_of_characters(make_app: Any, seed: Seed) -> None:
    pytest.importorskip("PIL")
    await data_runs(seed)
    await wrote(seed, "data", "a.png", "figure", png(64, 48))
    app = make_app(seed.run.id, ascii_only=True)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "> ", "data")
        await pilot.press("8")
        await shows(pilot, "64 x 48 pixels", "@@@@")
        assert text_of(app).isascii()


@pytest.mark.parametrize("tmux", [False, True])
async def test_copying_asks_the_terminal_and_leaves_a_file(
    make_app: Any, seed: Seed, monkeypatch: pytest.MonkeyPatch, tmux: bool
) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default,1,0" if tmux else "")
    await data_runs(seed)
    app = make_app(seed.run.id)
    written: list[str] = []
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        monkeypatch.setattr(app._driver, "write", written.append)
        await pilot.press("8")
        await shows(pilot, "def model")
        await pilot.press("y")
        await shows(pilot, "Copied", "copied.txt")
        copied = (app.state_dir / "copied.txt").read_text()
        assert "def model(t: np.ndarray" in copied
        assert sequences(copied, tmux=tmux) in "".join(written)
        await pilot.press("9", "y")
        await until(pilot, lambda: "I write the code" in (app.state_dir / "copied.txt").read_text())


def test_what_asks_a_terminal_to_copy() -> None:
    said = base64.b64encode("grüße".encode()).decode()
    assert sequences("grüße", tmux=False) == f"\x1b]52;c;{said}\x07"
    inside = sequences("grüße", tmux=True)
    assert inside == f"\x1b]52;c;{said}\x07\x1bPtmux;\x1b\x1b]52;c;{said}\x07\x1b\\"


async def test_what_is_too_long_for_the_clipboard_is_in_the_file(make_app: Any, seed: Seed) -> None:
    await data_runs(seed)
    await ran(seed, "data", "".join(f"line {number}\n" for number in range(20_000)))
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("7")
        await shows(pilot, "line 19999")
        await pilot.press("y")
        await shows(pilot, "too much for the terminal's clipboard")
    assert "line 19999" in (app.state_dir / "copied.txt").read_text()


@pytest.mark.parametrize(("key", "variable"), [("o", "PAGER"), ("E", "VISUAL")])
async def test_a_text_opens_whole_in_the_pager_or_the_editor(
    make_app: Any, seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, variable: str
) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\ncat "$1" > {seen}\n')
    program.chmod(0o700)
    monkeypatch.setenv("PAGER", "/bin/false")
    monkeypatch.setenv("VISUAL", "/bin/false")
    monkeypatch.setenv(variable, str(program))
    await data_runs(seed)
    for number in range(320):
        await say(seed, "data", "assistant", f"message {number}")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("9")
        await shows(pilot, "message 319")
        await pilot.press("g")
        await shows(pilot, "Earlier messages are left out")
        await pilot.press(key)
        await until(pilot, lambda: seen.exists() and "message 319" in seen.read_text())
    assert "message 0\n" in seen.read_text() and "left out" not in seen.read_text()


async def test_two_attempts_are_compared(make_app: Any, seed: Seed) -> None:
    await tried_twice(seed)
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "executing")
        choose(app, seed, "data")
        await pilot.press("1", "D")
        await shows(pilot, "data: attempt 1 and attempt 2", "Attempt 1", "Attempt 2", "failed", "completed")
        await shows(pilot, "chi2 is sane", "+ The data are there now.", "- the file is not there")
        await shows(pilot, "codebase/data.py", "changed", "data/more.csv", "new", "data/oscillation.csv", "the same")
        await pilot.press("G")
        await shows(pilot, '+ print("other")', "- import numpy as np")
        await pilot.press("l")
        await shows(pilot, "no other attempt")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, AttemptsScreen))
        choose(app, seed, "report")
        await pilot.press("D")
        await shows(pilot, "was not tried twice")


async def test_of_three_attempts_any_two_neighbours_are_compared(make_app: Any, seed: Seed) -> None:
    await tried_twice(seed)
    await again(seed, "data")
    await seed.run_node("data")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "executing")
        choose(app, seed, "data")
        await pilot.press("D")
        await shows(pilot, "attempt 2 and attempt 3")
        await pilot.press("h")
        await shows(pilot, "attempt 1 and attempt 2")


async def test_a_tab_is_read_again_only_when_it_concerns_it(
    make_app: Any, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await data_runs(seed)
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("8")
        await shows(pilot, "def model")
        loads: list[str] = []
        detail = app.screen.query_one(NodeDetail)
        load = detail._load
        monkeypatch.setattr(detail, "_load", lambda: (loads.append(detail.tab), load()))
        await say(seed, "data", "assistant", "nothing about files")
        await until(pilot, lambda: app.screen.board.last_seq == seed_seq(app))
        await pilot.pause(1)
        assert not loads
        await wrote(seed, "data", "z.txt", "text", b"new\n")
        await shows(pilot, "z.txt")


def seed_seq(app: Any) -> int:
    return app.screen.board.last_seq
