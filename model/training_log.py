"""The log of a training: a CSV file that grows, and a picture of its curves."""

import csv
import io
from pathlib import Path

from model.atomic import write_atomically

COLUMNS = ["step", "seconds", "loss", "pieces_per_second", "task", "score"]


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

    def add_loss(self, step: int, seconds: float, loss: float, pieces_per_second: float) -> None:
        """Note the training loss in nats a piece, and the speed in target pieces a second."""
        self._append(
            {
                "step": step,
                "seconds": f"{seconds:.1f}",
                "loss": f"{loss:.4f}",
                "pieces_per_second": f"{pieces_per_second:.0f}",
            }
        )

    def add_scores(self, step: int, seconds: float, scores: dict[str, float]) -> None:
        """Note each task's headline score on dev."""
        for task, value in scores.items():
            self._append({"step": step, "seconds": f"{seconds:.1f}", "task": task, "score": f"{value:.2f}"})

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
