"""How the DAG pane looks: `pytest --snapshot-update` after a look at the report when it changes on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.scrollbar import ScrollBar

from cmbagent_tui.widgets.plain import PlainScrollBar
from engine.model.checked import Checked
from engine.model.records import EdgeKind, NodeKind
from engine.model.states import StepState
from tests.tui.dag_boards import DagApp, board_of, many, step
from tests.tui.looking import settles, until

Compare = Callable[..., bool]
SIZES = {"wide": (120, 40), "narrow": (80, 24)}
DONE, FAILED = StepState.COMPLETED, StepState.FAILED


def survey() -> DagApp:
    """A plan with every state, every kind of edge, and sub-agents."""
    nodes = [
        step("planning", 0, DONE, title="Make a plan", kind=NodeKind.PLANNING),
        step("approval", 1, DONE, title="Approve the plan", kind=NodeKind.APPROVAL),
        step("catalogue", 2, DONE, title="Read the catalogue of lenses"),
        step("planck", 3, DONE, title="Fetch the Planck likelihood"),
        step("clean", 4, FAILED, title="Remove stars and artefacts", error="no table"),
        step("shear", 5, StepState.RUNNING, title="Measure the shear"),
        step("kappa", 6, StepState.WAITING_APPROVAL, title="Reconstruct the convergence"),
        step("spectra", 7, StepState.PAUSED, title="Estimate the spectra"),
        step("fit", 8, title="Fit sigma8 and Omega_m"),
        step("tests", 9, StepState.SKIPPED, title="Null tests"),
        step("figure", 10, StepState.CANCELLED, title="Draw the contours"),
        step("report", 11, title="Write the report"),
        step("terminator", 12, title="Gather the results", kind=NodeKind.TERMINATOR),
        *(
            step(f"shear.{name}", 20 + place, state, kind=NodeKind.SUB_AGENT, parent_node_id="shear", depth=1)
            for place, (name, state) in enumerate(
                [("engineer", DONE), ("executor", StepState.RUNNING), ("critic", StepState.PENDING)]
            )
        ),
    ]
    edges = [
        ("planning", "approval"), ("approval", "catalogue"), ("approval", "planck"), ("catalogue", "clean"),
        ("catalogue", "shear"), ("shear", "kappa"), ("shear", "spectra"), ("kappa", "fit"), ("spectra", "fit"),
        ("planck", "fit"), ("shear", "tests"), ("fit", "figure"), ("fit", "report"), ("figure", "report"),
        ("tests", "report"), ("report", "terminator"),
    ]  # fmt: skip
    kinds = {"tests": EdgeKind.OPTIONAL, "clean": EdgeKind.CONDITIONAL}
    board = board_of(nodes, edges, kinds)
    board.cards["shear"].attempt = 2
    board.cards["catalogue"].checked = Checked()
    board.cards["planck"].checked = Checked(held=2, waived=1)
    return DagApp(board, "shear")


def press(*keys: str) -> Any:
    async def before(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, DagApp)
        await until(pilot, lambda: app.dag.drawn)
        for key in keys:
            await settles(pilot)
            await pilot.press(key)
        await settles(pilot)

    return before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [(), ("space",), ("z",)], ids=["all", "unfolded", "near"])
def test_looks(snap_compare: Compare, size: str, keys: tuple[str, ...]) -> None:
    assert snap_compare(survey(), terminal_size=SIZES[size], run_before=press(*keys))


def test_looks_in_ascii(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScrollBar, "renderer", PlainScrollBar)
    app = DagApp(survey().board, "shear", ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=press("space"))


def test_a_thousand_steps_with_the_map(snap_compare: Compare) -> None:
    assert snap_compare(DagApp(many(1000, 8), "s0402"), terminal_size=SIZES["wide"], run_before=press("m"))
