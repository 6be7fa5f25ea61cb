"""What must be said about a run above its panes: where the answers come from, what waits, how it ended."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from cmbagent_tui import words
from cmbagent_tui.state.board import Board
from engine.model.errors import CockpitError
from engine.model.records import NodeKind
from engine.model.states import RunState
from engine.model.text import one_line


class Banner(Static):
    """A few lines, or none."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._said: Content | None = None

    def on_mount(self) -> None:
        self.display = False

    def show(self, board: Board, result: str | None, trouble: CockpitError | None, pausing: bool) -> None:
        """Say what there is to say about a board; `result` is the last word of the run's closing step, once known,
        `trouble` is why a run that is not over does not go on, and one that is `pausing` was told to."""
        said = Content("\n").join(banner_lines(board, result, trouble, pausing))
        if self._said is not None and said.is_same(self._said):
            return
        self._said = said
        self.display = bool(said.plain)
        self.update(said)


def banner_lines(board: Board, result: str | None, trouble: CockpitError | None, pausing: bool) -> list[Content]:
    """One line for each thing that must be said, the most pressing first."""
    lines: list[Content] = []
    if trouble and not board.over():
        lines.append(Content.assemble(("The run stands still. ", "bold $text-error"), words.flat(trouble.cause)))
        lines.append(Content.assemble((words.flat(trouble.hint), "$text-warning"), ("  p goes on", "$foreground 58%")))
    if pausing:
        what = "  What was asked is still answered, and nothing new begins; p stops it now"
        lines.append(Content.assemble(("Pausing.", "bold $text-warning"), (what, "$foreground 58%")))
    for asked in board.pending():
        lines.append(
            Content.assemble(
                (f"{asked.title} waits for your approval.", "bold $text-warning"), ("  A opens it", "$foreground 58%")
            )
        )
    if board.over():
        lines += _ending(board, result)
    if notice := board.notice():
        lines.append(Content.assemble((notice, "italic $foreground 58%")))
    return lines


def _ending(board: Board, result: str | None) -> list[Content]:
    run = board.run
    elapsed = board.elapsed(run.ended_at or run.created_at)
    took = f" in {words.duration(elapsed)}" if elapsed is not None else ""
    files = sum(len(card.files) for card in board.cards.values())
    where = f"{words.plural(files, 'file')} in {run_files(board)}" if files else ""
    match run.state:
        case RunState.COMPLETED:
            head = Content.assemble(
                (f"Completed{took}.", "bold $text-success"), (f"  {where}" if where else "", "$foreground 58%")
            )
            doubts = [(words.doubts(board.unchecked(), board.waived()), "$text-warning")]
            doubt = [Content.assemble(*doubts)] if doubts[0][0] else []
            return [head, *doubt, *([Content(_first_lines(result))] if result else [])]
        case RunState.FAILED:
            lines = [
                Content.assemble(
                    (f"Failed{took}.", "bold $text-error"), (f"  {where}" if where else "", "$foreground 58%")
                )
            ]
            failed = [card for card in board.failed() if card.node.kind is not NodeKind.TERMINATOR][:3]
            for card in failed:
                why = words.flat(card.node.error or "it did not say why")
                lines.append(Content.assemble((f"{card.node.step}: ", "bold"), why))
            if not failed and run.error:
                lines.append(Content(_first_lines(run.error)))
            return lines
        case _:
            return [
                Content.assemble(
                    (f"Cancelled{took}.", "bold $foreground 58%"), (f"  {where}" if where else "", "$foreground 58%")
                )
            ]


def run_files(board: Board) -> str:
    """Where the run's files are, safe to show."""
    from engine.runs.spec import run_directory

    return one_line(str(run_directory(board.session, board.run)), 1000)


def _first_lines(text: str, most: int = 3) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "\n".join(lines[:most]) + (" …" if len(lines) > most else "")
