"""How a model is reached: AG2's own clients, loaded only when they are asked for, and their token counts made alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, TypeVar

from ag2.config import ModelConfig
from ag2.events import Usage

from engine.model.agents import AgentSpec
from engine.model.frames import ModelSpec, WorkerSpec
from engine.worker.failures import AttemptFailed, status_of
from engine.worker.scripted import ScriptedConfig

Answer = TypeVar("Answer")

CONNECT_TIMEOUT = 15.0  # seconds
ANTHROPIC_MAX_TOKENS = 16_000  # of one answer; Anthropic's API wants a number


def model_config(model: ModelSpec, agent: AgentSpec, spec: WorkerSpec, calls: Callable[[], int]) -> ModelConfig:
    """The AG2 configuration for an agent's model. `calls` tells the number of the model call that is being made.

    Raises:
        AttemptFailed: the provider is unknown, or its package is not installed.
    """
    if model.provider == "journal":
        return ScriptedConfig(spec, agent.name, model.name, calls)
    makers = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini, "ollama": _ollama}
    if model.provider not in makers:
        raise AttemptFailed(
            "setup", f"unknown model provider {model.provider!r}", f"There are {', '.join(makers)} and journal."
        )
    return makers[model.provider](model, agent)


async def patiently(model: ModelSpec, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask, and ask again after a 429 or a 5xx, for the providers whose clients do not; others are asked once.

    A Retry-After in seconds is obeyed.
    """
    retries = model.retries if model.provider in ("gemini", "ollama") else 0
    for tried in range(retries):
        try:
            return await ask()
        except Exception as error:
            status = status_of(error)
            if status is None or (status != 429 and status < 500):
                raise
            headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
            asked = str(headers.get("retry-after", ""))
            await asyncio.sleep(float(asked) if asked.replace(".", "", 1).isdigit() else 0.5 * 2**tried)
    return await ask()


def inclusive_usage(provider: str, usage: Usage) -> tuple[int, int, int]:
    """(prompt, completion, cached) tokens, where prompt includes cached ones and completion includes reasoning.

    AG2 hands on what each provider counts: Anthropic's prompt leaves out what was read from or written to its cache,
    and Gemini's completion leaves out the thoughts.
    """
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    cached = usage.cache_read_input_tokens or 0
    if provider == "anthropic":
        prompt += cached + (usage.cache_creation_input_tokens or 0)
    if provider == "gemini":
        completion += usage.thinking_tokens or 0
    return int(prompt), int(completion), int(cached)


def _openai(model: ModelSpec, agent: AgentSpec) -> ModelConfig:
    config = _load("openai", "OpenAIConfig")
    timeout: Any = import_module("openai").Timeout(model.timeout, connect=min(CONNECT_TIMEOUT, model.timeout))
    optional = {} if agent.temperature is None else {"temperature": agent.temperature}
    return config(
        model.name,
        api_key=_key(model),
        base_url=model.base_url,
        streaming=True,
        timeout=timeout,
        max_retries=model.retries,
        **optional,
    )


def _anthropic(model: ModelSpec, agent: AgentSpec) -> ModelConfig:
    return _load("anthropic", "AnthropicConfig")(
        model.name,
        max_tokens=ANTHROPIC_MAX_TOKENS,
        api_key=_key(model),
        base_url=model.base_url,
        temperature=agent.temperature,
        streaming=True,
        timeout=model.timeout,
        max_retries=model.retries,
    )


def _gemini(model: ModelSpec, agent: AgentSpec) -> ModelConfig:
    return _load("gemini", "GeminiConfig")(
        model.name, api_key=_key(model), temperature=agent.temperature, streaming=True
    )


def _ollama(model: ModelSpec, agent: AgentSpec) -> ModelConfig:
    host = {"host": model.base_url} if model.base_url else {}
    return _load("ollama", "OllamaConfig")(
        model.name, api_key=model.api_key, temperature=agent.temperature, streaming=True, **host
    )


def _load(provider: str, name: str) -> Callable[..., ModelConfig]:
    try:
        return getattr(import_module(f"ag2.config.{provider}"), name)
    except ImportError:
        extra = f"pip install 'cmbagent-tui[{provider}]'" if provider != "openai" else "pip install 'ag2[openai]'"
        raise AttemptFailed(
            "setup", f"models of {provider} need a package that is not installed", f"Install it: {extra}"
        ) from None


def _key(model: ModelSpec) -> str:
    if model.api_key:
        return model.api_key
    if model.base_url:
        return "none"  # local servers ask for no key, but the clients insist on one
    raise AttemptFailed(
        "auth", f"there is no API key for {model.provider}", f"Set {model.provider.upper()}_API_KEY and try again."
    )
