"""A research session played by the model server, attempt by attempt; and what a warm parent prepares for them."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest

from engine.model.frames import ModelSpec, Planning, Upstream
from engine.worker.warm import warm
from tests.support.openai_server import OpenAIServer
from tests.support.peer import attempt, planning_spec, step_spec
from tests.support.research import PLAN, play


async def test_a_whole_session(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        play(server)
        model = ModelSpec(provider="openai", name="test-model", base_url=server.base_url, api_key=server.key)
        planned = await attempt(planning_spec(tmp_path, model=model, planning=Planning()))
        plan = planned.result.plan
        assert plan is not None and [step.id for step in plan.steps] == [step["id"] for step in PLAN["steps"]]
        done: list[Upstream] = []
        for step in plan.steps:
            heard = await attempt(
                step_spec(tmp_path, model=model, step=step.model_dump(), agent=step.agent, upstream=tuple(done))
            )
            assert heard.result.ok, heard.why
            assert all(check.ok for check in heard.result.checks)
            heard.check_nesting()
            upstream = Upstream(step=step.id, title=step.title, agent=step.agent, summary=heard.result.summary)
            done.append(upstream)
        assert (tmp_path / "report.md").read_text().startswith("# The slope")
        assert not [one for one in server.requests if one.role is None]


def test_warming_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    threads = threading.active_count()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    warm(["openai"])
    assert threading.active_count() <= threads
    assert list(tmp_path.iterdir()) == []
