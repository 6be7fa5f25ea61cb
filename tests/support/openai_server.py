"""A model server on loopback that speaks the chat-completions protocol as the real ones do, and fails as they do.

    with OpenAIServer() as server:
        server.answer(plan({"title": …, "steps": […]}), role="planner")
        server.answer(review(), role="plan_reviewer")
        server.answer(call("run_code", filename="fit.py", code="…", explanation="…"), text("Done."), about="Fit")
        …  OPENAI_BASE_URL=server.base_url  OPENAI_API_KEY=server.key

Answers are queued by role and by what the first message is about; a request takes the first answer of the most specific
queue that fits it. A role is recognised by what the request asks for: the form "plan" is the planner's, "review" the
reviewer's; who may run code is the engineer, and who may only write is the researcher. A request that nothing was
queued for is refused with a 418 that says so.

The server is strict where the real one is: a schema that strict mode would refuse, a tool call left without its result,
arguments in the history that are no JSON, a wrong key or an unknown model are errors.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.openai_wire import Json, Request, conform, history_problem, schema_problem


@dataclass(frozen=True)
class Answer:
    """What the model says. `calls` are (tool, arguments as text), tokens (prompt, completion, cached, reasoning)."""

    content: str | None = None
    calls: tuple[tuple[str, str], ...] = ()
    tokens: tuple[int, int, int, int] = (100, 20, 0, 0)
    piece: int = 16  # characters of one chunk
    pause: float = 0.0  # seconds between chunks
    finish: str | None = None


@dataclass(frozen=True)
class Refused:
    """An HTTP error with the body that OpenAI's errors have."""

    status: int
    message: str = "refused by the test"
    retry_after: float | None = None
    code: str | None = None  # the name that the error has
    as_date: bool = False  # the time to come again at is said as a date


@dataclass(frozen=True)
class CutInHalf:
    """The stream ends in the middle: politely (the body just ends) or by a broken connection."""

    content: str = "The first half of an answer that was meant to be longer"
    politely: bool = False


@dataclass(frozen=True)
class NotJson:
    """A page where an answer should be; with `in_stream`, garbage within the event stream."""

    body: str = "<html><body>Welcome to the hotel's wireless network</body></html>"
    in_stream: bool = False


@dataclass(frozen=True)
class Silence:
    """The request is taken and never answered; with `after`, the stream stops after that much of an answer."""

    after: str = ""


@dataclass(frozen=True)
class Hangup:
    """The connection is closed without a word."""


@dataclass(frozen=True)
class Held:
    """An answer that comes when the test opens its gate: until then the call is in flight."""

    answer: Answer
    gate: threading.Event


Move = Held | Answer | Refused | CutInHalf | NotJson | Silence | Hangup


def text(content: str, **more: Any) -> Answer:
    """A plain answer."""
    return Answer(content, **more)


def call(tool: str, /, **arguments: Any) -> Answer:
    """One tool call."""
    return Answer(calls=((tool, json.dumps(arguments)),))


def calls(*several: Answer) -> Answer:
    """Several tool calls in one answer."""
    return Answer(calls=tuple(one for answer in several for one in answer.calls))


def bad_call(tool: str, arguments: str) -> Answer:
    """A tool call whose arguments are any text."""
    return Answer(calls=((tool, arguments),))


def plan(data: Json) -> Answer:
    """A plan in the contract's form; it is brought into the form that the request asks for."""
    return Answer(json.dumps(data))


def review(*remarks: str, approved: bool | None = None) -> Answer:
    """A review; without remarks it approves."""
    return Answer(json.dumps({"approved": not remarks if approved is None else approved, "remarks": list(remarks)}))


@dataclass
class _Queue:
    role: str | None
    about: str | None
    moves: deque[Move] = field(default_factory=deque)
    again: Move | None = None  # once `moves` is empty

    def fits(self, request: Request) -> bool:
        if not self.moves and self.again is None:
            return False
        return (self.role is None or self.role == request.role) and (self.about is None or self.about in request.first)


