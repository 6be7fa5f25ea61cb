"""Names of models: `provider:model`, or `journal:FILE`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.model.errors import UsageError

PROVIDERS = ("openai", "anthropic", "gemini", "ollama", "journal")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A provider and its model's name; for `journal` the name is the file's path."""

    provider: str
    name: str

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Read `provider:model`.

        Raises:
            UsageError: there is no provider, an unknown one, or no model's name.
        """
        provider, colon, name = text.strip().partition(":")
        if not colon or not name:
            raise UsageError(
                f"{text!r} does not name a model", f"Write provider:model, with a provider of {', '.join(PROVIDERS)}."
            )
        if provider not in PROVIDERS:
            raise UsageError(
                f"unknown model provider {provider!r}",
                f"There are {', '.join(PROVIDERS)}; any OpenAI-compatible server is openai: with OPENAI_BASE_URL set.",
            )
        return cls(provider, name)

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


KEYS = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}
_DEFAULTS = {
    "openai": "openai:gpt-5",
    "anthropic": "anthropic:claude-sonnet-4-5",
    "gemini": "gemini:gemini-2.5-pro",
}
NO_MODEL_HINT = (
    "Set OPENAI_API_KEY (and OPENAI_BASE_URL for any OpenAI-compatible server), ANTHROPIC_API_KEY or GEMINI_API_KEY, "
    "or name a model with CMBAGENT_MODEL or --model provider:model. "
    "With none of these, `cmbagent-tui demo` shows a whole research session offline."
)


def default_model(environ: Mapping[str, str]) -> str | None:
    """The model to use when none is named: CMBAGENT_MODEL, or the first provider that has a key."""
    named = environ.get("CMBAGENT_MODEL")
    if named:
        return named
    if environ.get("OPENAI_BASE_URL"):
        return _DEFAULTS["openai"]
    return next((_DEFAULTS[one] for one, keys in KEYS.items() if any(environ.get(key) for key in keys)), None)
