"""The stream of a conversation: whoever listens gets what AG2 would give, in the same order."""

from functools import partial
from typing import Annotated, Any

import pytest
from ag2 import Agent, Context, Inject, MemoryStream
from ag2.annotations import Context as AliasedContext
from ag2.context import ConversationContext
from ag2.events import BaseEvent, ModelMessageChunk, ModelRequest
from ag2.testing import TestConfig

from engine.worker.stream import DirectStream


class Listener:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def event_alone(self, event: BaseEvent) -> None:
        self.heard.append(("method", event))

    async def with_context(self, event: BaseEvent, context: AliasedContext) -> None:
        self.heard.append(("method", event, context))

    async def named(self, name: str, event: BaseEvent) -> None:
        self.heard.append((name, event))


@pytest.mark.parametrize("kind", [MemoryStream, DirectStream])
async def test_every_shape_of_handler_is_called_in_the_order_of_subscription(kind):
    stream = kind()
    context = ConversationContext(stream, dependencies={"answer": 42})
    listener, heard = Listener(), []

    async def event_alone(event: BaseEvent) -> None:
        listener.heard.append(("function", event))

    async def with_context(event: BaseEvent, context: Context) -> None:
        listener.heard.append(("function", event, context))

    async def by_name(event: BaseEvent, ctx: "Context") -> None:
        listener.heard.append(("named", event, ctx))

    async def injected(event: BaseEvent, answer: Annotated[int, Inject()]) -> None:
        listener.heard.append(("injected", event, answer))

    def blocking(event: BaseEvent) -> None:
        listener.heard.append(("blocking", event))

    async def any_keywords(event: BaseEvent, **options: Any) -> None:
        heard.append(event)

    for handler in (
        event_alone,
        injected,
        with_context,
        listener.event_alone,
        blocking,
        listener.with_context,
        by_name,
        any_keywords,
        partial(listener.named, "bound"),
    ):
        stream.subscribe(handler)
    event = ModelMessageChunk("a")
    await stream.send(event, context)
    assert listener.heard == [
        ("function", event),
        ("injected", event, 42),
        ("function", event, context),
        ("method", event),
        ("blocking", event),
        ("method", event, context),
        ("named", event, context),
        ("bound", event),
    ]
    assert heard == [event]


async def test_conditions_scopes_and_decorators_hold():
    stream = DirectStream()
    context = ConversationContext(stream)
    heard: list[str] = []

    @stream.subscribe()
    async def everything(event: BaseEvent) -> None:
        heard.append(f"all {type(event).__name__}")

    async def chunks(event: ModelMessageChunk) -> None:
        heard.append(event.content)

    with stream.where(ModelMessageChunk).sub_scope(chunks):
        await stream.send(ModelMessageChunk("one"), context)
        await stream.send(ModelRequest([]), context)
    await stream.send(ModelMessageChunk("two"), context)
    assert heard == ["all ModelMessageChunk", "one", "all ModelRequest", "all ModelMessageChunk"]


async def test_one_that_interrupts_still_stands_before_all_others():
    stream = DirectStream()
    heard: list[BaseEvent] = []

    async def swallow(event: ModelMessageChunk) -> None:
        return None

    async def listen(event: BaseEvent) -> None:
        heard.append(event)

    stream.subscribe(listen)
    stream.where(ModelMessageChunk).subscribe(swallow, interrupt=True)
    await stream.send(ModelMessageChunk("one"), ConversationContext(stream))
    assert heard == []


async def test_a_turn_leaves_the_same_history_as_on_ag2s_own():
    histories: list[list[type]] = []
    for stream in (MemoryStream(), DirectStream()):
        reply = await Agent("a", config=TestConfig("hello")).ask("hi", stream=stream)
        assert reply.body == "hello"
        histories.append([type(event) for event in await stream.history.get_events()])
    assert histories[0] == histories[1] != []
