import csv
from pathlib import Path

import pytest

from model.training_log import COLUMNS, Progress, Recent, TrainingLog

HEADER = ",".join(COLUMNS)


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def fill(folder: Path) -> TrainingLog:
    log = TrainingLog(folder, resumed_at=0)
    for step in (20, 40, 60):
        scores = {"translate:de:en": step / 3, "summarize:en": 1.0} if step > 20 else {}
        log.add(Progress(step, 100, 100 / step, 1234.5, 3, scores), seconds=step / 10)
    return log


def test_losses_and_scores_are_rows_under_the_columns(tmp_path: Path) -> None:
    fill(tmp_path)
    rows = read(tmp_path)
    assert list(rows[0]) == COLUMNS
    assert [row["step"] for row in rows] == ["20", "40", "40", "40", "60", "60", "60"]
    assert list(rows[0].values()) == ["20", "2.0", "5.0000", "1234", "3", "", ""]
    assert list(rows[2].values()) == ["40", "4.0", "", "", "", "translate:de:en", "13.33"]


@pytest.mark.parametrize(("resumed_at", "kept"), [(20, 1), (39, 1), (40, 4), (60, 7), (1000, 7)])
def test_a_resumed_log_keeps_the_rows_up_to_its_step(tmp_path: Path, resumed_at: int, kept: int) -> None:
    fill(tmp_path)
    before = read(tmp_path)
    TrainingLog(tmp_path, resumed_at)
    assert read(tmp_path) == before[:kept]


def test_a_training_from_the_start_begins_a_new_log(tmp_path: Path) -> None:
    fill(tmp_path)
    TrainingLog(tmp_path, resumed_at=0)
    assert (tmp_path / "log.csv").read_text(encoding="utf-8").splitlines() == [HEADER]


def test_a_log_that_is_gone_is_begun_anew(tmp_path: Path) -> None:
    TrainingLog(tmp_path, resumed_at=40).add(Progress(60, 100, 1.0, 1.0, 0, {}), seconds=1)
    assert [row["step"] for row in read(tmp_path)] == ["60"]


@pytest.mark.parametrize("cut", ["6", "60,", "60,6.0", "60,6.0,1.6", "60,6.0,1.6667,1234,0,"])
def test_a_last_line_that_a_kill_cut_short_is_dropped(tmp_path: Path, cut: str) -> None:
    whole = f"{HEADER}\r\n20,2.0,5.0000,1234,0,,\r\n"
    (tmp_path / "log.csv").write_text(whole + cut, encoding="utf-8", newline="")
    log = TrainingLog(tmp_path, resumed_at=60)
    assert log.path.read_bytes() == whole.encode()
    log.draw()


@pytest.mark.parametrize("steps", [[], [20], [20, 40]], ids=str)
def test_curves_are_drawn_however_little_there_is(tmp_path: Path, steps: list[int]) -> None:
    log = TrainingLog(tmp_path, resumed_at=0)
    for step in steps:
        log.add(Progress(step, 100, 2.0, 3.0, 0, {}), seconds=1)
    log.draw()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_shows_more_when_more_is_known(tmp_path: Path) -> None:
    log = fill(tmp_path)
    log.draw()
    before = log.picture.read_bytes()
    log.add(Progress(80, 100, 1.0, 1.0, 0, {"translate:de:en": 90.0}), seconds=8)
    log.draw()
    assert log.picture.read_bytes() != before


def test_progress_is_the_mean_of_the_steps_that_were_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 102.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    recent = Recent()
    recent.add(loss=30.0, pieces=10)
    recent.skip()
    recent.add(loss=20.0, pieces=30)
    assert recent.progress(3, 9) == Progress(3, 9, 1.25, 20.0, 1, {})
