"""Why an attempt fails, in words that a person can act on; no secret and no traceback gets into them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, cast

from engine.model.frames import MAX_WAIT, Failure, ModelSpec
from engine.model.text import clean, one_line

_KEY_VARIABLE = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}
_URL_VARIABLE = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL", "ollama": "OLLAMA_HOST"}
_TIMEOUTS = {"TimeoutError", "APITimeoutError", "TimeoutException"}
_CUT_OFF = {"RemoteProtocolError", "ReadError", "IncompleteRead", "IncompleteReadError"}
_UNREACHABLE = {"APIConnectionError", "ConnectError", "ConnectionError", "NetworkError", "TransportError"}
_NOT_JSON = {"JSONDecodeError", "APIResponseValidationError", "UnicodeDecodeError", "ValidationError"}

# The line of a Python traceback that names its exception, or what a system says in its place. Checked in order.
_CODE_ERRORS = (
    ("import_error", re.compile(r"^(ModuleNotFoundError|ImportError)\b")),
    ("syntax", re.compile(r"^(SyntaxError|IndentationError|TabError)\b")),
    (
        "file_not_found",
        re.compile(r"^FileNotFoundError\b|No such file or directory|^OSError: .* not found\.?$|: not found$"),
    ),
    (
        "memory",
        re.compile(r"^(MemoryError|\S*ArrayMemoryError)\b|Unable to allocate|[Cc]annot allocate memory|No space left"),
    ),
    ("permission", re.compile(r"^PermissionError\b|Permission denied|Operation not permitted|Read-only file system")),
    (
        "code_network",
        re.compile(
            r"^(\S*ConnectionError|Connection\w+Error|\S*URLError|\S*HTTPError|socket\.gaierror|\S*SSLError)\b"
            r"|Network is unreachable|[Nn]ame resolution|Name or service not known|Connection refused"
        ),
    ),
    ("code_timeout", re.compile(r"^(TimeoutError|\S*Timeout\S*)\b")),
    ("data_shape", re.compile(r"^(KeyError|IndexError|\S*LinAlgError)\b|shape|broadcast|dimension", re.IGNORECASE)),
    (
        "type_value",
        re.compile(
            r"^(TypeError|ValueError|AttributeError|NameError|UnboundLocalError|ZeroDivisionError|OverflowError"
            r"|FloatingPointError|RecursionError|AssertionError|Unicode\w+Error|\S*JSONDecodeError)\b"
        ),
    ),
)
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Timeout)\b")
# What shells and systems end programs with; a signal's number is added to 128.
_EXITS = {124: "code_timeout", 126: "permission", 127: "file_not_found", 137: "memory", 152: "code_timeout"}
_SIGNALS = {"SIGKILL": "memory", "SIGXCPU": "code_timeout", "SIGXFSZ": "permission", "SIGSYS": "permission"}
_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_FILTERED = {"content_filter", "content_policy_violation"}
_FILTERED_ENDS = {"content_filter", "refusal", "safety", "prohibited_content", "blocklist"}  # how an answer may end
_TOO_LONG = re.compile(
    r"context[ _](?:length|window)|maximum context|prompt is too long|too many (?:input )?tokens|exceed\w* the .{0,40}"
    r"(?:token|context)",
    re.IGNORECASE,
)


class AttemptFailed(Exception):
    """The attempt is over and has failed; `failure` says why (see engine.model.frames.Failure)."""

    def __init__(
        self, category: str, message: str, hint: str = "", *, detail: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.failure = Failure(category=category, message=message, hint=hint, detail=detail, retry_after=retry_after)


def redact(text: str, secrets: Iterable[str | None]) -> str:
    """Text without any of the secrets; a secret of fewer than six characters is no secret, but a word ("none")."""
    for secret in secrets:
        if secret and len(secret) >= 6:
            text = text.replace(secret, "[redacted]")
    return text


def code_kind(output: str, *, exit_code: int | None = None, signal: str | None = None, timed_out: bool = False) -> str:
    """What sort of error ended a program, as a kind of engine.model.failures: by how it ended, where that tells, else
    by the last line that it printed, or the last that names an exception."""
    if timed_out:
        return "code_timeout"
    if signal in _SIGNALS:
        return _SIGNALS[signal]
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    exceptions = [line for line in lines if _EXCEPTION.match(line)]
    for line in [*lines[-1:], *exceptions[-1:]]:
        for kind, pattern in _CODE_ERRORS:
            if pattern.search(line):
                return kind
    return _EXITS.get(exit_code or 0, "unknown")


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


def answered_nothing(model: ModelSpec) -> AttemptFailed:
    """The answer is over, and there was nothing in it."""
    return AttemptFailed(
        "empty_answer",
        f"{_name(model)} answered with nothing: no word, and no call of a tool",
        "Try the step again, or give it another model.",
    )


def is_filtered(finish_reason: str | None) -> bool:
    """Whether an answer ended because the provider's filter stopped it."""
    return (finish_reason or "").lower() in _FILTERED_ENDS


