"""The rules screen: what a run asks about, by which rules and grants, in the order in which they are judged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.messages import RowHighlighted, RowOpened
from cmbagent_tui.options import RULES_FILE, rules_for
from cmbagent_tui.screens.confirm import ConfirmScreen
from cmbagent_tui.state.rules import MODES, rulings, tried
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.widgets.rule_rows import ModeRows, RuleRows
from cmbagent_tui.work import begin
from engine.model.errors import CockpitError
from engine.model.grants import Grant
from engine.model.options import ApprovalMode, RunOptions
from engine.policy import Rules, read_rules

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine import Engine

_HINT = "a shell command; path:data/x.csv, tool:write_text or agent:engineer before it say more"


class RulesScreen(ModalScreen[None]):
    """The rules and grants of a run. A grant can be taken back, a command can be tried, the mode can be changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t,slash", "try_line", "Try", id="rules.try", tooltip="Try a command or a path against the rules"),
        Binding("x,delete", "revoke", "Revoke", id="rules.revoke", tooltip="Take back what was allowed for good"),
        Binding("m", "mode", "Mode", id="rules.mode", tooltip="Change when the run asks"),
        Binding("escape,q", "close", "Close", id="rules.close", tooltip="Leave the line, or go back"),
    ]
    AUTO_FOCUS = "#rules-list"

    app: CockpitApp

    def __init__(self, engine: Engine, run_id: str, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._engine, self._run_id, self._ascii = engine, run_id, ascii_only
        self._mode = ApprovalMode.NONE
        self._rules: Rules | None = None
        self._grants: list[Grant] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="rules", classes="dialog"):
            yield Static("When this run asks", classes="dialog-title", markup=False)
            yield Static("", id="rules-mode", markup=False)
            yield RuleRows(ascii_only=self._ascii)
            with VerticalScroll(id="rules-about", can_focus=False):
                yield Static("", id="rules-said", markup=False)
            yield Input(placeholder=_HINT, id="rules-line", compact=True)
            yield KeyLine(("t", "try"), ("x", "take back"), ("m", "mode"), ("esc", "close"))

    def on_mount(self) -> None:
        self.query_one("#rules-line").display = False
        begin(self, self._read, "read", exclusive=True)

    async def _read(self) -> None:
        """Read the run's mode, its rules or those of the home, and its grants."""
        options = RunOptions.from_json((await self._engine.view(self._run_id, files=False)).run.options)
        self._mode = options.approval
        self._grants = await self._engine.grants(self._run_id)
        self._rules = await asyncio.to_thread(self._rules_of, options)
        self.query_one(RuleRows).renew(rulings(self._rules, self._grants))
        self._tell_mode()
        self._tell()

    def _rules_of(self, options: RunOptions) -> Rules | None:
        """The run's own rules; those that the mode custom would bring, where it has another mode.

        Raises:
            UsageError: they say something that cannot be.
        """
        if options.approval is ApprovalMode.CUSTOM:
            return Rules.parse(options.rules or {})
        file = self.app.settings.home / RULES_FILE
        return read_rules(file) if file.is_file() else None

    def _tell_mode(self) -> None:
        what = dict(MODES)[self._mode]
        parts = [("mode ", "$foreground 58%"), (self._mode.value, "bold $text-accent"), (f"  {what}", "")]
        if self._mode is not ApprovalMode.CUSTOM:
            some = bool(self._rules or self._grants)
            rest = "These count in the mode custom." if some else f"There are no rules: {RULES_FILE} would hold them."
            parts.append((f"\n{rest}", STYLES[Tone.WAITING]))
        self.query_one("#rules-mode", Static).update(Content.assemble(*parts))

    def _tell(self) -> None:
        """All of what the cursor is on."""
        one = self.query_one(RuleRows).chosen
        if one is None:
            self._say(("Nothing is denied, asked about or allowed here.", Tone.MUTED))
        elif one.grant is not None:
            given = f"{one.why}, {one.grant.given_at:%Y-%m-%d %H:%M}. It counts where it would be asked."
            self._say((one.what, Tone.PLAIN), (given, Tone.MUTED))
        else:
            self._say((f"{one.name}: {one.what}", Tone.PLAIN), *([(one.why, Tone.MUTED)] if one.why else []))

    def _say(self, *lines: tuple[str, Tone]) -> None:
        parts = [(f"{text}\n", STYLES[tone]) for text, tone in lines]
        self.query_one("#rules-said", Static).update(Content.assemble(*parts))
        self.query_one("#rules-about").scroll_home(animate=False)

    def on_row_highlighted(self, message: RowHighlighted) -> None:
        message.stop()
        self._tell()

    # Trying

    def on_row_opened(self, message: RowOpened) -> None:
        self._tell()

    def action_try_line(self) -> None:
        """Write a line to try."""
        line = self.query_one("#rules-line", Input)
        line.display = True
        line.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if not event.input.display or not event.value.strip():
            self._tell()
        elif self._rules is None:
            self._say(("There are no rules to try it against.", Tone.WAITING))
        else:
            self._say(*tried(self._rules, self._grants, event.value).said)

    # Keys

    @work(group="rules")
    async def action_revoke(self) -> None:
        """Ask, and take back the grant under the cursor."""
        one = self.query_one(RuleRows).chosen
        if one is None or one.grant is None:
            said = f"Only what was allowed for good can be taken back here: {RULES_FILE} holds the rules."
            self._say((said, Tone.WAITING))
            return
        sure = ConfirmScreen("Take this back?", f"{one.what}: it is asked about again, from the next call on.")
        if await self.app.push_screen_wait(sure):
            try:
                await self._engine.revoke(one.grant.id)
            except CockpitError as error:
                self.app.complain(error)
            await self._read()

    @work(group="rules")
    async def action_mode(self) -> None:
        """Choose when the run asks, and have it do so from now on."""
        mode = await self.app.push_screen_wait(ModeScreen(self._mode, ascii_only=self._ascii))
        if mode is None or mode is self._mode:
            return
        try:
            rules = await asyncio.to_thread(rules_for, self.app.settings, mode, None)
            await self._engine.set_mode(self._run_id, mode, rules=rules)
            await self._read()
        except CockpitError as error:
            self._say((str(error), Tone.FAILED))

    def action_close(self) -> None:
        """Leave the line, or the screen."""
        line = self.query_one("#rules-line", Input)
        if line.display:
            line.display = False
            self.query_one(RuleRows).focus()
            self._tell()
        else:
            self.dismiss(None)


class ModeScreen(ModalScreen[ApprovalMode | None]):
    """The modes, with what is asked in each; None: the run goes on asking as it does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,m", "leave", "Leave", id="mode.leave", tooltip="Leave it as it is"),
    ]
    AUTO_FOCUS = "#modes-list"

    def __init__(self, now: ApprovalMode, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._now, self._ascii = now, ascii_only

    def compose(self) -> ComposeResult:
        with Vertical(id="modes", classes="dialog"):
            yield Static("When shall it ask, from now on?", classes="dialog-title", markup=False)
            yield ModeRows(self._now, ascii_only=self._ascii)
            yield KeyLine(("enter", "choose"), ("esc", "leave it"))

    def on_mount(self) -> None:
        self.query_one(ModeRows).go([mode for mode, _ in MODES].index(self._now))

    def on_row_opened(self, message: RowOpened) -> None:
        message.stop()
        self.dismiss(MODES[message.index][0])

    def action_leave(self) -> None:
        """Close, and change nothing."""
        self.dismiss(None)
