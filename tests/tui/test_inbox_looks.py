"""How the inbox of approvals looks, and a dialog with a deadline: `pytest --snapshot-update` after a look."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.engine import Engine
from engine.model.records import ApprovalState
from tests.tui.looking import settles, shows
from tests.tui.seed import START, Seed
from tests.tui.test_inbox import INSTALL, asks
from tests.tui.test_snapshots import SIZES, Compare, SeededApp

KEYS: dict[str, tuple[tuple[str, ...], str]] = {
    "inbox": (("A",), "6 approvals waiting"),
    "call": (("A", "enter"), "unless you answer"),
}
LOOKS = {"wide": (SIZES["wide"], False), "narrow": (SIZES["narrow"], False), "ascii": (SIZES["narrow"], True)}


class AskingApp(SeededApp):
    """The sessions of the home screen, and one in which there is a question of every kind."""

    def __init__(self, home: Path, *, ascii_only: bool) -> None:
        super().__init__(home, "home", ascii_only=ascii_only)

    async def _seeded(self) -> Engine:
        engine = await super()._seeded()
        options = {"budget_micro": 2_500_000}
        seed = Seed(engine._store, engine._blobs, title="How old is M67?", number=4, options=options)  # pyright: ignore[reportPrivateUsage]
        end = START + timedelta(seconds=342)
        await asks(seed, "tool", shown=INSTALL, deadline_at=end, on_expiry=ApprovalState.REJECTED)
        await asks(seed, "error", "fit_damped")
        await asks(seed, "question", "report", deadline_at=START + timedelta(seconds=130))
        await asks(seed, "step", "compare")
        return engine


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", KEYS)
def test_looks(snap_compare: Compare, tmp_path: Path, name: str, look: str) -> None:
    size, ascii_only = LOOKS[look]
    keys, then = KEYS[name]

    async def before(pilot: Pilot[Any]) -> None:
        await shows(pilot, "4 sessions", "6 approvals waiting")
        for key in keys:
            await pilot.press(key)
            await settles(pilot)
        await shows(pilot, then)

    assert snap_compare(AskingApp(tmp_path, ascii_only=ascii_only), terminal_size=size, run_before=before)
