"""The approval desk: knows what waits for a person in any run, and brings the dialog up without stealing a key."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.screen import ModalScreen
from textual.widgets import Input, TextArea

from cmbagent_tui.work import begin
from engine.model.errors import CockpitError
from engine.model.events import Event, EventKind
from engine.model.records import Approval

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.screens.approval import ApprovalScreen
    from cmbagent_tui.screens.inbox import InboxScreen
    from engine import Engine


class ApprovalDesk:
    """One per app. Approvals come in as events; each is brought up once by itself, and by key as often as wanted."""

    def __init__(self, app: CockpitApp, engine: Engine, state_dir: Path, guard: float) -> None:
        self._app = app
        self._engine = engine
        self._state_dir = state_dir
        self._guard = guard
        self.drafts: dict[str, str] = {}  # words to an approval that were not sent
        self.waiting: dict[str, Approval] = {}
        self._to_show: list[str] = []
        self._open: ApprovalScreen | None = None
        self._inbox: InboxScreen | None = None
        self._reading = asyncio.Lock()  # an older answer must not take the place of a newer one

    async def listen(self) -> None:
        """Hear of approvals for as long as the app lives."""
        subscription = self._engine.subscribe(None)
        try:
            await self.refresh(announce=False)
            while True:
                await subscription.wait()
                items = [item for item in subscription.drain() if isinstance(item, Event)]
                if any(item.kind is EventKind.APPROVAL for item in items):
                    await self.refresh()
                self._app.heard(items)
        finally:
            subscription.close()

    async def refresh(self, *, announce: bool = True) -> None:
        """Read what waits, and bring up what is new."""
        async with self._reading:
            await self._refresh(announce)

    async def _refresh(self, announce: bool) -> None:
        try:
            found = {one.id: one for one in await self._engine.approvals(pending=True)}
            await self._close_unless_in(found)
        except CockpitError as error:
            self._app.complain(error)
            return
        new = [one for one in found if one not in self.waiting]
        self.waiting = found
        self._to_show = [one for one in self._to_show if one in found]
        self._app.approvals_changed()
        if self._inbox is not None:
            self._inbox.renew()
        elif announce:
            self._to_show += new
        if announce and new:
            self._ring()
        self.bring_up()

    def _ring(self) -> None:
        """Call a person who looks elsewhere, as the settings say."""
        wanted = self._app.settings.values.get("bell", "unfocused")
        if wanted == "always" or (wanted == "unfocused" and not self._app.app_focus):
            self._app.bell()

    async def _close_unless_in(self, waiting: Container[str]) -> None:
        """Close the dialog of what waits no more."""
        dialog = self._open
        if dialog is not None and dialog.approval.id not in waiting:
            dialog.settled_elsewhere(await self._engine.reads(dialog.approval.session_id).approval(dialog.approval.id))

    def of_run(self, run_id: str) -> list[Approval]:
        """What waits in a run, oldest first."""
        return sorted((one for one in self.waiting.values() if one.run_id == run_id), key=lambda one: one.id)

    def held_back(self, run_id: str) -> bool:
        """Whether something of this run waits to be brought up, since a dialog is open or someone is writing."""
        return any(self.waiting[one].run_id == run_id for one in self._to_show if one in self.waiting)

    def offer(self, run_id: str) -> None:
        """A run's screen was opened: what waits in it comes up."""
        self._to_show += [one.id for one in self.of_run(run_id) if one.id not in self._to_show]
        self.bring_up()

    def bring_up(self) -> None:
        """Show what is to be shown, unless a dialog is open or someone is writing: then later."""
        screen = self._app.screen
        if not self._to_show or isinstance(screen, ModalScreen) or isinstance(screen.focused, Input | TextArea):
            return
        self.show(self._to_show.pop(0))

    def show(self, approval_id: str, *, edit: bool = False) -> None:
        """Open the dialog of an approval; with `edit`, and what is shown in the person's editor."""
        from cmbagent_tui.screens.approval import ApprovalScreen

        approval = self.waiting.get(approval_id)
        if approval is None:
            return
        if approval_id in self._to_show:
            self._to_show.remove(approval_id)
        self._open = ApprovalScreen(
            self._engine,
            self,
            approval,
            state_dir=self._state_dir,
            guard=self._guard,
            edit=edit,
            ascii_only=self._app.ascii_only,
        )
        self._app.push_screen(self._open, self._closed)

    def open(self, run_id: str | None) -> bool:
        """Open the only one that waits in a run (None: in all runs), or the inbox. False when nothing waits."""
        mine = self.of_run(run_id) if run_id else list(self.waiting.values())
        if len(mine) == 1:
            self.show(mine[0].id)
        elif self.waiting:
            self.list_all(run_id)
        return bool(self.waiting)

    def list_all(self, run_id: str | None) -> None:
        """Open the inbox, with the first of a run under the cursor."""
        self._to_show.clear()  # all of them are in it
        # In the app's name: what asks for it may be closed by then, and could not hear of the inbox's end.
        self._app.call_later(self._open_inbox, run_id)

    def _open_inbox(self, run_id: str | None) -> None:
        from cmbagent_tui.screens.inbox import InboxScreen

        if self._inbox is not None:
            return
        self._inbox = InboxScreen(self._engine, self, run_id=run_id, guard=self._guard, ascii_only=self._app.ascii_only)
        self._app.push_screen(self._inbox, self._inbox_closed)

    def _inbox_closed(self, _: None) -> None:
        self._inbox = None

    def _closed(self, settled: bool | None) -> None:
        self._open = None
        if settled:
            begin(self._app, partial(self.refresh, announce=False), "approvals-read")
        asyncio.get_running_loop().call_soon(self.bring_up)
