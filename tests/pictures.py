"""The README's pictures, taken of the shipped demo as it really runs. `make pictures` takes them anew.

The costs are not among them: the demo spends nothing.

python -m tests.pictures docs/pictures
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from cmbagent_tui.app import CockpitApp
from cmbagent_tui.commands.start import demo_beginner
from cmbagent_tui.settings import load
from cmbagent_tui.wiring import make_engine
from engine.engine import Engine
from tests.tui import looking
from tests.tui.looking import settles, shows

HOME = Path("/tmp/cmbagent")
SIZE = (120, 36)
LARGEST = 150_000  # bytes of a picture
HYPOTHESIS = "The oscillation does not begin at its largest: the phase is free."
NARROW = (84, 34)  # one pane at a time, the figure as large as there is room
# Name, keys that lead there from the picture before, what is seen by then, the size of the terminal.
PICTURES: tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[int, int]], ...] = (
    ("home", ("escape", "G", "l"), ("3 sessions", "free phase"), SIZE),
    ("run", ("enter",), ("Completed in", "7/7 steps"), SIZE),
    ("figure", ("slash", *"figure", "enter", "8", "G"), ("data/oscillator.png", "2100"), NARROW),
    ("branches", ("1", "T", "end"), ("Branches", "free phase"), SIZE),
    ("compare", ("D",), ("by how much",), SIZE),
)


def command(*words: str) -> dict[str, Any]:
    """What a command of the program prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "cmbagent_tui", *words, "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    return json.loads(done.stdout)


async def take(pilot: Pilot[Any], directory: Path, name: str) -> None:
    """Draw what is on the screen."""
    await settles(pilot)
    target = directory / f"{name}.svg"
    target.write_text(pilot.app.export_screenshot(title="cmbagent-tui"), encoding="utf-8")
    size = target.stat().st_size
    print(f"{target}  {size:,} bytes")
    if size > LARGEST:
        raise SystemExit(f"{target} is too large for the repository")


async def again(pilot: Pilot[Any], engine: Engine, title: str) -> None:
    """Give the session of the run on the screen a name of its own, and go back to the sessions."""
    await engine.rename(pilot.app.screen.board.session.id, title)
    while pilot.app.screen is not pilot.app._home:
        await pilot.press("escape")
        await pilot.pause()


async def main(directory: Path) -> None:
    """Take all pictures, of a home of their own."""
    looking.PATIENCE = 120.0  # a demo really runs
    directory.mkdir(parents=True, exist_ok=True)
    finished = command("demo", "--headless")["run_id"]
    command("branch", finished, "fit_damped", "--name", "free phase", "--hypothesis", HYPOTHESIS, "--headless")
    settings = load()
    engines: list[Engine] = []

    async def opened() -> Engine:
        engines.append(make_engine(settings))
        await engines[0].open()
        return engines[0]

    app = CockpitApp(
        opened, state_dir=settings.home / "state", settings=settings, start_demo=demo_beginner("oscillator"), guard=0.0
    )
    async with app.run_test(size=SIZE) as pilot:
        await shows(pilot, "1 session")
        await pilot.press("d")
        await shows(pilot, "Shall this run?")
        await take(pilot, directory, "approval")
        await pilot.press("escape")
        await again(pilot, engines[0], "With the phase of the clock in doubt")
        await shows(pilot, "2 sessions")
        await pilot.press("d")
        await shows(pilot, "Shall this run?")
        await pilot.press("escape")
        await again(pilot, engines[0], "The same pendulum in air and in oil")
        await shows(pilot, "3 sessions")
        await pilot.press("A")
        await shows(pilot, "2 approvals waiting")
        await take(pilot, directory, "inbox")
        await pilot.press("escape")
        for name, keys, then, size in PICTURES:
            await pilot.resize_terminal(*size)
            for key in keys:
                await pilot.press(key)
                await settles(pilot)
            await shows(pilot, *then)
            await take(pilot, directory, name)
        for run_id in engines[0].active():
            await engines[0].cancel(run_id)
    await engines[0].close()


if __name__ == "__main__":
    for variable in [one for one in os.environ if one.startswith(("OPENAI", "ANTHROPIC", "GEMINI", "CMBAGENT"))]:
        del os.environ[variable]
    HOME.mkdir()  # it is seen in the pictures: one that is there already is not touched
    try:
        os.environ |= {"CMBAGENT_HOME": str(HOME), "TEXTUAL_THEME": "cmbagent-dark"}
        asyncio.run(main(Path(sys.argv[1])))
    finally:
        shutil.rmtree(HOME)
