"""The log of a training: a CSV file that grows, and a picture of its curves."""

import csv
import io
import time
from pathlib import Path
from typing import NamedTuple

from model.atomic import write_atomically

COLUMNS = ["step", "seconds", "loss", "pieces_per_second", "skipped", "task", "score"]


class Progress(NamedTuple):
    """Where a training stands after a step, for whoever shows it."""

    step: int
    steps: int
    loss: float
    """Cross-entropy a target piece in nats, without smoothing, averaged over the last steps; NaN without any."""
    pieces_per_second: float
    """Target pieces, padding not counted, of all processes."""
    skipped: int
    """Of the last steps, those whose loss or gradient was not finite."""
    scores: dict[str, float]
    """Of the validation after this step; empty where there was none."""


class Recent:
    """The steps since the last row of the log."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._loss, self._pieces, self._skipped = 0.0, 0, 0

    def add(self, loss: float, pieces: int) -> None:
        """Count a step with its summed loss."""
        self._loss += loss
        self._pieces += pieces

    def skip(self) -> None:
        """Count a step that was not taken."""
        self._skipped += 1

    @property
    def seconds(self) -> float:
        """How long it took so far."""
        return time.monotonic() - self._since

    def progress(self, step: int, steps: int) -> Progress:
        """Return what to show after ``step`` of ``steps``."""
        loss = self._loss / self._pieces if self._pieces else float("nan")
        return Progress(step, steps, loss, self._pieces / self.seconds, self._skipped, {})


class TrainingLog:
    """log.csv and curves.png in a run's folder.

    A resumed training drops the rows that a killed one had written after its last checkpoint.
    """

    def __init__(self, folder: Path, resumed_at: int) -> None:
        self.path = folder / "log.csv"
        self.picture = folder / "curves.png"
        rows = [row for row in self._read() if int(row["step"]) <= resumed_at] if resumed_at else []
        content = io.StringIO(newline="")
        writer = csv.DictWriter(content, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.path, content.getvalue().encode())

    def _read(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            # A kill may have cut the last line short.
            return [row for row in csv.DictReader(file, COLUMNS) if row["score"] is not None][1:]

    def _append(self, row: dict[str, object]) -> None:
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS, restval="").writerow(row)

    def add(self, progress: Progress, seconds: float) -> None:
        """Note loss, speed and skipped steps after so many seconds of training, then each task's score on dev."""
        place = {"step": progress.step, "seconds": f"{seconds:.1f}"}
        self._append(
            {
                **place,
                "loss": f"{progress.loss:.4f}",
                "pieces_per_second": f"{progress.pieces_per_second:.0f}",
                "skipped": progress.skipped,
            }
        )
        for task, value in progress.scores.items():
            self._append({**place, "task": task, "score": f"{value:.2f}"})

    def draw(self) -> None:
        """Draw loss and scores over the steps."""
        # Imported here: it is slow to import, and only training draws.
        from matplotlib.figure import Figure

        rows = self._read()
        figure = Figure(figsize=(9, 4), layout="constrained")
        loss, scores = figure.subplots(1, 2)
        losses = [row for row in rows if row["loss"]]
        loss.plot([int(r["step"]) for r in losses], [float(r["loss"]) for r in losses], linewidth=0.8)
        loss.set(xlabel="step", ylabel="training loss, nats a piece")
        for task in dict.fromkeys(row["task"] for row in rows if row["task"]):
            points = [row for row in rows if row["task"] == task]
            scores.plot([int(r["step"]) for r in points], [float(r["score"]) for r in points], marker=".", label=task)
        scores.set(xlabel="step", ylabel="score on dev (BLEU, ROUGE-L)")
        if scores.lines:
            scores.legend()
        for axes in (loss, scores):
            axes.grid(alpha=0.3)
        figure.savefig(self.picture, dpi=110)
