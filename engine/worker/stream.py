"""The stream of a conversation: AG2's own, which calls plain handlers as they are.

AG2 builds a pydantic model around each handler at every turn, to find out what it wants to be given, and asks that
model at every event. Nearly all handlers, AG2's and ours, want the event, or the event and the context. A worker lives
for one attempt and spent most of its own time on building what was then thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import CO_VARARGS, CO_VARKEYWORDS, iscoroutinefunction, isfunction, ismethod
from typing import Any, overload
from uuid import uuid4

from ag2 import Context, MemoryStream
from ag2.context import SubId
from ag2.events import BaseEvent
from ag2.events.conditions import Condition
from ag2.utils import CONTEXT_OPTION_NAME


class DirectStream(MemoryStream):
    """A stream in memory whose plain handlers cost no more than a call. Others are handled as AG2 does."""

    @overload
    def subscribe(
        self,
        func: Callable[..., Any],
        *,
        interrupt: bool = False,
        sync_to_thread: bool = True,
        condition: Condition | None = None,
    ) -> SubId: ...

    @overload
    def subscribe(
        self,
        func: None = None,
        *,
        interrupt: bool = False,
        sync_to_thread: bool = True,
        condition: Condition | None = None,
    ) -> Callable[[Callable[..., Any]], SubId]: ...

    def subscribe(
        self,
        func: Callable[..., Any] | None = None,
        *,
        interrupt: bool = False,
        sync_to_thread: bool = True,
        condition: Condition | None = None,
    ) -> Callable[[Callable[..., Any]], SubId] | SubId:
        if func is None:
            return super().subscribe(interrupt=interrupt, sync_to_thread=sync_to_thread, condition=condition)
        takes = None if interrupt else _takes(func)
        if takes is None:
            return super().subscribe(func, interrupt=interrupt, sync_to_thread=sync_to_thread, condition=condition)
        identity = uuid4()
        direct: Any = _Direct(func, with_context=takes == 2)
        self._subscribers[identity] = (condition, direct)
        return identity


class _Direct:
    """Stands where AG2 keeps its model of a handler, and is asked as that is."""

    __slots__ = ("_handler", "_with_context")

    def __init__(self, handler: Callable[..., Any], *, with_context: bool) -> None:
        self._handler, self._with_context = handler, with_context

    async def asolve(self, event: BaseEvent, **options: Any) -> Any:
        if self._with_context:
            return await self._handler(event, options[CONTEXT_OPTION_NAME])
        return await self._handler(event)


def _takes(handler: Callable[..., Any]) -> int | None:
    """1 for a coroutine function of an event, 2 for one of an event and the context, None for anything else."""
    function: Any = handler.__func__ if ismethod(handler) else handler
    if not (isfunction(function) and iscoroutinefunction(function)):
        return None
    code = function.__code__
    if code.co_kwonlyargcount or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS):
        return None
    names = code.co_varnames[1 if ismethod(handler) else 0 : code.co_argcount]
    if len(names) == 2 and function.__annotations__.get(names[1]) not in (Context, "Context"):
        return None
    return len(names) if len(names) in (1, 2) else None
