"""Names of models: `provider:model`, or `journal:FILE`."""

from __future__ import annotations

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
