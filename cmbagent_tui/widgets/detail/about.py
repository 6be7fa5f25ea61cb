"""What a section of the detail pane is made from: the node, the engine that reads more of it, and what was made
before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cmbagent_tui.state.board import Board, Card
from cmbagent_tui.widgets.detail.blocks import Block
from engine.model.records import Attempt

if TYPE_CHECKING:
    from engine import Engine
    from engine.ports import SessionReads

_KEPT = 600  # texts whose blocks are kept


class Kept:
    """Blocks that were made before, by what they were made from: a message does not change once it was written."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[str, Sequence[Block]] = OrderedDict()

    async def get(self, key: str, make: Callable[[], Awaitable[Sequence[Block]]]) -> Sequence[Block]:
        """The blocks of a key, made now if they were not before."""
        found = self._blocks.get(key)
        if found is None:
            found = self._blocks[key] = await make()
            while len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return found


@dataclass(frozen=True, slots=True)
class About:
    """A node, and what it takes to say more of it."""

    engine: Engine
    board: Board
    card: Card
    now: datetime
    ascii_only: bool
    kept: Kept = field(default_factory=Kept)

    @property
    def reads(self) -> SessionReads:
        """The records of the node's session."""
        return self.engine.reads(self.board.session.id)

    async def attempts(self) -> list[Attempt]:
        """The node's tries, the first one first."""
        return await self.reads.attempts(self.board.run.id, node_id=self.card.node.id)

    async def plan(self) -> dict[str, Any] | None:
        """The run's plan as it was approved."""
        return (await self.reads.run(self.board.run.id)).plan
