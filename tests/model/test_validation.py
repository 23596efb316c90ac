from pathlib import Path

from model.config import Recipe
from model.validation import load_dev_set
from tests import reversal


def test_the_dev_set_has_the_first_pairs_of_each_task(tiny_recipe: Recipe, tiny_corpora: Path) -> None:
    dev_set = load_dev_set(tiny_recipe, tiny_corpora)
    assert list(dev_set) == [reversal.TRANSLATE, reversal.SUMMARIZE]
    for task, pairs in dev_set.items():
        rows = (tiny_corpora / f"dev.{task.kind}.tsv").read_text(encoding="utf-8").splitlines()
        assert [f"{pair.source}\t{pair.target}" for pair in pairs] == rows[:3]
