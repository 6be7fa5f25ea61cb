"""Every setting there is: what it means, what it may be, and what counts when nobody says. Light, as settings are read
before the first paint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias

from engine.model.errors import UsageError

Types: TypeAlias = type | tuple[type, ...]
NUMBER = (int, float)
THEMES = (
    *("cmbagent-dark", "cmbagent-light", "ansi-dark", "ansi-light", "textual-dark", "textual-light", "nord", "gruvbox"),
    *("catppuccin-mocha", "catppuccin-latte", "catppuccin-frappe", "catppuccin-macchiato", "dracula", "tokyo-night"),
    *("monokai", "flexoki", "solarized-light", "solarized-dark", "rose-pine", "rose-pine-moon", "rose-pine-dawn"),
    *("atom-one-dark", "atom-one-light"),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of config.toml. With `project`, a project's file may say it too. `least` is in the setting's own unit."""

    name: str
    types: Types
    default: str  # as it is shown
    what: str
    project: bool = True
    variable: str = ""  # of the environment
    option: str = ""  # of the command line
    choices: tuple[str, ...] = ()
    least: float | None = None
    later: str = "Counts for new runs."

    def accepts(self, value: object) -> str:
        """Why a value cannot be; "" when it can."""
        if not isinstance(value, self.types) or (isinstance(value, bool) and self.types is not bool):
            return f"{self.name} must be {self.wanted}, not {value!r}"
        if isinstance(value, float) and not isfinite(value):
            return f"{self.name} must be {self.wanted}, not {value}"
        if self.choices and value not in self.choices:
            return f"{self.name} cannot be {value!r}: there are {', '.join(self.choices)}"
        if self.least is not None and isinstance(value, int | float) and value < self.least:
            return f"{self.name} must be at least {self.least:g}, not {value}"
        if self.name == "budget":
            return _budget(value)
        if self.name in ("max_time", "deadline"):
            return _span(self.name, value)
        models = {"model": value} if self.name == "model" else value if self.name == "models" else {}
        return _models(models) if isinstance(models, Mapping) else ""

    @property
    def wanted(self) -> str:
        """What kind of value it takes, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        words: dict[Types, str] = {
            bool: "true or false",
            int: "a whole number",
            NUMBER: "a number",
            dict: "like agent=provider:model",
        }
        return words.get(self.types, "a text" if self.types is str else "an amount in USD")

    def parse(self, text: str) -> Any:
        """What a person typed, as a value.

        Raises:
            UsageError: it cannot be one; the words say what can.
        """
        value: Any = text.strip()
        try:
            if self.types is bool:
                value = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}[
                    value.lower()
                ]
            elif self.types is int:
                value = int(value)
            elif self.types == NUMBER:
                value = float(value)
                value = int(value) if value.is_integer() else value
            elif self.types is dict:
                value = dict(one.strip().split("=", 1) for one in value.split(",") if one.strip())
                value = {role.strip(): name.strip() for role, name in value.items()}
        except (ValueError, KeyError, OverflowError):
            raise UsageError(f"{self.name} must be {self.wanted}, not {text.strip()!r}") from None
        if refused := self.accepts(value):
            raise UsageError(refused)
        return value


_START = "Counts from the next start."
SETTINGS = (
    Setting(
        "model",
        str,
        "",
        "The model of every agent that has none of its own, as provider:model",
        variable="CMBAGENT_MODEL",
    ),
    Setting("models", dict, "", "Models of single agents: agent=provider:model, …"),
    Setting(
        "approval",
        str,
        "after_planning",
        "When a run stops and asks",
        choices=("none", "after_planning", "before_each_step", "on_error", "custom", "manual"),
    ),
    Setting("deadline", str, "", "How long a question waits for your answer, like 45m or 12h; else for ever"),
    Setting(
        "on_expiry",
        str,
        "",
        "What becomes of a question that nobody answers in time; else it counts as a no",
        choices=("approve", "reject", "skip", "abort"),
    ),
    Setting("budget", (str, int, float), "", "USD that a run may spend: no call is made that could pass it"),
    Setting("max_tokens", int, "", "Tokens that a run may use, of requests and answers", least=1),
    Setting("max_calls", int, "", "How often a run may ask a model", least=1),
    Setting("max_time", str, "", "How long a run may be at work, like 45m or 12h"),
    Setting("max_answer", int, "16000", "Tokens of one answer, where USD or tokens have a ceiling", least=1),
    Setting("max_parallel", int, "4", "How many steps of a run work at once", least=1),
    Setting("max_steps", int, "12", "How many steps a plan may have", least=1),
    Setting("reviews", int, "1", "How often a plan is reviewed", least=0),
    Setting("retries", int, "2", "How often a step that failed is tried again", least=0),
    Setting("max_redos", int, "20", "How often you may have one step of a run done again", least=0),
    Setting("code_timeout", NUMBER, "7200", "Seconds that a piece of code may run", least=0.001),
    Setting("attempt_timeout", NUMBER, "21600", "Seconds that one try of a step may take", least=0.001),
    Setting("model_timeout", NUMBER, "1200", "Seconds that a model may take to answer", least=0.001),
    Setting(
        "python", str, "", "The interpreter of the agents' code; the program's own when empty", False, later=_START
    ),
    Setting(
        "max_workers", int, "16", "How many worker processes run at once, over all runs", False, least=1, later=_START
    ),
    Setting(
        "suspend_after",
        NUMBER,
        "60",
        "Seconds that a process without a terminal waits for a person before it ends",
        False,
        variable="CMBAGENT_SUSPEND_AFTER",
        least=0,
        later=_START,
    ),
    Setting(
        "theme",
        str,
        THEMES[0],
        "The colours; ansi-… are the terminal's own",
        False,
        variable="TEXTUAL_THEME",
        choices=THEMES,
        later="Counts at once.",
    ),
    Setting("ascii", bool, "false", "Draw with ASCII alone", False, option="--ascii", later=_START),
    Setting(
        "mouse",
        bool,
        "true",
        "Take the mouse; without, the terminal selects text",
        False,
        variable="CMBAGENT_MOUSE",
        option="--no-mouse",
        later=_START,
    ),
    Setting(
        "bell",
        str,
        "unfocused",
        "When the terminal's bell rings for an approval: unfocused is while you look elsewhere",
        False,
        choices=("never", "unfocused", "always"),
        later="Counts at once.",
    ),
    Setting("keys", dict, "", "Keys of your own, by id: cmbagent-tui keys lists them", False, later=_START),
)
BY_NAME = {one.name: one for one in SETTINGS}


def _budget(value: object) -> str:
    from engine.model.money import micro_usd

    try:
        micro = micro_usd(str(value))
    except ValueError as error:
        return f"budget: {error}"
    return "budget must not be negative" if micro < 0 else ""


def _span(name: str, value: object) -> str:
    from engine.model.budget import seconds_of

    try:
        seconds_of(str(value))
    except ValueError as error:
        return f"{name}: {error}"
    return ""


def _models(models: Mapping[str, object]) -> str:
    from engine.model.modelref import ModelRef

    for role, name in models.items():
        if not isinstance(name, str):
            return f"models.{role} must be a text like provider:model"
        try:
            ModelRef.parse(name)
        except UsageError as error:
            return f"{error.cause}. {error.hint}"
    return ""
