"""A new session: the task in as many lines as it takes, how it is worked on, and with which files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static, TextArea

from cmbagent_tui import words
from cmbagent_tui.state.form import Drafts, NewSession, problems
from cmbagent_tui.widgets.choice import Choice
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.work import begin
from engine.model.errors import CockpitError, UsageError
from engine.model.options import ApprovalMode
from engine.model.records import Mode
from engine.model.text import one_line
from engine.runs.attaching import check_names, size_of_file

_PAUSE = 0.3  # seconds without a key after which all is looked at and kept
# What each mode does, in a few words; the first is the one that is chosen.
MODES = (
    (Mode.PLANNING_CONTROL.value, "a plan first, then its steps"),
    (Mode.ONE_SHOT.value, "one agent, no plan: for a task of one step"),
)
APPROVALS = (
    (ApprovalMode.AFTER_PLANNING.value, "you approve the plan before it runs"),
    (ApprovalMode.NONE.value, "nothing is asked"),
)


_to = partial(Binding, description="", show=False, priority=True)


class NewSessionScreen(ModalScreen[str | None]):
    """The form. It closes with the id of the run that it began, or with None: what was written is kept for the next."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r,f5", "start", "Start", id="new.start", tooltip="Start the session", key_display="^r"),
        Binding("escape", "aside", "Not now", id="new.aside", tooltip="Go back; what is written is kept"),
        # Taken before the field sees it: else what is typed right behind it would still go into the field that is left.
        _to("tab", "app.focus_next", id="new.next", tooltip="To the next field"),
        _to("shift+tab", "app.focus_previous", id="new.last", tooltip="To the field before"),
    ]

    def __init__(
        self,
        drafts: Drafts,
        first: NewSession,
        roles: Sequence[str],
        model: str,
        start: Callable[[NewSession], Awaitable[str]],
        *,
        ascii_only: bool = False,
    ) -> None:
        """`first` is what an empty form holds, `roles` who may have a model of its own, `model` the one that is used
        when none is named. `start` begins the run and gives its id; it raises CockpitError when it cannot."""
        super().__init__()
        self._drafts, self._first, self._start_run = drafts, first, start
        self._roles, self._model, self._ascii = roles, model, ascii_only
        self._tried = self._starting = False
        self._files_wrong = ""

    def compose(self) -> ComposeResult:
        first, area = self._first, partial(TextArea, show_line_numbers=False, tab_behavior="focus", compact=True)
        with Vertical(classes="dialog", id="new-session"):
            yield Label("What is to be found out?", classes="dialog-title", markup=False)
            yield area(first.task, id="task")
            yield Static("", id="task-said", classes="said", markup=False)
            with VerticalScroll(id="new-fields", can_focus=False):
                with Horizontal(classes="field"):
                    yield Label("mode", markup=False)
                    yield Choice(MODES, first.mode, id="choose-mode", ascii_only=self._ascii)
                with Horizontal(classes="field"):
                    yield Label("approval", markup=False)
                    yield Choice(APPROVALS, first.approval, id="choose-approval", ascii_only=self._ascii)
                for name, hint in (
                    ("model", self._model or "provider:model, as openai:gpt-5"),
                    ("models", f"by role: {self._roles[0]}=provider:model engineer=…"),
                    ("budget", "USD, as 2.50; empty: no ceiling"),
                ):
                    with Horizontal(classes="field"):
                        yield Label(name, markup=False)
                        hint = hint.replace("…", "..") if self._ascii else hint
                        yield Input(
                            getattr(first, name), placeholder=hint, id=name, compact=True, select_on_focus=False
                        )
                    yield Static("", id=f"{name}-said", classes="said", markup=False)
                with Horizontal(classes="field", id="new-files"):
                    yield Label("files", markup=False)
                    yield area(
                        first.attach, id="attach", placeholder="paths, one a line: each step finds them in inputs/"
                    )
                yield Static("", id="attach-said", classes="said", markup=False)
            yield Static("", id="new-error", markup=False)
            yield KeyLine(("ctrl+r", "start"), ("tab", "next field"), ("esc", "keep it for later"))

    def on_mount(self) -> None:
        self.query_one("#new-error").display = False
        for one in self.query(".said"):
            one.display = False
        for area in self.query(TextArea):
            area.move_cursor(area.document.end)
        self.query_one("#task").focus()
        self._pause = self.set_timer(_PAUSE, self._paused)

    # What is written

    @property
    def given(self) -> NewSession:
        """The form as it is."""
        texts = {name: self.query_one(f"#{name}", TextArea).text for name in ("task", "attach")}
        lines = {name: self.query_one(f"#{name}", Input).value for name in ("model", "models", "budget")}
        chosen = {name: self.query_one(f"#choose-{name}", Choice).value for name in ("mode", "approval")}
        return NewSession(**texts, **lines, **chosen)

    def on_text_area_changed(self) -> None:
        self._changed()

    def on_input_changed(self) -> None:
        self._changed()

    def on_choice_chosen(self) -> None:
        self._changed()

    def _changed(self) -> None:
        self.query_one("#new-error").display = False
        self._pause.stop()
        self._pause = self.set_timer(_PAUSE, self._paused)

    def _paused(self) -> None:
        begin(self, self._keep, "draft", exclusive=True)

    async def _keep(self) -> None:
        """Keep the draft, and look at what is written."""
        given = self.given
        await asyncio.to_thread(self._drafts.save, given)
        await self._judge(given)

    async def _judge(self, given: NewSession) -> bool:
        """Say beside each field what is wrong with it; whether nothing is."""
        wrong = problems(given, self._roles)
        if not self._tried:
            wrong.pop("task", None)
        said, files_ok = await asyncio.to_thread(_look_at, given)
        for name in ("task", "model", "models", "budget"):
            self._say(name, wrong.get(name, ""), wrong=True)
        self._say("attach", said, wrong=not files_ok)
        return not wrong and files_ok

    def _say(self, field: str, text: str, *, wrong: bool) -> None:
        line = self.query_one(f"#{field}-said", Static)
        line.display = bool(text)
        line.set_class(wrong, "-wrong")
        line.update(text)

    # Keys

    def on_key(self, event: events.Key) -> None:
        if event.key == "ctrl+s":  # what many press in a form; no binding, as some lines keep it for themselves
            event.stop()
            self.action_start()

    def action_start(self) -> None:
        """Start, if all makes sense."""
        if not self._starting:
            self._starting = self._tried = True
            begin(self, self._start, "start")

    async def _start(self) -> None:
        try:
            given = self.given
            await asyncio.to_thread(self._drafts.save, given)
            if not await self._judge(given):
                return
            run_id = await self._start_run(given)
        except (CockpitError, OSError) as error:
            line = self.query_one("#new-error", Static)
            line.update(str(error) if isinstance(error, CockpitError) else one_line(str(error)))
            line.display = True
            return
        finally:
            self._starting = False
        await asyncio.to_thread(self._drafts.discard)
        self.dismiss(run_id)

    def action_aside(self) -> None:
        """Close and keep what is written."""
        begin(self, self._leave, "draft", exclusive=True)

    async def _leave(self) -> None:
        await asyncio.to_thread(self._drafts.save, self.given)
        self.dismiss(None)


def _look_at(given: NewSession) -> tuple[str, bool]:
    """What there is to say about the files, in a thread: a disk may be slow."""
    paths, total = given.paths, 0
    try:
        check_names(paths)
        for path in paths:
            total += size_of_file(path)
    except UsageError as error:
        return " ".join(filter(None, (f"{error.cause}.", error.hint))), False
    return (f"{words.plural(len(paths), 'file')}, {words.size(total)}" if paths else ""), True
