"""What was spent: summed by session, run, step, agent, model or day, with bars, over time, and what is left."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from cmbagent_tui.bars import bar
from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.messages import RowHighlighted, RowOpened
from cmbagent_tui.state import costs
from cmbagent_tui.state.costs import Scope
from cmbagent_tui.widgets.costs import CostGraph, CostRows
from cmbagent_tui.work import begin, keep_reading
from engine.model.errors import CockpitError
from engine.model.spending import Budget, Grouping, Spending

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine import Engine

_PACE = 3.0  # seconds between two readings, while it is looked at
_BUDGET = 20  # cells of a budget's bar
_GROUPINGS = tuple(Grouping)


class CostsScreen(Screen[None]):
    """Reads again every few seconds, since runs go on spending behind it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "next_group(1)", "By the next", id="costs.next", tooltip="Sum by the next: run, step …"),
        Binding("left,h", "next_group(-1)", "By", show=False, id="costs.last", tooltip="Sum by the one before"),
        *(
            Binding(
                str(number),
                f"group('{one.value}')",
                one.value.capitalize(),
                show=False,
                id=f"costs.by_{one.value}",
                tooltip=f"Sum by {one.value}",
            )
            for number, one in enumerate(_GROUPINGS, 1)
        ),
        Binding("w", "widen", "Wider", id="costs.widen", tooltip="Costs of the run, of its session, of all sessions"),
        Binding("escape", "back", "Back", id="costs.back", tooltip="Back to where you were"),
    ]
    AUTO_FOCUS = "#costs-lines"

    app: CockpitApp

    def __init__(self, engine: Engine, scopes: tuple[Scope, ...], *, ascii_only: bool = False) -> None:
        """`scopes` are what one came from first, and everything last."""
        super().__init__()
        self._engine = engine
        self._scopes = scopes
        self._at = 0
        self._chosen: Grouping | None = None  # by hand
        self._ascii = ascii_only
        self._found: Spending | None = None

    def compose(self) -> ComposeResult:
        yield Static("", id="costs-title", markup=False)
        yield Static("", id="costs-groups", markup=False)
        with Vertical(id="costs-whole"):
            yield Static("reading", id="costs-total", markup=False)
            yield Static("", id="costs-budget", markup=False)
            yield CostGraph(ascii_only=self._ascii)
        yield CostRows(ascii_only=self._ascii)
        yield Static("", id="costs-about", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one("#costs-budget").display = False
        self._ask()

    def on_screen_resume(self) -> None:
        self.app.set_title("costs")

    @property
    def _scope(self) -> Scope:
        return self._scopes[self._at]

    @property
    def _by(self) -> Grouping:
        return self._chosen or costs.first_grouping(self._scope.matching)

    # Reading

    def _ask(self) -> None:
        """Something else is wanted: say what, and read it."""
        title = Content.assemble(("Costs", "bold $text-primary"), (f"  {self._scope.words}", "$foreground 58%"))
        self.query_one("#costs-title", Static).update(title)
        self.query_one("#costs-groups", Static).update(_groups(self._by))
        self._found = None
        begin(self, partial(keep_reading, self, self._read, _PACE), "read", exclusive=True)

    async def _read(self) -> None:
        try:
            found = await self._engine.spending(self._by, self._scope.matching)
        except CockpitError as error:
            self._found = None
            self.query_one("#costs-total", Static).update(f"The costs cannot be read: {error.cause} {error.hint}")
            return
        if found == self._found:
            return
        self._found = found
        spent = bool(found.total.cost.calls)
        self.query_one("#costs-total", Static).update(
            Content.styled(costs.amounts(found.total), "bold") if spent else "Nothing was spent."
        )
        line = self.query_one("#costs-budget", Static)
        line.display = found.budget is not None
        if found.budget is not None:
            line.update(_budget(found.budget, ascii_only=self._ascii))
        graph = self.query_one(CostGraph)
        graph.set_class(not spent, "-empty")
        graph.show(found)
        self.query_one(CostRows).show(found, with_run=self._scope.matching.run_id is None)
        self._tell()

    def on_row_highlighted(self, _: RowHighlighted) -> None:
        self._tell()

    def _tell(self) -> None:
        """Say all of the line under the cursor."""
        rows = self.query_one(CostRows)
        about = self.query_one("#costs-about", Static)
        if not rows.count:
            about.update("")
            return
        spent, line = rows.spent(), rows.chosen
        more = [costs.left(line.budget)] if line and line.budget else []
        if vain := costs.in_vain(spent):
            more.append(vain)
        about.update(
            Content.assemble(
                (rows.label(), "bold"),
                (f"\n{costs.amounts(spent)}", STYLES[Tone.MUTED]),
                (f"\n{', '.join(more)}" if more else "", STYLES[Tone.WAITING]),
            )
        )

    # Keys

    def action_group(self, by: str) -> None:
        """Sum by something else."""
        self._chosen = Grouping(by)
        self._ask()

    def action_next_group(self, step: int) -> None:
        """Sum by what comes next."""
        self.action_group(_GROUPINGS[(_GROUPINGS.index(self._by) + step) % len(_GROUPINGS)].value)

    def action_widen(self) -> None:
        """From the run to its session to everything, and back."""
        if len(self._scopes) == 1:
            self.notify("These are the costs of all sessions already.", markup=False)
            return
        self._at = (self._at + 1) % len(self._scopes)
        self._ask()

    def on_row_opened(self, _: RowOpened) -> None:
        rows = self.query_one(CostRows)
        line = rows.chosen
        if line is not None and line.run_id is not None:
            self.app.open_run(line.run_id, line.key if rows.by is Grouping.STEP else None)
        elif line is not None and rows.by is Grouping.SESSION:
            self._scopes = (costs.of_session(line.key, line.title), self._scopes[-1])
            self._at, self._chosen = 0, None
            self._ask()
        else:
            self.notify("There is nothing to open here: only a session, a run or a step can be.", markup=False)

    def action_back(self) -> None:
        """Back to where one was."""
        self.dismiss(None)


def _groups(shown: Grouping) -> Content:
    parts: list[Content] = []
    for number, one in enumerate(_GROUPINGS, 1):
        on = one is shown
        key = (str(number), "bold $text-accent" if on else STYLES[Tone.MUTED])
        parts.append(Content.assemble(key, (f" {one.value}", "bold underline" if on else STYLES[Tone.MUTED])))
    return Content("  ").join(parts)


def _budget(budget: Budget, *, ascii_only: bool) -> Content:
    used, of = max(budget.parts.values(), key=lambda part: part[0] / max(1, part[1]))  # what is scarcest
    drawn = bar(used, of, _BUDGET, ascii_only=ascii_only)
    tone = Tone.OK if used < of else Tone.FAILED
    rest = ("-" if ascii_only else "─") * (_BUDGET - len(drawn))
    return Content.assemble((costs.left(budget), STYLES[tone]), "  ", (drawn, "$primary"), (rest, STYLES[Tone.MUTED]))


def scopes_of(screen: Screen[object]) -> tuple[Scope, ...]:
    """Whose costs are meant on a screen."""
    from cmbagent_tui.screens.home import HomeScreen
    from cmbagent_tui.screens.run import RunScreen

    return screen.scopes() if isinstance(screen, HomeScreen | RunScreen) else (costs.OF_ALL,)
