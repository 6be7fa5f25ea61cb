"""Which model a role uses, and how it is reached: the one place that looks up providers' keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from engine.model.agents import AgentSpec
from engine.model.errors import UsageError
from engine.model.frames import ModelSpec
from engine.model.modelref import KEYS, NO_MODEL_HINT, ModelRef, default_model
from engine.model.options import RunOptions

_BASE_URLS = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL", "ollama": "OLLAMA_HOST"}


def model_specs(agents: Iterable[AgentSpec], options: RunOptions, environ: Mapping[str, str]) -> dict[str, ModelSpec]:
    """How each agent reaches its model.

    Raises:
        UsageError: an agent has no model, the name is wrong, or the provider's key is not set.
    """
    return {agent.name: _spec(agent, options, environ) for agent in agents}


def recorded_models(agents: Iterable[AgentSpec], options: RunOptions) -> dict[str, ModelSpec]:
    """The models whose recorded answers are given again: names alone, with nothing to reach them by."""
    found: dict[str, ModelSpec] = {}
    for agent in agents:
        name = options.models.get(agent.name) or agent.model or options.models.get("default") or "recorded:unknown"
        provider, _, model = name.partition(":")
        found[agent.name] = ModelSpec(provider=provider, name=model)
    return found


def model_of(agent: AgentSpec, options: RunOptions, environ: Mapping[str, str]) -> str | None:
    """The `provider:model` that an agent asks, if there is one."""
    return options.models.get(agent.name) or agent.model or options.models.get("default") or default_model(environ)


def _spec(agent: AgentSpec, options: RunOptions, environ: Mapping[str, str]) -> ModelSpec:
    name = model_of(agent, options, environ)
    if not name:
        raise UsageError(f"no model is set for the agent {agent.name}", NO_MODEL_HINT)
    ref = ModelRef.parse(name)
    base_url = environ.get(_BASE_URLS.get(ref.provider, "")) or None
    key = next((environ[one] for one in KEYS.get(ref.provider, ()) if environ.get(one)), None)
    if key is None and ref.provider in KEYS:
        if not base_url:
            raise UsageError(f"{ref} needs {' or '.join(KEYS[ref.provider])}, which is not set", NO_MODEL_HINT)
        key = "none"  # local servers ask for no key, but the clients insist on one
    ceilings = options.ceilings
    limited = ceilings.usd_micro is not None or ceilings.tokens is not None
    return ModelSpec(
        provider=ref.provider,
        name=ref.name,
        base_url=base_url,
        api_key=key,
        timeout=options.model_timeout,
        max_tokens=options.max_answer if limited else None,
    )


def check_models(agents: Iterable[AgentSpec], options: RunOptions, environ: Mapping[str, str]) -> None:
    """Raise UsageError now rather than in the middle of a run: keys, names, and that a journal's file is there."""
    for spec in model_specs(agents, options, environ).values():
        if spec.provider == "journal" and not Path(spec.name).is_file():
            raise UsageError(
                f"there is no journal at {spec.name!r}", "Check the path behind journal: in the model's name."
            )
