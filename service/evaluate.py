"""Score a bundle on a test file, through the very path that serves it."""

import re
from pathlib import Path

from model.bundle import Manifest, Score
from model.config import Task
from model.data import DataError, read_rows
from model.evaluation import score
from service.offline import chunks, run_in_bulk
from service.translator import Translator


def tasks_for(manifest: Manifest, file: Path, *, columns: str | None, wanted: list[Task]) -> dict[Task, bool]:
    """Return which tasks to score on the file, and whether its columns stand the other way round for each.

    ``columns`` as ``de-en`` or ``en``; by default the part of the file's name before ``.tsv``. DataError when neither
    says it, or when no task of the bundle fits.
    """
    found = re.search(r"\.([A-Za-z-]+)\.tsv(\.xz|\.gz)?$", file.name)
    languages = (columns or (found[1] if found else "")).lower()
    if not languages:
        raise DataError(f"{file}: its name does not end in LANGUAGES.tsv, as .de-en.tsv or .en.tsv; give --columns")
    fitting = {
        task: is_reversed
        for task in wanted or manifest.tasks
        if task in manifest.tasks
        # Compared whole: a code may hold a hyphen itself.
        for is_reversed, ends in ((True, (task.target, task.source)), (False, (task.source, task.target)))
        if languages == "-".join(dict.fromkeys(ends))
    }
    if not fitting:
        raise DataError(f"{manifest.name} has no such task for {languages}: {', '.join(map(str, manifest.tasks))}")
    return fitting


def evaluate_bundle(translator: Translator, file: Path, *, task: Task, is_reversed: bool) -> Score:
    """Run the task on each source of the file and score the outputs."""
    rows = [row[1::-1] if is_reversed else row for row in read_rows(file.name, file.parent)]
    if not rows:
        raise DataError(f"{file}: is empty")
    outputs = [
        answer.texts[0]
        for sources in chunks(row[0] for row in rows)
        for answer in run_in_bulk(translator, task, sources)
    ]
    dtype = translator.catalogue.serving[task].dtype
    values = score(task, outputs, [row[1:] for row in rows])
    return Score(
        task=task, test=f"{file.resolve().parent.name}/{file.name}", pairs=len(rows), dtype=dtype, values=values
    )
