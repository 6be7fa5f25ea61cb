"""Putting sessions in order, from one process or several, and taking it back."""

from __future__ import annotations

import pytest

from engine.model.browsing import SessionFilter, Shelf
from engine.model.errors import StaleState, UsageError
from engine.model.options import RunOptions
from engine.model.records import Mode
from tests.engine.conftest import Lab


async def session_of(lab: Lab, engine, title: str = "first") -> str:
    options = RunOptions(models={"default": lab.journal.model})
    run = await engine.submit("Do it.", mode=Mode.ONE_SHOT, options=options, title=title, drive=False)
    return run.session_id


async def listed(engine, shelf: Shelf = Shelf.CURRENT) -> list[str]:
    return [one.session.title for one in await engine.summaries(await engine.browse(SessionFilter(shelf=shelf)))]


async def test_everything_is_done_and_undone(lab: Lab) -> None:
    engine = await lab.engine(drives=False)
    one = await session_of(lab, engine)
    run = (await engine.runs(session_id=one))[0]
    await engine.cancel(run.id)
    before = await engine.reads(one).session()
    done = [await engine.rename(one, "  second\n\x1b[31mtitle "), await engine.tag(one, ["paper", "Paper", "x"])]
    assert (await engine.reads(one).session()).tags == ("paper", "x")
    assert await listed(engine) == ["second title"]
    done.append(await engine.archive(one))
    assert await listed(engine) == [] and await listed(engine, Shelf.ARCHIVED) == ["second title"]
    done.append(await engine.delete(one))
    assert await listed(engine, Shelf.ARCHIVED) == [] and await listed(engine, Shelf.DELETED) == ["second title"]
    for each in reversed(done):
        await engine.undo(each)
    now = await engine.reads(one).session()
    assert (now.title, now.tags, now.archived_at, now.deleted_at) == (before.title, (), None, None)


async def test_restoring_brings_back_from_anywhere(lab: Lab) -> None:
    engine = await lab.engine(drives=False)
    one = await session_of(lab, engine)
    await engine.cancel((await engine.runs(session_id=one))[0].id)
    await engine.archive(one)
    await engine.delete(one)
    await engine.undo(await engine.restore(one))
    assert await listed(engine, Shelf.DELETED) == ["first"]
    await engine.restore(one)
    assert await listed(engine) == ["first"]


async def test_what_is_not_over_is_not_deleted(lab: Lab) -> None:
    engine = await lab.engine(drives=False)
    one = await session_of(lab, engine)
    with pytest.raises(UsageError, match="is draft") as refused:
        await engine.delete(one)
    assert "cmbagent-tui cancel" in refused.value.hint
    assert await listed(engine) == ["first"]


async def test_undo_takes_back_its_own_and_nothing_else(lab: Lab) -> None:
    mine, theirs = await lab.engine(drives=False), await lab.engine(drives=False)
    one = await session_of(lab, mine)
    renamed = await mine.rename(one, "second")
    tagged = await mine.tag(one, ["x"])
    await theirs.tag(one, ["x", "y"])
    await theirs.archive(one)
    with pytest.raises(StaleState, match="changed again"):
        await mine.undo(tagged)
    await mine.undo(renamed)
    now = await mine.reads(one).session()
    assert (now.title, now.tags, now.archived_at is not None) == ("first", ("x", "y"), True)


async def test_two_processes_lose_nothing_of_each_other(lab: Lab) -> None:
    import asyncio

    engines = [await lab.engine(drives=False) for _ in range(2)]
    one = await session_of(lab, engines[0])
    await asyncio.gather(
        engines[0].tag(one, ["x"]), engines[1].archive(one), engines[0].rename(one, "b"), engines[1].rename(one, "b")
    )
    now = await engines[0].reads(one).session()
    assert (now.title, now.tags, now.archived_at is not None) == ("b", ("x",), True)


@pytest.mark.parametrize("tags", [["two words"], ["a,b"], [""], ["x" * 41], [f"t{n}" for n in range(21)], ["\x1b[31m"]])
async def test_no_tag_that_could_not_be_asked_for(lab: Lab, tags: list[str]) -> None:
    engine = await lab.engine(drives=False)
    one = await session_of(lab, engine)
    with pytest.raises(UsageError):
        await engine.tag(one, tags)
    for title in ("  ", "x" * 81):
        with pytest.raises(UsageError):
            await engine.rename(one, title)
