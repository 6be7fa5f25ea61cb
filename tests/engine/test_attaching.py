"""Files that a person attaches: copied, found by every step, kept, and named when they are lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.model.errors import UsageError
from engine.model.options import RunOptions
from engine.model.plan import Plan
from engine.model.records import Mode
from engine.model.states import RunState
from storage import check, export_session, import_session, prune
from tests.engine.conftest import Lab
from tests.support.journals import code, plan, says, step

READS = "import shutil; shutil.copy('inputs/data.csv', 'data/{}.csv')"


def make(tmp_path: Path, name: str = "data.csv", text: str = "t,y\n1,2\n") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


async def test_every_step_finds_what_was_attached(lab: Lab, tmp_path: Path) -> None:
    engine = await lab.engine()
    for name in ("a", "b"):
        lab.journal.does(name, code(f"import os; os.makedirs('data', exist_ok=True); {READS.format(name)}"), says("ok"))
    changes = "open('inputs/data.csv', 'a').write('3,4\\n')"
    lab.journal.does("c", code(f"assert open('data/a.csv').read() == 't,y\\n1,2\\n'; {changes}"), says("ok"))
    given = make(tmp_path)
    run = await engine.submit(
        "Test it.",
        mode=Mode.PLANNING_CONTROL,
        options=lab.options(),
        plan=Plan.parse(plan(step("a"), step("b"), step("c", "a", "b"))),
        attach=[given],
    )
    given.write_text("changed since, and of no account")
    run = await engine.wait(run.id)
    assert run.state is RunState.COMPLETED, run.error
    (one,) = RunOptions.from_json(run.options).inputs
    assert (one.path, one.size) == ("inputs/data.csv", 8) and engine.blob(one.sha256) == b"t,y\n1,2\n"
    told = await engine.messages(run.id)
    assert any("# Files that a person attached\n- inputs/data.csv" in message.content for message in told)
    view = await engine.view(run.id)
    left = await engine.reads(run.session_id).checkpoint(view.nodes[-1].id)
    assert left is not None
    tree = {entry.path: entry.size for entry in left.tree if not entry.path.startswith("codebase/")}
    assert tree == {"data/a.csv": 8, "data/b.csv": 8, "inputs/data.csv": 12}
    wrote = {artifact.path for artifact in view.artifacts if not artifact.path.startswith("codebase/")}
    assert wrote == set(tree)
    (control,) = Path(view.session.directory).glob("*/control/inputs/data.csv")
    assert control.read_text() == "t,y\n1,2\n3,4\n"


async def test_what_is_attached_to_a_run_that_has_not_begun_is_kept(lab: Lab, tmp_path: Path) -> None:
    engine = await lab.engine(drives=False)
    run = await engine.submit(
        "Go.",
        mode=Mode.ONE_SHOT,
        options=lab.options(),
        attach=[make(tmp_path, f"{n}.csv", f"{n}") for n in range(80)],
        drive=False,
    )
    (*_, last) = RunOptions.from_json(run.options).inputs
    await lab.close(engine)
    prune(lab.home, None, datetime.now(UTC) + timedelta(days=9), older_than=timedelta(days=1))
    assert lab.problems() == []
    file, elsewhere = tmp_path / "session.zip", tmp_path / "elsewhere"
    export_session(lab.home, None, run.session_id, file, "1", lambda *_: None)
    import_session(elsewhere, None, file, elsewhere / "sessions", lambda *_: None)
    assert check(elsewhere) == []
    again = await lab.engine(drives=False)
    assert again.blob(last.sha256) == b"79"
    path = again.blob_path(last.sha256)
    path.rename(tmp_path / "aside")
    (problem,) = lab.problems()
    assert "inputs/79.csv" in problem
    (tmp_path / "aside").rename(path)


async def test_what_cannot_be_attached_is_said_before_anything_is_written(lab: Lab, tmp_path: Path) -> None:
    engine = await lab.engine(drives=False)
    (tmp_path / "sub").mkdir()
    good, other = make(tmp_path), make(tmp_path / "sub")
    for paths, said in (
        ([tmp_path / "nothing"], "there is no file"),
        ([tmp_path / "sub"], "is a directory"),
        ([good, other], "two files are called data.csv"),
        ([make(tmp_path, "a\x1b[31mb")], "cannot be shown"),
    ):
        with pytest.raises(UsageError, match=said):
            await engine.submit("Go.", mode=Mode.ONE_SHOT, options=lab.options(), attach=paths)
    assert await engine.runs() == []
