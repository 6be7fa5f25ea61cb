"""The options of a run, from the command line over the settings. Light: it is read before the first paint."""

from __future__ import annotations

from typing import Any

from cmbagent_tui.settings import Settings
from engine.model.errors import UsageError
from engine.model.money import micro_usd
from engine.model.options import ApprovalMode, RunOptions


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
        "code_timeout",
        "attempt_timeout",
        "model_timeout",
        "notice",
        "agent",
    ):
        if name in values:
            options[name] = values[name]
    if "approval" in values:
        try:
            options["approval"] = ApprovalMode(values["approval"])
        except ValueError:
            known = ", ".join(ApprovalMode)
            raise UsageError(f"unknown approval mode {values['approval']!r}", f"There are {known}.") from None
    if "budget" in values:
        try:
            options["budget_micro"] = micro_usd(values["budget"])
        except ValueError as error:
            raise UsageError(str(error), "Give a budget in USD, like 2.50.") from None
    return RunOptions(**options)
