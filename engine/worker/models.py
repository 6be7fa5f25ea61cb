"""How a model is reached: AG2's own clients, loaded only when they are asked for, and their token counts made alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from importlib import import_module
from typing import Any, TypeAlias, TypeVar

from ag2.config import ModelConfig
from ag2.events import Usage

from engine.model.agents import AgentSpec
from engine.model.frames import MOST, ModelSpec
from engine.worker.context import Attempt
from engine.worker.failures import AttemptFailed, asked_to_wait, status_of
from engine.worker.replayed import UnaskedConfig
from engine.worker.scripted import ScriptedConfig

Answer = TypeVar("Answer")
Sending: TypeAlias = Callable[[Any], Awaitable[None]]

CONNECT_TIMEOUT = 15.0  # seconds
PATIENCE = 120.0  # seconds that a worker waits because a server asks for it
ANTHROPIC_MAX_TOKENS = 16_000  # of one answer; Anthropic's API wants a number


def model_config(
    attempt: Attempt, agent: AgentSpec, calls: Callable[[], int], sending: Sending | None = None
) -> ModelConfig:
    """The AG2 configuration for an agent's model. `calls` tells the number of the model call that is being made;
    `sending` is awaited before each request goes out, those that the provider's client makes again too.

    Raises:
        AttemptFailed: the provider is unknown, or its package is not installed.
    """
    model = attempt.spec.models[agent.name]
    if attempt.spec.replay is not None:
        return UnaskedConfig(model.name)
    if model.provider == "journal":
        return ScriptedConfig(attempt.spec, agent.name, model.name, calls)
    makers = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini, "ollama": _ollama}
    if model.provider not in makers:
        raise AttemptFailed(
            "setup", f"unknown model provider {model.provider!r}", f"There are {', '.join(makers)} and journal."
        )
    return makers[model.provider](model, agent, _Connections(attempt.closing, sending))


async def patiently(model: ModelSpec, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask, and ask again after a 429 or a 5xx, for the providers whose clients do not; others are asked once.

    A Retry-After is obeyed, if it is short: beyond that the attempt is over, and is retried when the time has come.
    """
    retries = model.retries if model.provider in ("gemini", "ollama") else 0
    for tried in range(retries):
        try:
            return await ask()
        except Exception as error:
            status = status_of(error)
            if status is None or (status != 429 and status < 500):
                raise
            asked = asked_to_wait(error)
            if asked is not None and asked > PATIENCE:
                raise
            await asyncio.sleep(0.5 * 2**tried if asked is None else asked)
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
    return _count(prompt), _count(completion), _count(cached)


def _count(tokens: float) -> int:
    """What a server counts, whatever it says, as a number of tokens."""
    return min(max(int(tokens), 0), MOST)


def _openai(model: ModelSpec, agent: AgentSpec, connections: _Connections) -> ModelConfig:
    config = _load("openai", "OpenAIConfig")
    optional: dict[str, Any] = {} if agent.temperature is None else {"temperature": agent.temperature}
    if model.max_tokens is not None:
        optional["max_completion_tokens"] = model.max_tokens
    return config(
        model.name,
        api_key=_key(model),
        base_url=model.base_url,
        streaming=True,
        max_retries=model.retries,
        **connections.of_sdk("openai", model),
        **optional,
    )


def _anthropic(model: ModelSpec, agent: AgentSpec, connections: _Connections) -> ModelConfig:
    return _load("anthropic", "AnthropicConfig")(
        model.name,
        max_tokens=min(ANTHROPIC_MAX_TOKENS, model.max_tokens or ANTHROPIC_MAX_TOKENS),
        api_key=_key(model),
        base_url=model.base_url,
        temperature=agent.temperature,
        streaming=True,
        max_retries=model.retries,
        **connections.of_sdk("anthropic", model),
    )


def _gemini(model: ModelSpec, agent: AgentSpec, connections: _Connections) -> ModelConfig:
    return _load("gemini", "GeminiConfig")(
        model.name,
        max_output_tokens=model.max_tokens,
        api_key=_key(model),
        temperature=agent.temperature,
        streaming=True,
        http_client=connections.plain(model),
    )


def _ollama(model: ModelSpec, agent: AgentSpec, connections: _Connections) -> ModelConfig:
    host = {"host": model.base_url} if model.base_url else {}
    return _load("ollama", "OllamaConfig")(
        model.name,
        max_tokens=model.max_tokens,
        api_key=model.api_key,
        temperature=agent.temperature,
        streaming=True,
        http_client=connections.plain(model),
        **host,
    )


class _Connections:
    """Connections that all calls of an agent share and that are closed with the attempt, not by the collector of
    garbage; their time-outs are those of one reading, the whole call has its own."""

    def __init__(self, closing: AsyncExitStack, sending: Sending | None) -> None:
        self._closing = closing
        self._hooks = {"event_hooks": {"request": [sending]}} if sending else {}

    def of_sdk(self, package: str, model: ModelSpec) -> dict[str, Any]:
        """For the client of a provider's package, with its time-out."""
        sdk: Any = import_module(package)
        timeout = sdk.Timeout(model.timeout, connect=min(CONNECT_TIMEOUT, model.timeout))
        client = sdk.DefaultAsyncHttpxClient(timeout=timeout, **self._hooks)
        self._closing.push_async_callback(_close, client)
        return {"http_client": client, "timeout": timeout}

    def plain(self, model: ModelSpec) -> Any:
        """For clients that bring no connection of their own."""
        httpx: Any = import_module("httpx")
        timeout = httpx.Timeout(model.timeout, connect=min(CONNECT_TIMEOUT, model.timeout))
        client = httpx.AsyncClient(timeout=timeout, follow_redirects=True, **self._hooks)
        self._closing.push_async_callback(_close, client)
        return client


async def _close(client: Any) -> None:
    with suppress(Exception):  # nothing is lost when a connection that is given up does not end well
        await client.aclose()


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
