import json
from pathlib import Path

import pytest

from model.bundle import WORDS
from model.known_words import MIN_COUNT
from tests.service.cli.commands import Dragoman, assert_one_sentence

RECIPE = """
name = "words"
[[corpus]]
name = "made up"
train = ["train.tsv"]
columns = ["de", "en"]
tasks = ["translate:de:en", "translate:en:de"]
"""


def test_a_bundle_is_given_the_words_of_a_recipe_s_text(
    dragoman: Dragoman, masking_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "train.tsv").write_text("Der Hund\tThe dog\n" * MIN_COUNT + "Die Katze\tThe cat\n")
    ended = dragoman("words", masking_bundle, tmp_path / "recipe.toml", "--data", tmp_path)
    assert (ended.status, ended.out, ended.err) == (0, "", f"{masking_bundle / WORDS}: 2 de, 2 en\n")
    assert json.loads((masking_bundle / WORDS).read_text()) == {"de": ["Der", "Hund"], "en": ["The", "dog"]}


def test_a_bundle_without_masks_is_told_that_words_are_of_no_use_to_it(
    dragoman: Dragoman, tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    ended = dragoman("words", tiny_bundle, tmp_path / "recipe.toml", "--data", tmp_path)
    assert_one_sentence(ended, "tiny: has no masks")
    assert not (tiny_bundle / WORDS).exists()


@pytest.mark.parametrize(
    ("recipe", "message"), [("nowhere.toml", "nowhere.toml: No such"), ("recipe.toml", "train.tsv: No such")]
)
def test_text_that_is_not_there_is_named(
    recipe: str, message: str, dragoman: Dragoman, masking_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    assert_one_sentence(dragoman("words", masking_bundle, tmp_path / recipe, "--data", tmp_path), message)
    assert not (masking_bundle / WORDS).exists()
