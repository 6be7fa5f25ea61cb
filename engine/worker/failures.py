"""Why an attempt fails, in words that a person can act on; no secret and no traceback gets into them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, cast

from engine.model.frames import Failure, ModelSpec
from engine.model.text import clean, one_line

_KEY_VARIABLE = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}
_URL_VARIABLE = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL", "ollama": "OLLAMA_HOST"}
_TIMEOUTS = {"TimeoutError", "APITimeoutError", "TimeoutException"}
_CUT_OFF = {"RemoteProtocolError", "ReadError", "IncompleteRead", "IncompleteReadError"}
_UNREACHABLE = {"APIConnectionError", "ConnectError", "ConnectionError", "NetworkError", "TransportError"}
_NOT_JSON = {"JSONDecodeError", "APIResponseValidationError", "UnicodeDecodeError", "ValidationError"}

# The last line of a Python traceback, by the name of its exception. Checked in order.
_CODE_ERRORS = (
    ("import_error", re.compile(r"^(ModuleNotFoundError|ImportError)\b")),
    ("syntax", re.compile(r"^(SyntaxError|IndentationError|TabError)\b")),
    ("file_not_found", re.compile(r"^(FileNotFoundError|.*No such file or directory|.*not found\.?$)")),
    ("memory", re.compile(r"^(MemoryError|numpy\S*ArrayMemoryError)|Unable to allocate")),
    ("permission", re.compile(r"^PermissionError\b")),
    ("network", re.compile(r"^(ConnectionError|ConnectionRefusedError|\S*URLError|socket\.gaierror|\S*SSLError)\b")),
    ("timeout", re.compile(r"^(TimeoutError|\S*Timeout\S*)\b")),
    ("data_shape", re.compile(r"^(KeyError|IndexError|\S*LinAlgError)\b|shape|broadcast|dimension", re.IGNORECASE)),
    ("type_value", re.compile(r"^(TypeError|ValueError|AttributeError|NameError|ZeroDivisionError)\b")),
)


class AttemptFailed(Exception):
    """The attempt is over and has failed; `failure` says why."""

    def __init__(self, category: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.failure = Failure(category=category, message=message, hint=hint)


def redact(text: str, secrets: Iterable[str | None]) -> str:
    """Text without any of the secrets; a secret of fewer than six characters is no secret, but a word ("none")."""
    for secret in secrets:
        if secret and len(secret) >= 6:
            text = text.replace(secret, "[redacted]")
    return text


def code_category(output: str) -> str:
    """What sort of error ended a program, by the last line of its traceback."""
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")
    return next((category for category, pattern in _CODE_ERRORS if pattern.search(last)), "unknown")


def last_lines(text: str, lines: int = 15, limit: int = 2000) -> str:
    """The end of an output: at most so many lines and characters."""
    kept = [line.rstrip() for line in text.strip().splitlines()[-lines:]]
    return "\n".join(kept)[-limit:]


def answer_broke_off(model: ModelSpec) -> AttemptFailed:
    """The stream ended before the model had said that it was done."""
    return AttemptFailed(
        "network",
        f"the answer of {_name(model)} broke off in the middle: {_server(model)} ended the stream early",
        "Nothing of the half answer was used. Try the step again.",
    )


def not_an_answer(model: ModelSpec) -> AttemptFailed:
    """What came is not an answer of this protocol at all."""
    hint = "Check that the address is the API's own and not a web page or a proxy in front of it"
    variable = _URL_VARIABLE.get(model.provider)
    return AttemptFailed(
        "api_error",
        f"what {_server(model)} sent is not an answer of {_name(model)}: it is not the JSON that was asked for",
        f"{hint} ({variable})." if variable else f"{hint}.",
    )


def model_failure(error: BaseException, model: ModelSpec) -> AttemptFailed:
    """What went wrong in a model call, whichever provider's client raised it.

    The clients have no common base class, but they share names and a status code; that is all that is looked at, so
    none of them has to be imported.
    """
    status = status_of(error)
    if status is not None:
        return _refused(status, error, model)
    names = _names(error)
    if names & _TIMEOUTS:
        return AttemptFailed(
            "timeout",
            f"{_name(model)} gave no answer within {model.timeout:g} s",
            "Try the step again, or allow a model call more time.",
        )
    causes = _names(error.__cause__) if error.__cause__ else set[str]()
    if names & _UNREACHABLE and not (names | causes) & _CUT_OFF:
        why = _words(error.__cause__ or error, model)
        variable = _URL_VARIABLE.get(model.provider)
        return AttemptFailed(
            "network",
            f"{_server(model)} cannot be reached ({why})",
            f"Check that it runs and that the network lets you through{f' ({variable})' if variable else ''}.",
        )
    if (names | causes) & _CUT_OFF:
        return answer_broke_off(model)
    if names & _NOT_JSON:
        return not_an_answer(model)
    return AttemptFailed(
        "api_error", f"the call of {_name(model)} failed: {_words(error, model)}", "Try the step again."
    )


def _refused(status: int, error: BaseException, model: ModelSpec) -> AttemptFailed:
    said = _words(error, model)
    if status in (401, 403):
        variable = _KEY_VARIABLE.get(model.provider)
        return AttemptFailed(
            "auth",
            f"{_server(model)} refused the API key ({status})",
            f"Check {variable}, and that the key may use {model.name}." if variable else "Check the server's key.",
        )
    if status == 404:
        return AttemptFailed(
            "model_not_found",
            f"{_server(model)} knows no model {model.name!r} (404: {said})",
            f"Get it with: ollama pull {model.name}"
            if model.provider == "ollama"
            else "Check the model's name and the address of the server.",
        )
    if status == 429:
        return AttemptFailed(
            "rate_limit",
            f"{_server(model)} refused{f', {model.retries} retries included' if model.retries else ''} (429: {said})",
            "Wait, run fewer steps in parallel, or check the account's quota.",
        )
    if status >= 500:
        return AttemptFailed(
            "api_error",
            f"{_server(model)} failed{f' {model.retries + 1} times' if model.retries else ''} ({status}: {said})",
            "This is the provider's trouble. Try the step again later.",
        )
    return AttemptFailed("api_error", f"{_server(model)} refused the request of {_name(model)} ({status}: {said})")


def status_of(error: BaseException) -> int | None:
    """The HTTP status that a provider's client was refused with, if it was."""
    for name in ("status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
            return value
    return None


def _names(error: BaseException) -> set[str]:
    return {base.__name__ for base in type(error).__mro__}


def _name(model: ModelSpec) -> str:
    return clean(f"{model.provider}:{model.name}")


def _server(model: ModelSpec) -> str:
    # Credentials may stand in an address.
    address = re.sub(r"//[^/@]*@", "//", model.base_url or "")
    return clean(f"the model server at {address}" if address else model.provider)


def _words(error: BaseException, model: ModelSpec) -> str:
    """What the server or the system said about it, short."""
    body = getattr(error, "body", None)
    text = ""
    if isinstance(body, dict):
        outer = cast(dict[str, Any], body)
        inner: Any = outer["error"] if isinstance(outer.get("error"), dict) else outer
        told: object = inner.get("message") or inner.get("error")
        text = told if isinstance(told, str) else json.dumps(body, default=str)
    elif isinstance(body, str):
        text = body
    return one_line(redact(text or str(error) or type(error).__name__, [model.api_key]), 200)
