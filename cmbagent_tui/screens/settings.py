"""The settings: what each is, where that came from, and a line to change it in config.toml."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from cmbagent_tui import words
from cmbagent_tui.config_file import write_setting
from cmbagent_tui.look import Tone
from cmbagent_tui.messages import RowHighlighted, RowOpened
from cmbagent_tui.settings import Settings, load
from cmbagent_tui.state.settings import DEFAULT, Shown, shown
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows
from cmbagent_tui.work import begin
from engine.model.errors import CockpitError, UsageError
from engine.model.modelref import NO_MODEL_HINT

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp

_NAME = 16  # cells


class SettingRows(Rows):
    """Name, value, source."""

    def __init__(self, settings: Settings, *, ascii_only: bool) -> None:
        super().__init__(id="settings-list", ascii_only=ascii_only)
        self.settings = settings
        self.shown = shown(settings)

    @property
    def count(self) -> int:
        return len(self.shown)

    @property
    def chosen(self) -> Shown:
        """What the cursor is on."""
        return self.shown[self.cursor]

    def renew(self, settings: Settings) -> None:
        """Show settings that were read again."""
        self.settings, self.shown = settings, shown(settings)
        self.resized()

    def pieces(self, index: int, width: int) -> list[Piece]:
        one = self.shown[index]
        mine = one.source != DEFAULT
        source = _brief(one.source, self.settings) if width >= 44 else ""
        room = max(4, width - _NAME - 3 - len(source))
        value = words.fit(one.text or "not set", room, ascii_only=self.ascii_only)
        return [
            Piece(1, f"{one.setting.name:<{_NAME}}", strong=True),
            Piece(_NAME + 1, value, Tone.OK if mine else Tone.PLAIN if one.text else Tone.MUTED),
            Piece(_NAME + 2 + room, source, Tone.MUTED),
        ]


class SettingsScreen(ModalScreen[None]):
    """All settings. What is typed is looked over as it is typed, and written on enter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d,delete", "unset", "Default", id="settings.unset", tooltip="Take it out of config.toml"),
        Binding("escape,q", "close", "Close", id="settings.close", tooltip="Leave the line, or the settings"),
    ]
    AUTO_FOCUS = "#settings-list"

    app: CockpitApp

    def __init__(self, settings: Settings, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._settings = settings
        self._ascii = ascii_only

    def compose(self) -> ComposeResult:
        with Vertical(id="settings", classes="dialog"):
            yield Static("Settings", classes="dialog-title", markup=False)
            yield SettingRows(self._settings, ascii_only=self._ascii)
            yield Static("", id="settings-about", markup=False)
            yield Input(id="settings-line", compact=True)
            yield Static("", id="settings-wrong", markup=False)
            yield KeyLine(("enter", "change"), ("d", "back to the default"), ("esc", "close"))

    def on_mount(self) -> None:
        self.query_one("#settings-line").display = False
        self._tell()

    def _tell(self) -> None:
        one = self.query_one(SettingRows).chosen
        default = f"Default: {one.setting.default}" if one.setting.default else "Not set by default"
        wanted = "" if one.setting.choices else f", {one.setting.wanted}"
        says = [one.setting.what, f"{default}{wanted}. {one.setting.later}"]
        if one.setting.name == "model" and not one.value:
            says.append(NO_MODEL_HINT)
        if one.source != DEFAULT and one.source != str(self._settings.file):
            says.append(f"It comes from {one.source}, which counts more than config.toml.")
        self.query_one("#settings-about", Static).update(Content("\n".join(says)))

    def on_row_highlighted(self, message: RowHighlighted) -> None:
        self._tell()

    # The line

    def on_row_opened(self, message: RowOpened) -> None:
        one = self.query_one(SettingRows).chosen
        if one.setting.name == "keys":
            self.notify(f"Keys are written into {self._settings.file}, under [keys].", markup=False)
            return
        if one.setting.types is bool:
            self._write(one, not one.value)
            return
        line = self.query_one("#settings-line", Input)
        line.value, line.display = one.text, True
        line.placeholder = one.setting.wanted
        line.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        wrong = ""
        try:
            self.query_one(SettingRows).chosen.setting.parse(event.value)
        except UsageError as error:
            wrong = error.cause
        self.query_one("#settings-wrong", Static).update(wrong if event.input.display and event.value else "")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        one = self.query_one(SettingRows).chosen
        try:
            value = one.setting.parse(event.value)
        except UsageError as error:
            self.query_one("#settings-wrong", Static).update(error.cause)
            return
        self._leave_line()
        self._write(one, value)

    def _leave_line(self) -> None:
        self.query_one("#settings-wrong", Static).update("")
        self.query_one("#settings-line").display = False
        self.query_one(SettingRows).focus()

    def _write(self, one: Shown, value: Any) -> None:
        begin(self, partial(self._written, one.setting.name, value), "write")

    async def _written(self, name: str, value: Any) -> None:
        def write() -> Settings:
            write_setting(self._settings.file, name, value)
            return load(self._settings.environ, Path.cwd())

        try:
            self._settings = await asyncio.to_thread(write)
        except CockpitError as error:
            self.query_one("#settings-wrong", Static).update(f"{error.cause} {error.hint}")
            return
        self.app.take_settings(self._settings)
        self.query_one(SettingRows).renew(self._settings)
        self._tell()

    # Keys

    def action_unset(self) -> None:
        """Take the setting out of the file."""
        one = self.query_one(SettingRows).chosen
        if one.source != str(self._settings.file):
            self.notify(f"{one.setting.name} is not in config.toml.", markup=False)
        else:
            self._write(one, None)

    def action_close(self) -> None:
        """Leave the line, or the screen."""
        if self.query_one("#settings-line").display:
            self._leave_line()
        else:
            self.dismiss(None)


def _brief(source: str, settings: Settings) -> str:
    return Path(source).name if "/" in source else source
