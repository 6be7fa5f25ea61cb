"""Row 21: what a step left behind is damaged, or gone, before another builds on it.

The step that needs it does not begin: what is wrong is named, in the run and by `db check`. A file of the run's
directory that someone has edited is nobody's source.
"""

from __future__ import annotations

from pathlib import Path

import storage
from tests.support.faults import Disturbed, Place, Undisturbed, at, killed, seeded, workers_go
from tests.support.faults_story import Storyteller

BUILDING = ["chain", "fan", "diamond"]  # shapes whose first step all others build on


@seeded
def test_row21_a_stored_file_is_damaged(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(place.random.choice(BUILDING)) as model:
        run = _first_step_done(place, undisturbed, model)
        blob = _blob(place, run)
        whole, _ = blob.read_bytes(), blob.chmod(0o600)
        _damage(place, blob, whole)
        assert any(blob.name in finding for finding in storage.check(place.home))
        told = run.start("resume").end()
        ((cause, hint),) = told.all("failed")
        assert blob.name in cause and hint
        blob.write_bytes(whole)
        run.told.append(told)
        record = place.intact(run.run_id, *run.told)
        assert not record.view.run.state.terminal
        assert {step for step, node in record.steps.items() if node.state == "completed"} == {"a"}
        run.live("resume")
        run.ended()


@seeded
def test_row21_a_published_file_is_edited(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(place.random.choice(BUILDING)) as model:
        run = _first_step_done(place, undisturbed, model)
        for file in place.home.glob("sessions/*/*/control/a/*"):
            _damage(place, file, file.read_bytes())
        run.goes_on()


def _first_step_done(place: Place, undisturbed: Undisturbed, model: Storyteller) -> Disturbed:
    """A run whose engine was killed when the first step was done, and no other."""
    run = Disturbed(place, undisturbed, model)
    told = run.live("begin", at=at(place, {"after result": 1}, "after result"))
    killed(told)
    workers_go(told)
    return run


def _blob(place: Place, run: Disturbed) -> Path:
    """Where something lies that the first step has left behind."""
    (checkpoint,) = run.record.checkpoints
    _, blobs = storage.open_store(place.home)
    return blobs.path(place.random.choice(checkpoint.tree).sha256)


def _damage(place: Place, file: Path, whole: bytes) -> None:
    match place.random.choice(["gone", "empty", "edited", "longer"]):
        case "gone":
            file.unlink()
        case "empty":
            file.write_bytes(b"")
        case "edited":
            file.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
        case _:
            file.write_bytes(whole + b"\n")
