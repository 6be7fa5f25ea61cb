"""What went wrong is told from how a program ended and what it printed, and from what a provider's client raised."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.model.frames import MAX_WAIT, ModelSpec
from engine.worker.failures import asked_to_wait, code_kind, model_failure

MODEL = ModelSpec(provider="openai", name="gpt-5", base_url="http://localhost/v1")
TRACE = 'Traceback (most recent call last):\n  File "fit.py", line 3, in <module>\n    go()\n'
LINES = {
    "ModuleNotFoundError: No module named 'camb'": "import_error",
    "ImportError: cannot import name 'simps' from 'scipy.integrate'": "import_error",
    "SyntaxError: '(' was never closed": "syntax",
    "IndentationError: unexpected indent": "syntax",
    "FileNotFoundError: [Errno 2] No such file or directory: 'data/data.csv'": "file_not_found",
    "OSError: data/data.csv not found.": "file_not_found",
    "sh: 1: gfortran: not found": "file_not_found",
    "MemoryError": "memory",
    "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 75 GiB": "memory",
    "OSError: [Errno 28] No space left on device": "memory",
    "PermissionError: [Errno 13] Permission denied: '/etc/shadow'": "permission",
    "OSError: [Errno 30] Read-only file system: '/usr/x'": "permission",
    "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>": "code_network",
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x'): Max retries exceeded": "code_network",
    "ConnectionRefusedError: [Errno 111] Connection refused": "code_network",
    "socket.gaierror: [Errno -2] Name or service not known": "code_network",
    "TimeoutError: the fit took too long": "code_timeout",
    "subprocess.TimeoutExpired: Command 'x' timed out after 5 seconds": "code_timeout",
    "ValueError: operands could not be broadcast together with shapes (3,) (4,)": "data_shape",
    "KeyError: 'flux'": "data_shape",
    "KeyError: \"column 'flux' not found\"": "data_shape",
    "IndexError: index 5 is out of bounds for axis 0 with size 5": "data_shape",
    "numpy.linalg.LinAlgError: Singular matrix": "data_shape",
    "TypeError: unsupported operand type(s) for +: 'int' and 'str'": "type_value",
    "ValueError: could not convert string to float: 'x'": "type_value",
    "NameError: name 'np' is not defined": "type_value",
    "AssertionError: the fit did not converge": "type_value",
    "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)": "type_value",
    "astropy.units.core.UnitsOddity: what is this?": "unknown",
    "there is no such thing": "unknown",
    "": "unknown",
}


@pytest.mark.parametrize("line", LINES)
def test_the_last_line_of_a_traceback(line: str) -> None:
    assert code_kind(f"{TRACE}{line}\n", exit_code=1) == LINES[line]


def test_an_error_of_several_lines_and_one_that_was_printed_on() -> None:
    assert code_kind(f"{TRACE}ValueError: wrong:\n  the parameters\n  of the fit\n", exit_code=1) == "type_value"
    assert code_kind("SyntaxError: no\nTypeError: yes\nGiving up.", exit_code=1) == "type_value", "the last one counts"


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"timed_out": True, "signal": "SIGTERM"}, "code_timeout"),
        ({"signal": "SIGKILL"}, "memory"),
        ({"signal": "SIGXCPU"}, "code_timeout"),
        ({"signal": "SIGSEGV"}, "unknown"),
        ({"exit_code": 137}, "memory"),
        ({"exit_code": 124}, "code_timeout"),
        ({"exit_code": 126}, "permission"),
        ({"exit_code": 127}, "file_not_found"),
        ({"exit_code": 3}, "unknown"),
    ],
)
def test_how_a_program_ended(how: dict[str, Any], kind: str) -> None:
    assert code_kind("it says nothing", **how) == kind


class ServerError(Exception):
    """As the clients raise it: with a status, a body, and the response."""

    def __init__(self, status: int, body: object = None, **headers: str) -> None:
        super().__init__("the server's words")
        self.status_code, self.body = status, body
        self.response = SimpleNamespace(headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ServerError(401), "auth"),
        (ServerError(403), "auth"),
        (ServerError(404), "model_not_found"),
        (ServerError(400), "request_refused"),
        (ServerError(413), "request_refused"),
        (ServerError(400, {"error": {"message": "no", "code": "context_length_exceeded"}}), "context_length"),
        (ServerError(400, {"message": "This model's maximum context length is 8192 tokens"}), "context_length"),
        (ServerError(413, {"message": "prompt is too long: 210000 tokens > 200000 maximum"}), "context_length"),
        (ServerError(400, {"error": {"message": "no", "code": "content_filter"}}), "content_filter"),
        (ServerError(403, {"error": {"message": "no", "code": "billing_not_active"}}), "quota"),
        (ServerError(402), "quota"),
        (ServerError(429), "rate_limit"),
        (ServerError(429, {"error": {"message": "no", "code": "insufficient_quota"}}), "quota"),
        (ServerError(429, {"message": "no", "type": "insufficient_quota"}), "quota"),
        (ServerError(408), "timeout"),
        (ServerError(409), "api_error"),
        (ServerError(500), "api_error"),
        (ServerError(529), "api_error"),
        (TimeoutError(), "timeout"),
        (ConnectionError("gone"), "network"),
        (RuntimeError("?"), "api_error"),
    ],
)
def test_what_a_provider_refuses_with(error: Exception, kind: str) -> None:
    assert model_failure(error, MODEL).failure.category == kind


def test_how_long_a_server_asks_to_be_left_alone() -> None:
    assert asked_to_wait(ServerError(429)) is None
    assert asked_to_wait(ServerError(429, retry_after="7.5")) == 7.5
    assert asked_to_wait(ServerError(429, retry_after="8", retry_after_ms="7500")) == 7.5
    later = {"date": "Wed, 21 Oct 2026 07:28:00 GMT", "retry_after": "Wed, 21 Oct 2026 07:28:30 GMT"}
    assert asked_to_wait(ServerError(429, **later)) == 30.0
    for nonsense in ("soon", "nan", "inf", ""):
        assert asked_to_wait(ServerError(429, retry_after=nonsense)) is None
    assert asked_to_wait(ServerError(429, retry_after="-3")) == 0.0
    assert asked_to_wait(ServerError(429, retry_after="1e99")) == MAX_WAIT
    for status in (429, 503, 408):
        assert model_failure(ServerError(status, retry_after="30"), MODEL).failure.retry_after == 30.0
