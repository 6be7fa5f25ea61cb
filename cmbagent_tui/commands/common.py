"""What commands share: an open engine, and the ways of printing."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cmbagent_tui.settings import Settings, load
from engine.model.errors import UsageError
from engine.model.text import clean

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.model.records import Json

T = TypeVar("T")
_MOST = 4 * 1024 * 1024  # bytes of a file that a person names
_QUIET = 1.0  # seconds between two words about how far it is, and before the first


def out(text: str) -> None:
    """Print data. Its texts were cleaned where they entered; names of directories are cleaned here."""
    print(clean(text))  # noqa: T201


def note(text: str) -> None:
    """Print what is not data."""
    print(clean(text), file=sys.stderr, flush=True)  # noqa: T201


def content(name: str) -> str:
    """The text of a file that a person named.

    Raises:
        UsageError: it is missing, too large, unreadable, or no text.
    """
    path = Path(name)
    try:
        if path.is_file() and path.stat().st_size > _MOST:
            raise UsageError(f"{name} has {path.stat().st_size:,} bytes; at most {_MOST:,} are read")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not text (UTF-8)") from None
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from None


def out_json(value: Json) -> None:
    """Print one JSON object on one line, at once, so that a follower sees it."""
    print(json.dumps(value, ensure_ascii=False), flush=True)  # noqa: T201


@asynccontextmanager
async def opened(settings: Settings, *, drives: bool = False, warm: bool = False) -> AsyncGenerator[Engine, None]:
    """An engine for the body of a command."""
    from cmbagent_tui.wiring import make_engine

    engine = make_engine(settings, drives=drives, warm=warm)
    try:
        await engine.open()
        yield engine
    finally:
        await engine.close()


def with_engine(use: Callable[[Engine], Awaitable[T]], *, drives: bool = False) -> T:
    """Open an engine, use it, close it."""

    async def main() -> T:
        async with opened(load(), drives=drives) as engine:
            return await use(engine)

    return asyncio.run(main())


def telling() -> Callable[[str, int, int], None]:
    """Says on stderr how far something is, when it takes its time."""
    next_word = time.monotonic() + _QUIET

    def tell(what: str, done: int, total: int) -> None:
        nonlocal next_word
        if time.monotonic() >= next_word:
            next_word = time.monotonic() + _QUIET
            note(f"{what}{f': {100 * done // total}%' if total else ' …'}")

    return tell