def filtered(model: ModelSpec, said: str = "") -> AttemptFailed:
    """The provider refuses to have this said to its model, or by it."""
    return AttemptFailed(
        "content_filter",
        f"the provider's filter stopped {_name(model)}{f' ({said})' if said else ''}",
        "Say the task or the step's instructions in other words, or give the step another model.",
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
    said, wait = _words(error, model), asked_to_wait(error)
    often = f" {model.retries + 1} times" if model.retries else ""
    if status == 402 or (status in (403, 429) and _told(error) & _QUOTA):
        return AttemptFailed(
            "quota",
            f"{_server(model)} refused, because the account's quota is used up ({status}: {said})",
            "Check the account's plan and its billing, then try the step again.",
        )
    if status in (400, 403) and _told(error) & _FILTERED:
        return filtered(model, f"{status}: {said}")
    if status in (400, 413, 422) and ("context_length_exceeded" in _told(error) or _TOO_LONG.search(said)):
        return AttemptFailed(
            "context_length",
            f"{_server(model)} refused the request of {_name(model)}, which is longer than it takes ({status}: {said})",
            "Make the step smaller, have it read less at once, or give it a model that takes more.",
        )
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
            retry_after=wait,
        )
    if status == 408:
        return AttemptFailed(
            "timeout", f"{_server(model)} waited too long for the request (408: {said})", retry_after=wait
        )
    if status >= 500 or status in (409, 425):
        return AttemptFailed(
            "api_error",
            f"{_server(model)} failed{often} ({status}: {said})",
            "This is the provider's trouble. Try the step again later.",
            retry_after=wait,
        )
    return AttemptFailed(
        "request_refused", f"{_server(model)} refused the request of {_name(model)} ({status}: {said})"
    )


def asked_to_wait(error: BaseException) -> float | None:
    """How long a server asked to be left alone (Retry-After, as seconds or as a date), in seconds; None: it did not."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    exact, asked = str(headers.get("retry-after-ms", "")), str(headers.get("retry-after", ""))
    exactly = _number(exact)
    seconds = _number(asked) if exactly is None else exactly / 1000
    if seconds is None and asked:
        with suppress(KeyError, TypeError, ValueError):
            until = parsedate_to_datetime(asked)
            seconds = (until - parsedate_to_datetime(str(headers["date"]))).total_seconds()
    return None if seconds is None else min(max(0.0, seconds), MAX_WAIT)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


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


def _told(error: BaseException) -> set[str]:
    """The names that the server gave its error."""
    inner = _body(error)
    return {str(inner.get(name)) for name in ("code", "type")}


def _body(error: BaseException) -> dict[str, Any]:
    """What the server sent about an error, if that is an object; of nested ones the inner."""
    body = getattr(error, "body", None)
    if not isinstance(body, dict):
        return {}
    outer = cast(dict[str, Any], body)
    return cast(dict[str, Any], outer["error"]) if isinstance(outer.get("error"), dict) else outer


def _words(error: BaseException, model: ModelSpec) -> str:
    """What the server or the system said about it, short."""
    body = getattr(error, "body", None)
    text = body if isinstance(body, str) else ""
    if isinstance(body, dict):
        inner = _body(error)
        told: object = inner.get("message") or inner.get("error")
        text = told if isinstance(told, str) else json.dumps(body, default=str)
    return one_line(redact(text or str(error) or type(error).__name__, [model.api_key]), 200)
