from pathlib import Path

import pytest

from model.data import DataError
from model.recipe import Recipe
from model.validation import load_dev_set
from tests import reversal


def test_the_dev_set_has_the_first_pairs_of_each_task(tiny_recipe: Recipe, tiny_corpora: Path) -> None:
    dev_set = load_dev_set(tiny_recipe, tiny_corpora)
    assert list(dev_set) == [reversal.TRANSLATE, reversal.SUMMARIZE]
    for task, pairs in dev_set.items():
        rows = (tiny_corpora / f"dev.{task.kind}.tsv").read_text(encoding="utf-8").splitlines()
        assert [f"{pair.source}\t{pair.target}" for pair in pairs] == rows[:3]


def test_a_dev_file_without_a_pair_is_refused(tiny_recipe: Recipe, tmp_path: Path) -> None:
    for kind in ("translate", "summarize"):
        (tmp_path / f"dev.{kind}.tsv").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"dev\.translate\.tsv: holds no pair to validate on"):
        load_dev_set(tiny_recipe, tmp_path)
