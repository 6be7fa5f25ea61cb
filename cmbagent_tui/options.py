"""The options of a run, from the command line over the settings. Light: it is read before the first paint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cmbagent_tui.settings import Settings
from engine.model.budget import seconds_of
from engine.model.errors import UsageError
from engine.model.money import micro_usd
from engine.model.options import ApprovalMode, RunOptions
from engine.model.records import ApprovalState

RULES_FILE = "rules.toml"  # in the home: a project's file must not loosen what a person's says

# What becomes of a question that nobody answers in time.
ON_EXPIRY = {
    "approve": ApprovalState.APPROVED,
    "reject": ApprovalState.REJECTED,
    "skip": ApprovalState.SKIP,
    "abort": ApprovalState.ABORT,
}


def run_options(settings: Settings, **given: Any) -> RunOptions:
    """The options of a run: what the settings say, under what was given on the command line (None: not given).

    Raises:
        UsageError: a value makes no sense.
    """
    values = {**settings.values, **{key: value for key, value in given.items() if value is not None}}
    models = {str(role): str(name) for role, name in dict(values.pop("models", {})).items()}
    if values.get("model"):
        models["default"] = str(values["model"])
    options: dict[str, Any] = {"models": models}
    for name in (
        "max_parallel",
        "reviews",
        "max_steps",
        "retries",
        "max_redos",
        "max_tokens",
        "max_calls",
        "max_answer",
        "code_timeout",
        "attempt_timeout",
        "model_timeout",
        "notice",
        "agent",
    ):
        if name in values:
            options[name] = values[name]
    if values.get("rules_file"):
        values.setdefault("approval", ApprovalMode.CUSTOM)
    if "approval" in values:
        options["approval"] = approval_mode(values["approval"])
        options["rules"] = rules_for(settings, options["approval"], values.get("rules_file"))
    if "budget" in values:
        try:
            options["budget_micro"] = micro_usd(values["budget"])
        except ValueError as error:
            raise UsageError(str(error), "Give a budget in USD, like 2.50.") from None
    for name, option in (("max_time", "max_time"), ("deadline", "approval_deadline")):
        if name in values:
            try:
                options[option] = seconds_of(str(values[name]))
            except ValueError as error:
                raise UsageError(f"{name}: {error}", "Give it like 45m or 12h.") from None
    if "on_expiry" in values:
        options["on_expiry"] = _on_expiry(str(values["on_expiry"]))
    return RunOptions(**options)


def _on_expiry(word: str) -> ApprovalState:
    try:
        return ON_EXPIRY[word]
    except KeyError:
        raise UsageError(f"on_expiry cannot be {word!r}", f"There are: {', '.join(ON_EXPIRY)}.") from None


def approval_mode(name: str) -> ApprovalMode:
    """The mode of this name.

    Raises:
        UsageError: there is none.
    """
    try:
        return ApprovalMode(name)
    except ValueError:
        raise UsageError(f"unknown approval mode {name!r}", f"There are {', '.join(ApprovalMode)}.") from None


def rules_for(settings: Settings, mode: ApprovalMode, file: str | None) -> dict[str, Any] | None:
    """The rules that go with a mode: those of a file, or of the person's own; only the mode custom has any.

    Raises:
        UsageError: they cannot be read, or are there for nothing.
    """
    if mode is not ApprovalMode.CUSTOM:
        if file:
            raise UsageError(f"the mode {mode.value} has no rules", "They go with --approval custom.")
        return None
    from engine.policy import read_rules

    path = Path(file) if file else settings.home / RULES_FILE
    return read_rules(path).model_dump(mode="json", exclude_defaults=True)
