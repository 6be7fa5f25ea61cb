"""What to do first, where there is no session at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from cmbagent_tui import words
from cmbagent_tui.keymap.now import key_now
from cmbagent_tui.work import begin
from engine.model.modelref import default_model

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp

_WIDEST = 92  # columns beyond which a line is hard to read
_HANGING = 44  # columns from which a key stands beside its words

_DEMO = (
    "to see a whole research session now: a plan to approve, two rival fits in parallel, a figure and a report. "
    "It needs no key and no network."
)
_NO_MODEL = (
    "to ask a question of your own. That needs a model, and none is set yet: put OPENAI_API_KEY (and "
    "OPENAI_BASE_URL, for any compatible server), ANTHROPIC_API_KEY or GEMINI_API_KEY into the environment, or name "
    "a model with CMBAGENT_MODEL=provider:model (ollama:qwen3 is a local one) or in the settings."
)
_SETTINGS = "to see and change the settings: model, approval, budget, theme."
_KEYS = "for the keys of wherever you are. {} finds anything by its name."


class Welcome(Widget):
    """The keys to begin with, the model that answers, and what the installation lacks."""

    app: CockpitApp

    def __init__(self) -> None:
        super().__init__(id="welcome")
        self._missing: Sequence[str] | None = None
        self.display = False

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh(layout=True))

    def on_show(self) -> None:
        self.refresh(layout=True)
        if self._missing is None:
            begin(self, self._examine, "examine", exclusive=True)

    async def _examine(self) -> None:
        self._missing = await self.app.missing()
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.size.width))

    def _lines(self, width: int) -> list[Content]:
        width = min(width, _WIDEST)
        tall = not self.screen.has_class("-short")
        lines = [Content.styled("Nothing here yet.", "bold")]
        for key, what in self._first():
            if tall:
                lines.append(Content(""))
            lines += _entry(self._key(key), what, width)
        if self._missing:
            lines += [Content("")] if tall else []
            said = ["Missing, as `cmbagent-tui doctor` says too:", *self._missing]
            lines += [Content.styled(part, "$text-warning") for one in said for part in _wrapped(one, width)]
        return lines

    def _first(self) -> Iterator[tuple[str, str]]:
        settings = self.app.settings
        model = str(settings.values.get("model") or default_model(settings.environ) or "")
        yield "home.demo", _DEMO
        yield "home.new", f"to ask a question of your own, of {words.model(model)}." if model else _NO_MODEL
        yield "app.settings", _SETTINGS
        yield "app.help", _KEYS.format(self._key("app.palette"))

    def _key(self, binding_id: str) -> str:
        return key_now(self, binding_id)


def _entry(key: str, what: str, width: int) -> Iterator[Content]:
    """`Press d  to see …`, the words in a column of their own where there is room for one."""
    head = f"Press {key}  " if width >= _HANGING else f"Press {key} "
    column = len(head) if width >= _HANGING else 0
    parts = _wrapped(what, width - column) if column else _wrapped(head + what, width)
    first = parts[0] if column else parts[0][len(head) :]
    yield Content.assemble("Press ", (key, "bold $text-accent"), head[len(f"Press {key}") :], first)
    yield from (Content(" " * column + part) for part in parts[1:])


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, max(8, width), break_on_hyphens=False) or [""]
