"""The redo dialog: what doing a step again comes to, and what is to be different."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label, Static, TextArea

from cmbagent_tui import words
from cmbagent_tui.bullets import as_bullets, read_bullets
from cmbagent_tui.editing import edited_here
from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.state.kept import Kept
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.work import begin
from engine.model.errors import CockpitError
from engine.model.frames import Program
from engine.runs.forecast import Forecast, Renewed

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine import Engine

_PAUSE = 0.3  # seconds without a key after which the draft is kept
_LISTED = 4  # steps that are named, beside the one that is redone
_TITLES = {"feedback": "Say", "instructions": "Instructions", "program": "Program"}
_EMPTY = "What should it do differently? It may stay empty."

_first = partial(Binding, show=False, priority=True)


class RedoScreen(ModalScreen[bool]):
    """Closes with whether the step is done again: what was written is kept when it is not."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r,f5", "redo", "Redo", id="redo.redo", tooltip="Do the step again", key_display="^r"),
        _first("tab", "turn(1)", "Next", id="redo.next", tooltip="To the next text: a word, instructions, program"),
        _first("shift+tab", "turn(-1)", "Before", id="redo.before", tooltip="To the text before"),
        _first("f4,ctrl+o", "edit", "Editor", id="redo.edit", tooltip="Write this text in your editor"),
        Binding("escape", "aside", "Not now", id="redo.aside", tooltip="Go back; what is written is kept"),
    ]

    app: CockpitApp

    def __init__(self, engine: Engine, run_id: str, told: Forecast, kept: Kept, draft: Mapping[str, str]) -> None:
        """`draft` is what `kept` holds of an earlier time."""
        super().__init__()
        self._engine, self._run_id, self._told = engine, run_id, told
        self._kept, self._draft = kept, draft
        self._given = {"feedback": ""}  # the texts as they were found
        if told.instructions is not None:
            self._given["instructions"] = as_bullets(told.instructions)
        if told.program is not None:
            self._given["program"] = told.program.code
        self._at = "feedback"
        self._busy = False

    def compose(self) -> ComposeResult:
        title = self._told.node.title
        with Vertical(id="redo", classes="dialog"):
            yield Label(f"Do {self._told.node.step} again: {title}", classes="dialog-title", markup=False)
            yield Static(self._forecast(), id="redo-told", markup=False)
            yield Static("", id="redo-texts", markup=False)
            for name, found in self._given.items():
                text = self._draft.get(name, found)
                area = TextArea(str(text), id=f"redo-{name}", show_line_numbers=name == "program", compact=True)
                area.placeholder = _EMPTY if name == "feedback" else ""
                yield area
            yield Static("", id="redo-error", markup=False)
            more = [("tab", "what else")] if len(self._given) > 1 else []
            yield KeyLine(("ctrl+r", "redo"), *more, ("f4", "editor"), ("esc", "keep it for later"))

    def on_mount(self) -> None:
        self._say(self._told.refused)
        for area in self.query(TextArea):
            area.move_cursor(area.document.end if area.id == "redo-feedback" else (0, 0))
        self._turn_to("feedback")
        self._pause = self.set_timer(_PAUSE, self._paused)

    def _forecast(self) -> Content:
        """What goes back to pending, what it has come to so far, and how many redos are left."""
        told = self._told
        others = [one for one in told.renewed if one.node.id != told.node.id]
        own = next((one for one in told.renewed if one.node.id == told.node.id), None)
        lines = [("Back to pending: ", "$foreground 70%"), (told.node.step, "bold"), (_so_far(own), "$foreground 70%")]
        for one in others[:_LISTED]:
            lines += [("\n  and ", "$foreground 70%"), (one.node.step, "bold"), (_so_far(one), "$foreground 70%")]
        if len(others) > _LISTED:
            lines.append((f"\n  and {words.plural(len(others) - _LISTED, 'more step')}", "$foreground 70%"))
        lines.append(("\nEarlier attempts stay, to be read and compared.\n", "$foreground 70%"))
        tone = STYLES[Tone.WAITING if told.left <= 1 else Tone.MUTED]
        lines.append((f"{told.left} of {words.plural(told.most, 'redo')} of this step left", tone))
        return Content.assemble(*lines)

    # What is written

    def _area(self, name: str) -> TextArea:
        return self.query_one(f"#redo-{name}", TextArea)

    def _edited(self) -> dict[str, str]:
        """The texts that are not as they were found."""
        texts = {name: self._area(name).text for name in self._given}
        return {name: text for name, text in texts.items() if text != self._given[name]}

    def _turn_to(self, name: str) -> None:
        self._at = name
        for one in self._given:
            self._area(one).display = one == name
        self._area(name).focus()
        self._tell()

    def _tell(self) -> None:
        """Say which texts there are, and which of them were changed."""
        edited = self._edited()
        parts: list[tuple[str, str]] = []
        for name in self._given:
            mark = " (edited)" if name in edited and name != "feedback" else ""
            style = "bold reverse" if name == self._at else "$foreground 70%"
            parts += [(f" {_TITLES[name]}{mark} ", style), ("  ", "")]
        self.query_one("#redo-texts", Static).update(Content.assemble(*parts))

    def on_text_area_changed(self) -> None:
        self._say("")
        self._tell()
        self._pause.stop()
        self._pause = self.set_timer(_PAUSE, self._paused)

    def _paused(self) -> None:
        if not self._busy:
            begin(self, self._keep, "draft", exclusive=True)

    async def _keep(self) -> None:
        await asyncio.to_thread(self._kept.save, self._edited())

    def _say(self, text: str) -> None:
        line = self.query_one("#redo-error", Static)
        line.update(Content(text))
        line.display = bool(text)

    # Keys

    def on_key(self, event: events.Key) -> None:
        if event.key == "ctrl+s":  # what many press in a form; no binding, as some lines keep it for themselves
            event.stop()
            self.action_redo()

    def action_turn(self, by: int) -> None:
        """Show another of the texts."""
        names = list(self._given)
        self._turn_to(names[(names.index(self._at) + by) % len(names)])

    def action_edit(self) -> None:
        """Write the text that is shown in the person's editor."""
        begin(self, self._edit, "editor")

    async def _edit(self) -> None:
        area = self._area(self._at)
        name = {"program": "program.py", "instructions": "instructions.md"}.get(self._at, "feedback.md")
        try:
            area.text = await edited_here(self.app, area.text, self.app.state_dir / "edits" / name)
        except (CockpitError, OSError) as error:
            self._say(str(error))

    def action_redo(self) -> None:
        """Do the step again."""
        if not self._busy:
            self._busy = True
            begin(self, self._redo, "redo")

    async def _redo(self) -> None:
        edited, told = self._edited(), self._told
        instructions = read_bullets(edited["instructions"]) if "instructions" in edited else None
        program = None
        if told.program is not None and "program" in edited:
            program = Program(file=told.program.file, code=edited["program"])
        try:
            await asyncio.to_thread(self._kept.save, edited)
            await self._engine.redo(
                self._run_id,
                told.node.id,
                feedback=edited.get("feedback"),
                instructions=instructions,
                program=program,
            )
            await asyncio.to_thread(self._kept.discard)
        except (CockpitError, OSError) as error:
            self._busy = False
            self._say(str(error))
            return
        self.dismiss(True)

    def action_aside(self) -> None:
        """Close and keep what is written."""
        if not self._busy:
            self._busy = True
            begin(self, self._leave, "draft", exclusive=True)

    async def _leave(self) -> None:
        try:
            await self._keep()
        except OSError as error:
            self._busy = False
            self._say(f"The draft could not be kept: {error.strerror or error}")
            return
        self.dismiss(False)


def _so_far(one: Renewed | None) -> str:
    """What a step's attempts came to."""
    if one is None or not one.attempts:
        return ", not begun yet"
    price = f", {words.cost(one.cost)}" if one.cost.calls else ""
    return f", {words.plural(one.attempts, 'attempt')} so far{price}"
