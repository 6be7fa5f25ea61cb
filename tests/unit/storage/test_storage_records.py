"""What is written is read back as it was, page by page, and only from its own session."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import pytest

from engine.model.browsing import EVERY_CURRENT, SessionSort
from engine.model.changes import Add, EndAttempt, SetPlan, SettleApproval
from engine.model.clients import Client
from engine.model.errors import NotFound, StaleState, StorageError
from engine.model.events import EventKind, Phase
from engine.model.ids import new_id
from engine.model.records import (
    ApprovalState,
    Artifact,
    AttemptState,
    Checkpoint,
    CheckResult,
    CostTotal,
    Edge,
    EdgeKind,
    Message,
    SessionState,
    TreeEntry,
)

SHA = "0f" * 32


async def test_every_record_comes_back_as_it_was(store, research):
    r = research
    second = r.new_node("compare", 1, parent_node_id=r.node.id, depth=1)
    edge = Edge(r.session.id, r.run.id, r.node.id, second.id, EdgeKind.CONDITIONAL)
    state = SessionState(r.session.id, 1, r.at(0), [{"role": "user", "content": "hi"}], {"k": [1, None]}, None)
    entry = r.journal(1, {"text": "forty-two", "usage": {"in": 3}})
    event = r.event("hello", phase=Phase.START, parent_event_id=new_id(), span_id=new_id(), kind=EventKind.CODE_EXEC)
    message = Message(
        new_id(), r.session.id, r.run.id, r.node.id, r.attempt.id, event.id, r.at(2), "engineer", "assistant", "done"
    )
    artifact = Artifact(
        new_id(),
        r.session.id,
        r.run.id,
        r.node.id,
        r.attempt.id,
        event.id,
        r.at(3),
        "engineer",
        "data/fit.json",
        SHA,
        17,
        "data",
    )
    checkpoint = Checkpoint(
        new_id(),
        r.session.id,
        r.run.id,
        r.node.id,
        r.attempt.id,
        r.at(4),
        (TreeEntry("data/fit.json", SHA, 17, r.node.id),),
        {"chi2": 1.25},
    )
    approval = r.approval(node_id=r.node.id, deadline_at=r.at(90))
    cost = r.cost(1234)
    command = r.command()
    client = Client(new_id(), 4711, "host", "/dev/pts/3", r.at(0), r.at(1), "tui")
    others = [second, edge, state, entry, event, message, artifact, checkpoint, approval, cost, command, client]
    await store.commit(*r.opening(), *(Add(record) for record in others))

    reads = store.reads(r.session.id)
    assert await reads.session() == r.session
    assert await reads.state() == state
    assert await reads.run(r.run.id) == r.run
    assert await reads.runs() == [r.run]
    assert await reads.node(second.id) == second
    assert await reads.journal(r.attempt.id) == [entry]
    assert await reads.events(r.run.id) == [event.numbered(1)]
    assert await reads.messages(r.run.id) == [message]
    assert await reads.artifacts(r.run.id) == [artifact]
    assert await reads.attempts(r.run.id, node_id=r.node.id) == [r.attempt]
    assert await reads.attempts(r.run.id, node_id=second.id) == []
    assert await reads.checkpoint(r.node.id) == checkpoint
    assert await reads.checkpoint(second.id) is None
    assert await reads.approval(approval.id) == approval
    assert await reads.costs(r.run.id) == [cost]
    assert await store.command(command.id) == command
    assert await store.clients() == [client]

    view = await reads.view(r.run.id)
    assert (view.session, view.run, view.last_seq) == (r.session, r.run, 1)
    assert view.nodes == (r.node, second)
    assert view.edges == (edge,)
    assert view.attempts == (r.attempt,)
    assert view.artifacts == (artifact,)
    assert view.approvals == (approval,)
    assert view.cost == CostTotal(1234, 10, 5, 1, 0) and view.node_cost == {r.node.id: view.cost}


async def test_a_session_reaches_nothing_of_another(store, research, another):
    approval, artifact_node = another.approval(), another.node.id
    await store.commit(*research.opening(), *another.opening(), Add(another.event()), Add(approval))
    reads = store.reads(research.session.id)
    for asked in (
        reads.run(another.run.id),
        reads.view(another.run.id),
        reads.node(another.node.id),
        reads.events(another.run.id),
        reads.events(research.run.id, node_id=another.node.id),
        reads.event_count(another.run.id),
        reads.messages(another.run.id),
        reads.messages(research.run.id, node_id=artifact_node),
        reads.artifacts(another.run.id),
        reads.attempts(research.run.id, node_id=artifact_node),
        reads.journal(another.attempt.id),
        reads.checkpoint(another.node.id),
        reads.costs(another.run.id),
        reads.cost(another.run.id),
        reads.history(another.run.id),
        reads.approval(approval.id),
        store.reads("no such session").session(),
        store.reads("no such session").runs(),
        store.reads("no such session").state(),
    ):
        with pytest.raises(NotFound):
            await asked
    assert [run.id for run in await reads.runs()] == [research.run.id]


async def test_a_change_cannot_touch_another_session(store, research, another):
    approval = another.approval()
    await store.commit(*research.opening(), *another.opening(), Add(approval), Add(another.event()))
    mine, theirs = research.session.id, another.session.id
    done = Add(replace(research.new_node("other"), run_id=another.run.id))
    for change in (
        research.move("run", another.run.id, "draft", "planning"),
        another.move("run", another.run.id, "draft", "planning", session_id=mine),
        another.move_node("pending", "running", session_id=mine),
        EndAttempt(mine, another.attempt.id, AttemptState.FAILED, research.at(9)),
        SetPlan(mine, another.run.id, {"steps": []}),
        SettleApproval(mine, approval.id, ApprovalState.APPROVED, "me", research.at(9)),
        done,
        Add(replace(another.event(), session_id=mine)),
        Add(replace(research.event(), node_id=another.node.id)),
        Add(replace(another.journal(1, {"text": "x"}), session_id=mine)),
        Add(replace(another.cost(5), session_id=mine)),
        Add(research.new_run(parent_run_id=another.run.id, parent_node_id=another.node.id)),
        Add(research.new_run(parent_run_id=research.run.id, parent_node_id=another.node.id)),
    ):
        with pytest.raises((NotFound, StaleState)):
            await store.commit(change)
    view = await store.reads(theirs).view(another.run.id)
    assert (view.run, view.nodes, view.attempts) == (another.run, (another.node,), (another.attempt,))
    assert view.approvals == (approval,) and view.last_seq == 1


@pytest.mark.parametrize("size", [16 * 1024 - 2, 16 * 1024, 2_000_000])
async def test_large_bodies_leave_the_database_and_come_back_whole(store, research, home, size):
    r = research
    big = "é" * (size // 2)
    run = replace(r.run, task=big, options={"notice": big}, plan={"title": big})
    message = Message(new_id(), r.session.id, r.run.id, None, None, None, r.at(2), "user", "user", big)
    tree = tuple(TreeEntry(f"{big[:200]}{n}", SHA, n, r.node.id) for n in range(size // 200))
    checkpoint = Checkpoint(new_id(), r.session.id, r.run.id, r.node.id, r.attempt.id, r.at(4), tree, {"big": big})
    event = r.event(big)
    approval = r.approval(shown={"text": big})
    records = [r.session, run, r.node, r.attempt, event, message, r.journal(1, {"text": big}), checkpoint, approval]
    await store.commit(*(Add(record) for record in records))
    await store.commit(
        SettleApproval(r.session.id, approval.id, ApprovalState.MODIFIED, "me", r.at(5), big, {"text": big}),
        EndAttempt(r.session.id, r.attempt.id, AttemptState.FAILED, r.at(6), big, big, (CheckResult("c", False, big),)),
        r.move_node("pending", "cancelled", error=big),
        SetPlan(r.session.id, run.id, {"title": big, "n": 1}),
    )

    reads = store.reads(r.session.id)
    view = await reads.view(run.id)
    assert (view.run.task, view.run.options, view.run.plan) == (big, {"notice": big}, {"title": big, "n": 1})
    assert view.nodes[0].error == big
    assert (view.attempts[0].summary, view.attempts[0].error) == (big, big)
    assert view.attempts[0].checks == (CheckResult("c", False, big),)
    assert (view.approvals[0].feedback, view.approvals[0].answer) == (big, {"text": big})
    assert [e.data["text"] for e in await reads.events(run.id)] == [big]
    assert await reads.messages(run.id) == [message]
    assert [entry.answer for entry in await reads.journal(r.attempt.id)] == [{"text": big}]
    assert await reads.checkpoint(r.node.id) == checkpoint
    with closing(sqlite3.connect(home / "cmbagent.db", isolation_level=None)) as raw:
        longest = raw.execute("SELECT max(length(CAST(content AS BLOB))) FROM messages").fetchone()[0]
    assert longest < 100


async def test_a_body_whose_blob_was_edited_or_lost_is_never_used(store, research, home):
    await store.commit(*research.opening(), Add(research.event("x" * 50_000)))
    (blob,) = (home / "blobs").glob("??/*")
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes().replace(b"x", b"y", 1))
    with pytest.raises(StorageError, match="damaged"):
        await store.reads(research.session.id).events(research.run.id)
    blob.unlink()
    with pytest.raises(StorageError, match="db check"):
        await store.reads(research.session.id).events(research.run.id)


async def test_hostile_text_is_kept_as_it_is(store, research):
    hostile = "'; DROP TABLE runs; -- \x00 \ud800 sha256:" + SHA + " \N{PILE OF POO} %_\\"
    await store.commit(*research.opening(), Add(research.event(hostile)))
    assert (await store.reads(research.session.id).events(research.run.id))[0].data["text"] == hostile
    with pytest.raises(NotFound):
        await store.reads("' OR 1=1 --").session()


async def test_events_are_read_in_pages_by_node_and_kind_and_from_the_end(store, research):
    other = research.new_node("compare", 1)
    events = [
        research.event(
            str(n),
            node_id=other.id if n % 2 else research.node.id,
            kind=EventKind.MESSAGE if n % 5 == 0 else EventKind.OUTPUT,
        )
        for n in range(1, 51)
    ]
    await store.commit(*research.opening(), Add(other), *(Add(event) for event in events))
    reads = store.reads(research.session.id)

    async def seqs(**how):
        return [event.seq for event in await reads.events(research.run.id, **how)]

    assert await seqs(limit=3) == [1, 2, 3]
    assert await seqs(after=48) == [49, 50]
    assert await seqs(after=50) == []
    assert await seqs(limit=2, newest=True) == [49, 50]
    assert await seqs(after=49, limit=9, newest=True) == [50]
    assert await seqs(node_id=other.id, limit=3) == [1, 3, 5]
    assert await seqs(kinds=[EventKind.MESSAGE], newest=True, limit=2) == [45, 50]
    assert await seqs(node_id=other.id, kinds=[EventKind.MESSAGE, EventKind.ERROR]) == [5, 15, 25, 35, 45]
    assert await seqs(limit=0) == []
    assert await reads.event_count(research.run.id) == 50


async def test_the_home_list_is_paged_and_sums_up_each_session(store, research):
    await store.commit(*research.opening())
    sessions = [research.session]
    for n in range(6):
        session = replace(research.session, id=new_id(), title=f"session {n}")
        sessions.append(session)
        await store.commit(Add(session))
    newest = research.new_run(task="the newer run")
    await store.commit(
        Add(newest),
        Add(research.cost(1_000_000)),
        Add(research.cost(None, 100, 50, run_id=newest.id, node_id=None, attempt_id=None)),
        Add(research.approval()),
        Add(research.approval(state=ApprovalState.APPROVED)),
    )
    ids = await store.browse(EVERY_CURRENT, SessionSort.CREATED, descending=True)
    assert ids == [session.id for session in reversed(sessions)]
    first, rest = await store.summaries(ids[:4]), await store.summaries(ids[4:])
    assert [one.session.id for one in first + rest] == ids
    oldest = rest[-1]
    assert (oldest.runs, oldest.last_run, oldest.pending_approvals) == (2, newest, 1)
    assert oldest.cost == CostTotal(1_000_000, 110, 55, 2, 1)
    assert (first[0].runs, first[0].last_run, first[0].cost) == (0, None, CostTotal())


async def test_runs_are_listed_across_sessions_and_the_unfinished_apart(store, research, another):
    await store.commit(*research.opening(), *another.opening(), another.move_run("draft", "cancelled"))
    later = research.new_run()
    await store.commit(Add(later))
    assert [run.id for run in await store.runs()] == [later.id, another.run.id, research.run.id]
    assert [run.id for run in await store.runs(limit=1, before=later.id)] == [another.run.id]
    assert [run.id for run in await store.unfinished()] == [research.run.id, later.id]
    assert [run.id for run in await store.reads(research.session.id).runs(before=later.id)] == [research.run.id]


async def test_ids_are_found_by_either_end(store, research, another):
    await store.commit(*research.opening(), *another.opening())
    run, session = research.run.id, research.session.id
    assert await store.find("runs", run) == [(run, session)]
    assert await store.find("runs", run[:20].upper()) == [(run, session)]
    assert await store.find("runs", run.replace("-", "")[-8:]) == [(run, session)]
    assert await store.find("sessions", session[-8:]) == [(session, session)]
    assert await store.find("nodes", research.node.id[-8:]) == [(research.node.id, session)]
    assert await store.find("attempts", research.attempt.id[-8:]) == [(research.attempt.id, session)]
    assert {one[0] for one in await store.find("runs", run[:4])} == {run, another.run.id}
    for nothing in ("", "-", "%", "_", "zz"):
        assert await store.find("approvals", nothing) == []
        assert await store.find("runs", nothing) == []
    await store.commit(*(Add(research.new_run()) for _ in range(20)))
    assert len(await store.find("runs", run[:4])) == 10


async def test_a_view_of_ten_thousand_nodes_takes_a_constant_number_of_statements(store, research):
    nodes = [research.new_node(f"s{n}", n) for n in range(1, 10_000)]
    edges = [
        Edge(research.session.id, research.run.id, one.id, two.id, EdgeKind.SEQUENTIAL) for one, two in pairwise(nodes)
    ]
    await store.commit(*research.opening(), *(Add(record) for record in [*nodes, *edges]))
    reads = store.reads(research.session.id)
    asked: list[str] = []
    from sqlalchemy import event

    engine = store._opened().reader.engine
    event.listen(engine, "before_cursor_execute", lambda conn, cursor, sql, *more: asked.append(sql))
    view = await reads.view(research.run.id)
    assert len(view.nodes) == 10_000 and len(view.edges) == 9_998
    assert len(asked) <= 10