class OpenAIServer:
    """The server; use it as a context manager. `requests` holds what was asked, in order of arrival."""

    def __init__(self, *, models: tuple[str, ...] = ("test-model",), key: str = "sk-test-5ecret-k3y") -> None:
        self.models, self.key = models, key
        self.requests: list[Request] = []
        self._queues: list[_Queue] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.owner = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base_url(self) -> str:
        """For OPENAI_BASE_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def count(self) -> int:
        """How often a model was asked, retries included."""
        return len(self.requests)

    def answer(self, *moves: Move, role: str | None = None, about: str | None = None) -> None:
        """Queue answers for the requests of a role, or for those whose first message holds a text."""
        self._queue(role, about).moves.extend(moves)

    def always(self, move: Move, role: str | None = None, about: str | None = None) -> None:
        """What such requests are answered with once their queue is empty."""
        self._queue(role, about).again = move

    def asked(self, role: str) -> list[Request]:
        """The requests of one role."""
        return [one for one in self.requests if one.role == role]

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _queue(self, role: str | None, about: str | None) -> _Queue:
        with self._lock:
            for queue in self._queues:
                if (queue.role, queue.about) == (role, about):
                    return queue
            self._queues.append(_Queue(role, about))
            return self._queues[-1]

    def _next(self, request: Request) -> Move:
        with self._lock:
            self.requests.append(request)
            fitting = [queue for queue in self._queues if queue.fits(request)]
            if not fitting:
                about = request.first.replace("\n", " ")[:200]
                return Refused(418, f"the test queued no answer for role {request.role}: {about}")
            queue = max(fitting, key=lambda one: (one.about is not None, one.role is not None))
            if queue.moves:
                return queue.moves.popleft()
            assert queue.again is not None
            return queue.again

    def _problem(self, request: Request) -> Refused | None:
        """Why the real server would refuse this request."""
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return Refused(401, f"Incorrect API key provided: {request.headers.get('authorization', '')[7:]}.")
        if request.body.get("model") not in self.models:
            return Refused(404, f"The model `{request.body.get('model')}` does not exist or you do not have access.")
        wrong = history_problem(request.messages) or (schema_problem(request.schema) if request.schema else None)
        return Refused(400, wrong) if wrong else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        owner: OpenAIServer = self.server.owner  # type: ignore[attr-defined]
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        request = Request(json.loads(raw), {k.lower(): v for k, v in self.headers.items()}, time.monotonic())
        if not self.path.endswith("/chat/completions"):
            self._error(Refused(404, f"no such path {self.path}"))
            return
        problem = owner._problem(request)
        if problem:
            with owner._lock:
                owner.requests.append(request)
        move = problem or owner._next(request)
        try:
            self._play(move, request, owner)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _play(self, move: Move, request: Request, owner: OpenAIServer) -> None:
        match move:
            case Refused():
                self._error(move)
            case Held():
                while not move.gate.wait(0.02) and not owner._closing.is_set():
                    pass
                self._play(move.answer, request, owner)
            case Hangup():
                self.close_connection = True
                self.connection.close()
            case NotJson(in_stream=False):
                self._whole(200, move.body.encode(), "text/html")
            case Silence(after=""):
                owner._closing.wait()
                self.close_connection = True
            case NotJson() | Silence() | CutInHalf():
                self._broken(move, request, owner)
            case Answer():
                content = move.content
                if content is not None and request.schema:
                    with suppress(ValueError):  # a test may want an answer that is none
                        content = json.dumps(conform(request.schema, json.loads(content)))
                if request.body.get("stream"):
                    self._stream(move, content, request)
                else:
                    self._completion(move, content, request)

    def _broken(self, move: NotJson | Silence | CutInHalf, request: Request, owner: OpenAIServer) -> None:
        self._begin()
        if isinstance(move, NotJson):
            self._chunk(b"data: this is not JSON {{{\n\n")
            self._chunk(b"")
            return
        shown = move.after if isinstance(move, Silence) else move.content
        self._event(_chunk(request, {"role": "assistant", "content": shown}))
        if isinstance(move, Silence):
            owner._closing.wait()
        elif move.politely:
            self._chunk(b"")
            return
        self.close_connection = True
        self.connection.close()

    def _stream(self, move: Answer, content: str | None, request: Request) -> None:
        self._begin()
        self._event(_chunk(request, {"role": "assistant", "content": ""}))
        for at in range(0, len(content or ""), move.piece):
            self._event(_chunk(request, {"content": (content or "")[at : at + move.piece]}))
            time.sleep(move.pause)
        for index, (name, arguments) in enumerate(move.calls):
            head = {"index": index, "id": _call_id(request, index), "type": "function"}
            self._event(_chunk(request, {"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]}))
            half = len(arguments) // 2
            for part in (arguments[:half], arguments[half:]):
                self._event(_chunk(request, {"tool_calls": [{"index": index, "function": {"arguments": part}}]}))
        self._event(_chunk(request, {}, move.finish or ("tool_calls" if move.calls else "stop")))
        if (request.body.get("stream_options") or {}).get("include_usage"):
            self._event({**_chunk(request, {}), "choices": [], "usage": _usage(move)})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _completion(self, move: Answer, content: str | None, request: Request) -> None:
        functions = [
            {"id": _call_id(request, i), "type": "function", "function": {"name": name, "arguments": arguments}}
            for i, (name, arguments) in enumerate(move.calls)
        ]
        message = {"role": "assistant", "content": content, **({"tool_calls": functions} if functions else {})}
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": move.finish or ("tool_calls" if functions else "stop"),
        }
        body = {**_head(request, "chat.completion"), "choices": [choice], "usage": _usage(move)}
        self._whole(200, json.dumps(body).encode())

    def _error(self, move: Refused) -> None:
        kind = {401: "invalid_request_error", 404: "invalid_request_error", 429: "rate_limit_error"}
        body = {"error": {"message": move.message, "type": kind.get(move.status, "server_error"), "code": move.code}}
        extra = {} if move.retry_after is None else {"Retry-After": f"{move.retry_after:g}"}
        if move.retry_after is not None and move.as_date:
            extra = {"Retry-After": formatdate(time.time() + move.retry_after, usegmt=True)}
        self._whole(move.status, json.dumps(body).encode(), extra=extra)

    def _whole(self, status: int, body: bytes, kind: str = "application/json", extra: Json | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _event(self, data: Json) -> None:
        self._chunk(f"data: {json.dumps(data)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _head(request: Request, kind: str) -> Json:
    return {"id": f"chatcmpl-{id(request):x}", "object": kind, "created": 1, "model": request.body["model"]}


def _chunk(request: Request, delta: Json, finish: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_head(request, "chat.completion.chunk"), "choices": [choice]}


def _call_id(request: Request, index: int) -> str:
    # Random in reality: nothing may depend on it.
    return f"call_{time.time_ns():x}_{index}"


def _usage(move: Answer) -> Json:
    prompt, completion, cached, reasoning = move.tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
