"""Agent files: what is shipped, what a person changes, and what is wrong with a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.agents.registry import load_agents
from engine.model.errors import UsageError


def test_the_shipped_agents() -> None:
    agents = load_agents(None)
    assert set(agents) == {"planner", "plan_reviewer", "engineer", "researcher"}
    assert {name for name, agent in agents.items() if agent.plannable} == {"engineer", "researcher"}
    assert "run_code" in agents["engineer"].tools and "run_code" not in agents["researcher"].tools
    for name, agent in agents.items():
        assert agent.name == name and len(agent.prompt) > 500 and agent.description and agent.model is None


def test_a_person_changes_some_keys_of_a_shipped_agent(tmp_path: Path) -> None:
    (tmp_path / "engineer.toml").write_text('model = "openai:gpt-5"\nattempts = 7\n')
    shipped, changed = load_agents(None)["engineer"], load_agents(tmp_path)["engineer"]
    assert (changed.model, changed.attempts) == ("openai:gpt-5", 7)
    assert changed.prompt == shipped.prompt and shipped.attempts == 3


def test_a_person_adds_an_agent(tmp_path: Path) -> None:
    (tmp_path / "statistician.toml").write_text(
        'description = "Checks statistics."\nprompt = "You are a statistician."\ntools = ["read_file"]\n'
    )
    (tmp_path / "notes.txt").write_text("not an agent")
    added = load_agents(tmp_path)["statistician"]
    assert added.plannable and added.tools == ("read_file",) and added.name == "statistician"


def test_no_directory_is_no_error(tmp_path: Path) -> None:
    assert load_agents(tmp_path / "nothing") == load_agents(None)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("prompt = 'x\n", "it is not TOML"),
        ("prompt = 'x'\n\ncolour = 'red'\n", "engineer.toml, line 3: colour: there is no such key"),
        ("attempts = 0\n", "engineer.toml, line 1: attempts: Input should be greater than or equal to 1"),
        ("tools = ['read_file', 'fly']\n", "engineer.toml, line 1: tools: there is no tool 'fly'"),
        ("model = 'gpt-5'\n", "engineer.toml, line 1: model: 'gpt-5' does not name a model"),
        ("name = 'bob'\n", "engineer.toml: the agent is named 'bob'"),
        ("temperature = 'hot'\n", "engineer.toml, line 1: temperature: "),
    ],
)
def test_a_broken_file_is_named_with_its_place(tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "engineer.toml").write_text(source)
    with pytest.raises(UsageError) as caught:
        load_agents(tmp_path)
    assert said in str(caught.value) and str(tmp_path) in str(caught.value)


def test_an_added_agent_must_be_whole(tmp_path: Path) -> None:
    (tmp_path / "bob.toml").write_text('description = "Bob"\n')
    with pytest.raises(UsageError, match=r"bob.toml: prompt: it is missing"):
        load_agents(tmp_path)


@pytest.mark.parametrize("name", ["Bob", "2b", "a-b", "x" * 50])
def test_an_agents_name_is_plain(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.toml").write_text('description = "x"\nprompt = "x"\n')
    with pytest.raises(UsageError, match="an agent's name is lowercase letters"):
        load_agents(tmp_path)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "engineer.toml").write_bytes(b"\xff\xfe\0\1")
    with pytest.raises(UsageError, match="it is not text"):
        load_agents(tmp_path)
    (tmp_path / "engineer.toml").unlink()
    (tmp_path / "engineer.toml").mkdir()
    with pytest.raises(UsageError, match="it cannot be read: Is a directory"):
        load_agents(tmp_path)


def test_escape_sequences_in_a_file_do_not_reach_the_message(tmp_path: Path) -> None:
    (tmp_path / "engineer.toml").write_text('"\\u001b[2Jevil" = 1\n')
    with pytest.raises(UsageError) as caught:
        load_agents(tmp_path)
    assert "\x1b" not in str(caught.value) and "evil" in str(caught.value)
