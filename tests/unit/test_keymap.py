"""A person's own keys: what is taken, what is not and why; and the sheet that the README has."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmbagent_tui.keymap.catalogue import every_key, plain
from cmbagent_tui.keymap.check import checked
from cmbagent_tui.keymap.sheet import renewed
from cmbagent_tui.settings import load
from engine.model.errors import UsageError

ROOT = Path(__file__).parents[2]


def refused(**keymap: str) -> dict[str, str]:
    """What is said of each entry that is not taken; ids have their dot as two underscores."""
    return {fault.id: fault.words for fault in checked({id.replace("__", "."): keys for id, keys in keymap.items()})[1]}


def test_keys_are_taken_under_textuals_names() -> None:
    taken, faults = checked({"app.help": "f1, ?", "run.pause": "P", "dag.zoom": "ctrl+z,/,Z"})
    assert taken["app.help"] == "f1,question_mark" and taken["run.pause"] == "P"
    assert {one.id for one in faults} == {"dag.zoom"}


def test_an_unknown_id_is_named_with_the_nearest_that_is_known() -> None:
    assert "run.pause" in refused(run__puase="x")["run.puase"]


@pytest.mark.parametrize("key", ["ctrl+h", "ctrl+j", "ctrl+s", "frob", "ctrl+frob", "", "hold+x"])
def test_a_key_that_never_arrives_is_refused(key: str) -> None:
    assert set(refused(run__pause=key)) == {"run.pause"}


def test_two_meanings_of_a_key_in_one_place_clash() -> None:
    assert "run.cancel" in refused(run__pause="c")["run.pause"]
    assert "approval.later" in refused(approval__approve="q")["approval.approve"]


def test_a_key_that_hides_another_around_it_clashes() -> None:
    assert "app.help" in refused(run__pause="?")["run.pause"]
    assert "run.pause" in refused(dag__zoom="p")["dag.zoom"]
    assert "dag.zoom" in refused(run__pause="z")["run.pause"]


def test_a_dialog_hides_the_keys_of_the_app_anyway() -> None:
    assert refused(approval__approve="L") == {}


def test_keys_can_change_places() -> None:
    assert refused(run__pause="c", run__cancel="p") == {}


def test_what_two_bindings_share_by_default_is_no_clash() -> None:
    assert refused(timeline__node="o,O", dag__leave="escape,X") == {}


def test_of_two_entries_that_clash_the_first_counts() -> None:
    taken, faults = checked({"run.pause": "P", "run.cancel": "P"})
    assert taken == {"run.pause": "P"} and [one.id for one in faults] == ["run.cancel"]


def test_the_list_shows_the_keys_as_they_are() -> None:
    (pause,) = (one for one in every_key({"run.pause": "ctrl+x,question_mark"}) if one.id == "run.pause")
    assert (pause.keys, pause.default, pause.written) == (("ctrl+x", "question_mark"), ("p",), "ctrl+x ?")
    assert [plain(key) for key in ("up", "escape", "pageup", "plus", "shift+tab")] == [
        "up", "esc", "pgup", "+", "shift+tab",
    ]  # fmt: skip


def test_the_readme_has_the_keys_as_they_are() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page == renewed(page), "run `make keys`"


def test_the_settings_take_a_key_or_several(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[keys]\n"run.pause" = "P"\napp.help = ["f1", "?"]\n')
    assert load({"CMBAGENT_HOME": str(tmp_path)}).keys == {"run.pause": "P", "app.help": "f1,?"}


@pytest.mark.parametrize("line", ['"run.pause" = 3', "run = true", '"run.pause" = ["x", 1]'])
def test_what_is_no_key_is_said_with_its_file(tmp_path: Path, line: str) -> None:
    (tmp_path / "config.toml").write_text(f"[keys]\n{line}\n")
    with pytest.raises(UsageError, match=r"config\.toml: keys\.run"):
        load({"CMBAGENT_HOME": str(tmp_path)})
