"""What a model call costs, by the genai-prices table. Unknown stays unknown: it is never shown as nothing."""

from __future__ import annotations

from engine.model.money import micro_usd

_PROVIDERS = {"gemini": "google"}
_FREE = {"ollama": "runs locally"}


class PriceTable:
    """Prices from genai-prices (tiers, cached input), loaded at the first question: the import takes 0.2 s."""

    def price(
        self, provider: str, model: str, prompt_tokens: int, completion_tokens: int, cached_tokens: int
    ) -> tuple[int | None, str]:
        """Micro-USD, or None when the model is in no table, and where the figure is from. Counts are inclusive."""
        if provider == "journal":
            return 0, "journal: no model was called"
        if provider in _FREE:
            return 0, _FREE[provider]
        from genai_prices import Usage, calc_price

        usage = Usage(
            input_tokens=prompt_tokens, output_tokens=completion_tokens, cache_read_tokens=cached_tokens or None
        )
        try:
            found = calc_price(usage, model_ref=model, provider_id=_PROVIDERS.get(provider, provider))
        except (LookupError, ValueError):
            return None, "unknown"
        return micro_usd(found.total_price), f"genai-prices: {found.provider.id}/{found.model.id}"
