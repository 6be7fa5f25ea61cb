"""A run as one HTML page that needs nothing else: to read in a browser, to send, to keep beside a paper.

It runs no script and loads nothing (its content security policy says so too); every text in it is text, and a picture
is shown as an image, in which an SVG's own scripts do not run.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, SubElement, tostring

from engine.exports.drawing import drawing
from engine.exports.present import time_json
from engine.model.checked import checked_steps, state_word
from engine.model.comparison import Comparison
from engine.model.errors import CockpitError
from engine.model.ids import short
from engine.model.money import decimal_usd
from engine.model.options import RunOptions
from engine.model.plan import Plan, PlanStep
from engine.model.records import Approval, Artifact, Attempt, CostTotal, Node, RunView
from engine.model.text import clean

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_IMAGES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".svg": "image/svg+xml",
    ".webp": "image/webp",
}  # fmt: skip
_TEXTS = {".py", ".txt", ".md", ".csv", ".tsv", ".json", ".toml", ".yaml", ".yml", ".tex", ".log", ".r", ".jl", ".sh"}
_IMAGE_BYTES = 8 * 1024 * 1024  # of one picture that is shown
_TEXT_BYTES = 64 * 1024  # of one text that is shown; of a longer one, its beginning
_ALL_BYTES = 48 * 1024 * 1024  # of all files that are shown

Content = Callable[[str], bytes]


def html(view: RunView, content: Content, comparison: Comparison | None = None) -> str:
    """The page. `content` reads a stored file by its SHA-256; one that cannot be read is said to be so."""
    return _Page(view, content, comparison).text()


class _Page:
    """One page in the making."""

    def __init__(self, view: RunView, content: Content, comparison: Comparison | None) -> None:
        self._view, self._content, self._comparison = view, content, comparison
        self._room = _ALL_BYTES
        self._checked = checked_steps(view)
        self._attempts: dict[str, list[Attempt]] = {}
        for attempt in sorted(view.attempts, key=lambda one: one.number):
            self._attempts.setdefault(attempt.node_id, []).append(attempt)
        plan = Plan.model_validate(view.run.plan) if view.run.plan else None
        self._planned = {step.id: step for step in plan.steps} if plan else {}

    def text(self) -> str:
        """The whole page."""
        title = clean(self._view.session.title)
        page = Element("html", {"lang": "en"})
        head = SubElement(page, "head")
        SubElement(head, "meta", {"charset": "utf-8"})
        SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
        SubElement(head, "meta", {"name": "viewport", "content": "width=device-width"})
        _add(head, "title", title)
        _add(head, "style", Path(__file__).with_name("page.css").read_text(encoding="utf-8"))
        body = SubElement(page, "body")
        _add(body, "h1", title)
        self._opening(body)
        if picture := drawing(self._view):
            _add(body, "div", class_="drawing").append(picture)
        self._steps(body)
        for node in self._view.nodes:
            self._step(body, node)
        self._answers(body)
        self._compared(body)
        _add(body, "h2", "To do it again")
        _add(body, "pre", f"cmbagent-tui replay {short(self._view.run.id)}")
        said = "runs its programs again with the recorded answers of the models, and compares every file."
        _add(body, "p", said, class_="muted")
        return "<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html") + "\n"

    def _opening(self, body: Element) -> None:
        run = self._view.run
        _add(body, "p", clean(run.task), class_="said")
        facts = [f"run {short(run.id)}", run.mode.value, _worth(self._view.cost)]
        if run.started_at:
            facts.insert(1, f"{time_json(run.started_at)} to {time_json(run.ended_at) or 'now'}")
        line = _add(body, "p", class_="muted")
        _add(line, "strong", run.state.value, class_=run.state.value).tail = "  ·  " + "  ·  ".join(facts)
        if notice := RunOptions.from_json(run.options).notice:
            _add(body, "p", clean(notice), class_="notice")
        if unchecked := sum(not one.total for one in self._checked.values()):
            steps = "1 completed step" if unchecked == 1 else f"{unchecked} completed steps"
            _add(body, "p", f"{steps} declared no check: the agent's own word is all there is.", class_="notice")
        if waived := sum(one.waived for one in self._checked.values()):
            checks = "1 failed check was" if waived == 1 else f"{waived} failed checks were"
            _add(body, "p", f"{checks} waived by a person.", class_="notice")
        if run.error:
            _add(body, "p", clean(run.error), class_="notice failed")

    def _state(self, node: Node) -> tuple[str, str]:
        """A node's state in words, and its style."""
        checked = self._checked.get(node.id)
        doubtful = checked is not None and (not checked.total or checked.waived)
        return state_word(node, checked), "unchecked" if doubtful else node.state.value

    def _steps(self, body: Element) -> None:
        names = {node.id: node.step for node in self._view.nodes}
        waits: dict[str, list[str]] = {}
        for edge in self._view.edges:
            waits.setdefault(edge.to_node, []).append(names[edge.from_node])
        _add(body, "h2", "Steps")
        table = SubElement(body, "table")
        _row(table, "th", "Step", "State", "Attempts", "After", "Cost")
        for node in self._view.nodes:
            row = SubElement(table, "tr")
            _add(SubElement(row, "td"), "a", clean(node.title), href=f"#{node.id}")
            state, style = self._state(node)
            _add(row, "td", state, class_=style)
            _add(row, "td", str(len(self._attempts.get(node.id, ()))))
            _add(row, "td", clean(", ".join(waits.get(node.id, ()))))
            _add(row, "td", _worth(self._view.node_cost.get(node.id, CostTotal())))

    def _step(self, body: Element, node: Node) -> None:
        planned = self._planned.get(node.step)
        tries = self._attempts.get(node.id, [])
        _add(body, "h2", clean(node.title), id=node.id)
        said = _add(body, "p", class_="muted")
        state, style = self._state(node)
        _add(said, "strong", state, class_=style)
        said[-1].tail = f"  ·  {clean(node.step)}" + (f"  ·  {clean(node.agent)}" if node.agent else "")
        if planned and planned.instructions:
            self._instructions(body, planned)
        for attempt in tries[:-1]:
            why = attempt.error or next((check.detail for check in attempt.checks if not check.ok), "")
            _add(body, "p", f"Attempt {attempt.number} ({attempt.reason}): {attempt.state.value}. {clean(why)}".strip())
        if tries:
            self._last_attempt(body, tries[-1])
        self._files(body, [one for one in self._view.artifacts if one.node_id == node.id])

    def _instructions(self, body: Element, planned: PlanStep) -> None:
        _add(body, "h3", "What it was told")
        points = SubElement(body, "ul")
        for point in planned.instructions:
            _add(points, "li", clean(point), class_="said")

    def _last_attempt(self, body: Element, attempt: Attempt) -> None:
        if attempt.checks:
            _add(body, "h3", "Checks")
            table = SubElement(body, "table")
            for check in attempt.checks:
                row = SubElement(table, "tr")
                how = "✓ held" if check.ok else f"◧ waived by {clean(check.waived)}" if check.waived else "✗ failed"
                style = "ok" if check.ok else "unchecked" if check.waived else "failed"
                _add(row, "td", how, class_=style)
                _add(row, "td", clean(check.name))
                _add(row, "td", clean(check.detail))
        if attempt.summary:
            _add(body, "h3", "What it says")
            _add(body, "div", clean(attempt.summary), class_="said")
        if attempt.error:
            _add(body, "pre", clean(attempt.error), class_="failed")

    def _files(self, body: Element, artifacts: list[Artifact]) -> None:
        newest = {one.path: one for one in artifacts}
        if not newest:
            return
        _add(body, "h3", "Files")
        for path, one in sorted(newest.items()):
            name = f"{clean(path)}  ·  {one.size:,} bytes  ·  SHA-256 {one.sha256}"
            kind = PurePosixPath(path).suffix.lower()
            if kind in _IMAGES and one.size <= _IMAGE_BYTES and (data := self._read(one)) is not None:
                figure = SubElement(body, "figure")
                source = f"data:{_IMAGES[kind]};base64,{base64.b64encode(data).decode()}"
                SubElement(figure, "img", {"src": source, "alt": clean(path)})
                _add(figure, "figcaption", name)
            elif kind in _TEXTS and (data := self._read(one)) is not None:
                shown = SubElement(body, "details")
                _add(shown, "summary", name)
                more = f"\n… and {len(data) - _TEXT_BYTES:,} bytes more" if len(data) > _TEXT_BYTES else ""
                _add(shown, "pre", clean(data[:_TEXT_BYTES].decode("utf-8", errors="replace")) + more)
            else:
                _add(body, "p", name, class_="muted")

    def _read(self, one: Artifact) -> bytes | None:
        if one.size > self._room:
            return None
        try:
            data = self._content(one.sha256)
        except (CockpitError, OSError):
            return None
        self._room -= len(data)
        return data

    def _answers(self, body: Element) -> None:
        settled = [one for one in self._view.approvals if one.resolved_at]
        if not settled:
            return
        _add(body, "h2", "What people decided")
        table = SubElement(body, "table")
        _row(table, "th", "When", "What", "Decision", "By", "Said")
        for one in sorted(settled, key=_when):
            _row(table, "td", _when(one), one.title, one.state.value, one.resolved_by or "", one.feedback or "")

    def _compared(self, body: Element) -> None:
        if self._comparison is None or not self._view.run.replay_of:
            return
        _add(body, "h2", f"Compared with run {short(self._view.run.replay_of)}")
        _add(body, "p", clean(self._comparison.summary()))
        table = SubElement(body, "table")
        for file in self._comparison.files:
            row = SubElement(table, "tr")
            _add(row, "td", file.likeness.value.replace("_", " "), class_="ok" if file.likeness.ok else "failed")
            _add(row, "td", clean(file.path))
            _add(row, "td", clean(file.detail))


def _when(approval: Approval) -> str:
    return time_json(approval.resolved_at) or ""


def _worth(cost: CostTotal) -> str:
    calls = "1 model call" if cost.calls == 1 else f"{cost.calls:,} model calls"
    unknown = f", {cost.unknown_calls:,} of unknown price" if cost.unknown_calls else ""
    return f"{decimal_usd(cost.usd_micro)} USD, {calls}{unknown}"


def _add(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    one = SubElement(parent, tag, {name.rstrip("_"): value for name, value in attributes.items()})
    one.text = text
    return one


def _row(table: Element, tag: str, *cells: str) -> None:
    row = SubElement(table, "tr")
    for cell in cells:
        _add(row, tag, clean(cell))
