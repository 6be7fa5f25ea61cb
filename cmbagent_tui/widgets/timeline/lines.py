"""How a line of the timeline is painted: when, where, how deep, what, how it stands, and how long it took."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.cells import cell_len

from cmbagent_tui import look, words
from cmbagent_tui.look import Mark, Tone
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.timeline.kinds import of_kind
from cmbagent_tui.widgets.timeline.window import Span, Window
from cmbagent_tui.widgets.timeline.wording import mark_of, went_well, words_of
from engine.model.events import Event, EventKind, Phase
from engine.model.states import StepState

_TIME = 8  # cells of the time column
_STEP = 14
_AGENT = 11
_WIDE, _WIDER = 70, 100  # from these widths on, the step has a column, and the agent
_GOES_ON = look.of_step(StepState.RUNNING)
_BROKEN = Mark("⊗", "~", "broken off", Tone.FAILED)


class Lines:
    """Paints the lines of a window."""

    def __init__(
        self,
        window: Window,
        *,
        step_of: Callable[[str | None], str],
        runs: Callable[[str | None], bool],
        ascii_only: bool,
    ) -> None:
        self._window = window
        self._step_of = step_of
        self._runs = runs
        self._ascii = ascii_only

    def pieces(self, event: Event, width: int, began: datetime | None, folded: Callable[[str], bool]) -> list[Piece]:
        """A line's pieces; `folded` tells whether what hangs under a span is hidden."""
        start = self._window.start_of(event)
        end = self._window.end_of(start)
        time = words.offset((start.at - (began or start.at)).total_seconds())
        pieces = [Piece(0, time.rjust(_TIME - 1) + " ", Tone.MUTED)]
        column = _TIME
        texts = [(self._step_of(start.node_id), _STEP, _WIDE), (start.agent or "", _AGENT, _WIDER)]
        for text, cells, least in texts:
            if width >= least:
                pieces.append(Piece(column, words.fit(text, cells, ascii_only=self._ascii) + " ", Tone.MUTED))
                column += cells + 1
        column += 2 * min(self._window.depth(event), max(0, (width - column) // 8))
        lasts = start.phase is not Phase.POINT
        if lasts:
            shut = folded(start.id)
            pieces.append(Piece(column, ("+" if shut else "-") if self._ascii else "▸" if shut else "▾", Tone.MUTED))
        kind, stands = self._marks(start, end)
        pieces.append(Piece(column + 1, kind.sign(self._ascii), Tone.PLAIN if lasts else kind.tone))
        column += 3
        if stands is not None:
            pieces.append(Piece(column, stands.sign(self._ascii), stands.tone))
            column += 2
        took = self._took(start, end)
        room = max(0, width - column - (cell_len(took) + 2 if took else 1))
        shown = stands or kind
        tone = Tone.FAILED if shown.tone is Tone.FAILED else Tone.MUTED if shown.tone is Tone.MUTED else Tone.PLAIN
        text = self._text(start, end, stands)
        pieces.append(Piece(column, words.fit(text, room, ascii_only=self._ascii), tone))
        if took:
            pieces.append(Piece(column + room, f" {took}", Tone.MUTED))
        return pieces

    def _marks(self, start: Event, end: Event | None) -> tuple[Mark, Mark | None]:
        """What it is, and of something that lasts how it stands."""
        if start.phase is Phase.POINT:
            return mark_of(start), None
        if end is not None:
            return of_kind(start.kind), look.OK if went_well(end) else look.BAD
        goes_on = self._window.stands(start, self._runs) is Span.OPEN
        return of_kind(start.kind), _GOES_ON if goes_on else _BROKEN

    def _text(self, start: Event, end: Event | None, stands: Mark | None) -> str:
        if end is None or start.phase is not Phase.START:
            text = words_of(start)
            return f"{text}: broken off with its process" if stands is _BROKEN else text
        began, ended = words_of(start), words_of(end)
        match start.kind:
            case EventKind.CODE_EXEC:
                return ended
            case EventKind.MODEL_CALL:
                return f"{words.model(str(start.data.get('model') or start.title))}: {ended}"
            case EventKind.AGENT_CALL:
                return began if ended == began else f"{began}: {ended}"
            case _:
                return f"{began} {'->' if self._ascii else '→'} {ended}"

    def _took(self, start: Event, end: Event | None) -> str:
        if start.phase is Phase.START and end is not None:
            return words.duration((end.at - start.at).total_seconds())
        seconds = start.data.get("seconds")
        return words.duration(seconds) if isinstance(seconds, int | float) else ""
