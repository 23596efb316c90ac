import tomllib
from pathlib import Path

import pytest

from model.recipe import Recipe, load_recipe
from model.toml import to_toml

RECIPES = sorted(Path("model/recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_that_ships_reads_as_it_was_written(path: Path) -> None:
    text = to_toml(load_recipe(path))
    assert tomllib.loads(text) == tomllib.loads(path.read_text(encoding="utf-8"))


def test_a_recipe_of_awkward_values_reads_as_it_was_written(tiny_recipe: Recipe) -> None:
    corpus = tiny_recipe.corpus[0].model_copy(update={"train": [("a.de", 'b".en'), "ü😀.tsv"], "repeat": 2})
    card = tiny_recipe.card.model_copy(update={"data": '"""\n\\n \\ "quoted"\ttab\n', "limits": "\n"})
    training = tiny_recipe.training.model_copy(update={"learning_rate": 1e-7, "bf16": True})
    recipe = tiny_recipe.model_copy(update={"corpus": [corpus], "card": card, "training": training})
    assert Recipe.model_validate(tomllib.loads(to_toml(recipe))) == recipe
