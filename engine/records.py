"""What can be asked of the records, by whoever has the engine: the facade's questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from engine.compare.runs import RunComparison, compare_steps
from engine.compare.trees import compare_trees
from engine.model.browsing import EVERY_CURRENT, RunSummary, SessionFilter, SessionSort
from engine.model.comparison import Comparison
from engine.model.errors import NotFound
from engine.model.events import Event, EventKind
from engine.model.failures import RetryCount, count_retries
from engine.model.ids import short
from engine.model.lineage import Descendant, lineage
from engine.model.records import Approval, Artifact, CostTotal, Message, Run, RunView, SessionSummary
from engine.model.spending import EVERYTHING_SPENT, TOP, Grouping, Spending, SpendingFilter
from engine.model.states import RunState
from engine.model.text import one_line
from engine.model.timeline import EVERYTHING, UNFOLDED, EventFilter, Folding, TimelinePage
from engine.ports import Blobs, SessionReads, Store
from engine.runs.comparing import comparison_of, contents_of

_MANY = 100_000
_FAILURES = 20_000  # the newest; of more no statistic is made


class Records:
    """Reads over all sessions. An id may be any unique prefix of one, where a method says so."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store, self._blobs = store, blobs
        self._sessions: dict[str, str] = {}  # run id → session id

    def reads(self, session_id: str) -> SessionReads:
        """One session's records."""
        return self._store.reads(session_id)

    async def identify(self, table: str, prefix: str) -> tuple[str, str]:
        """The id and session of the one record that a prefix (or an id's shown end) means.

        Raises:
            NotFound: none fits, or several do; those are named.
        """
        wanted = prefix.strip().lower()
        found = await self._store.find(table, wanted) if re.fullmatch(r"[0-9a-f-]{2,36}", wanted) else []
        what = table.removesuffix("s")
        if not found:
            raise NotFound(f"there is no {what} {one_line(prefix, 60)!r}", f"`cmbagent-tui {table}` lists them.")
        if len(found) > 1:
            ends = ", ".join(short(one) for one, _ in found)
            raise NotFound(f"{prefix!r} fits {len(found)} {table}: {ends}", "Give more characters of the id.")
        return found[0]

    async def browse(
        self,
        matching: SessionFilter = EVERY_CURRENT,
        sort: SessionSort = SessionSort.UPDATED,
        *,
        descending: bool = True,
    ) -> list[str]:
        """The ids of the sessions that match, in order; those that fit the words best come first."""
        return await self._store.browse(matching, sort, descending=descending)

    async def summaries(self, session_ids: Sequence[str]) -> list[SessionSummary]:
        """What is shown of these sessions, in the given order; those that are there no more are left out."""
        return await self._store.summaries(session_ids)

    async def run_summaries(self, session_id: str, *, limit: int = 200) -> list[RunSummary]:
        """The newest runs of a session with their steps and costs, newest first."""
        return await self._store.run_summaries(session_id, limit=limit)

    async def runs(self, *, session_id: str | None = None, limit: int = 50, before: str | None = None) -> list[Run]:
        """Runs of one session or of all, newest first."""
        reader = self._store if session_id is None else self.reads(session_id)
        return await reader.runs(limit=limit, before=before)

    async def view(self, run_id: str, *, files: bool = True) -> RunView:
        """Everything about a run but its events; without `files` no artifact, of which there may be very many."""
        return await (await self._of_run(run_id)).view(run_id, files=files)

    async def paths(self, run_id: str) -> dict[str, frozenset[str]]:
        """The paths of the files that each node of a run wrote."""
        return await (await self._of_run(run_id)).paths(run_id)

    async def events(
        self,
        run_id: str,
        *,
        after: int = 0,
        limit: int = 256,
        node_id: str | None = None,
        kinds: Sequence[EventKind] = (),
        newest: bool = False,
    ) -> list[Event]:
        """A page of events, in order."""
        reads = await self._of_run(run_id)
        return await reads.events(run_id, after=after, limit=limit, node_id=node_id, kinds=kinds, newest=newest)

    async def timeline(
        self,
        run_id: str,
        *,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        limit: int = 128,
        matching: EventFilter = EVERYTHING,
        folding: Folding = UNFOLDED,
    ) -> TimelinePage:
        """Lines of the timeline (see engine.ports.SessionReads.timeline)."""
        reads = await self._of_run(run_id)
        return await reads.timeline(
            run_id, after=after, before=before, newest=newest, limit=limit, matching=matching, folding=folding
        )

    async def seq_at(self, run_id: str, at: datetime) -> int:
        """The number of the first event that is not before a time, or of the newest."""
        return await (await self._of_run(run_id)).seq_at(run_id, at)

    async def event_count(self, run_id: str) -> int:
        """How many events a run has."""
        return await (await self._of_run(run_id)).event_count(run_id)

    async def messages(self, run_id: str, *, node_id: str | None = None, limit: int = 200) -> list[Message]:
        """The conversation of a run, or of one node."""
        return await (await self._of_run(run_id)).messages(run_id, node_id=node_id, limit=limit)

    async def artifacts(self, run_id: str, *, node_id: str | None = None) -> list[Artifact]:
        """The files that a run, or one node, wrote."""
        return await (await self._of_run(run_id)).artifacts(run_id, node_id=node_id)

    async def cost(self, run_id: str) -> CostTotal:
        """What a run has cost so far."""
        return await (await self._of_run(run_id)).cost(run_id)

    async def spending(
        self, by: Grouping, matching: SpendingFilter = EVERYTHING_SPENT, *, limit: int = TOP
    ) -> Spending:
        """What was spent, summed by something, the dearest first (of days, the newest), and how it lies in time; of a
        run that has a budget, with what is left of it."""
        return await self._store.spending(by, matching, limit=limit)

    async def comparison(self, run_id: str) -> Comparison | None:
        """How a replay's files compare with those of the run that it replays; None while they were not compared."""
        return await comparison_of(await self._of_run(run_id), run_id)

    async def compare(self, first_id: str, second_id: str) -> RunComparison:
        """Two runs, step by step and file by file: what they came to, or, where one of them came to no end, what each
        step wrote."""
        first_reads, second_reads = await self._of_run(first_id), await self._of_run(second_id)
        first, second = await first_reads.view(first_id), await second_reads.view(second_id)
        whole = first.run.state is second.run.state is RunState.COMPLETED
        files = await compare_trees(
            await contents_of(first_reads, first, whole=whole),
            await contents_of(second_reads, second, whole=whole),
            self._blobs,
        )
        return RunComparison(first, second, compare_steps(first, second), files)

    async def lineage(self, session_id: str) -> list[Descendant]:
        """The runs of a session, each behind the one that it branches off or replays."""
        runs, reads = await self.run_summaries(session_id, limit=_MANY), self.reads(session_id)
        starts = {one.run.parent_node_id for one in runs if one.run.parent_node_id}
        return lineage(runs, {one: (await reads.node(one)).step for one in starts})

    async def retries(self) -> list[RetryCount]:
        """How often what failed, of which category, and how often trying again helped; the most frequent first."""
        return count_retries(await self._store.failures(limit=_FAILURES))

    async def approvals(self, *, pending: bool = True) -> list[Approval]:
        """What waits for a person, over all runs."""
        return await self._store.approvals(pending=pending)

    def blob(self, sha256: str) -> bytes:
        """The content of a stored file."""
        return self._blobs.get(sha256)

    def blob_path(self, sha256: str) -> Path:
        """Where a stored file's content lies; it must not be written to."""
        return self._blobs.path(sha256)

    async def _of_run(self, run_id: str) -> SessionReads:
        if run_id not in self._sessions:
            found, session_id = await self.identify("runs", run_id)
            self._sessions[found] = session_id
            return self.reads(session_id)
        return self.reads(self._sessions[run_id])
