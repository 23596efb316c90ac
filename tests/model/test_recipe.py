import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import model
from model.config import DecodingConfig, Task
from model.recipe import Recipe, RecipeError, load_recipe
from model.toml import to_toml

RECIPES = sorted((Path(model.__file__).parent / "recipes").glob("*.toml"))

MINIMAL = """
name = "minimal"
[[corpus]]
name = "few"
train = ["few.tsv", ["few.de", "few.en"]]
columns = ["de", "en"]
tasks = ["translate:de:en", "translate:en:de"]
"""


def load(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path)


def test_a_minimal_recipe_has_its_corpus_and_defaults_for_the_rest(tmp_path: Path) -> None:
    recipe = load(tmp_path, MINIMAL)
    assert recipe.corpus[0].train == ["few.tsv", ("few.de", "few.en")]
    assert recipe.tasks == [Task.parse("translate:de:en"), Task.parse("translate:en:de")]
    assert recipe.decoding == DecodingConfig()


def test_a_task_of_two_corpora_is_named_once(tmp_path: Path) -> None:
    second = MINIMAL[MINIMAL.index("[[corpus]]") :].replace("translate:de:en", "summarize:en")
    second = second.replace('["de", "en"]', '["en", "en"]').replace('"translate:en:de"', '"summarize:en"')
    recipe = load(tmp_path, MINIMAL + MINIMAL[MINIMAL.index("[[corpus]]") :] + second)
    assert list(map(str, recipe.tasks)) == ["translate:de:en", "translate:en:de", "summarize:en"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_that_ship_can_be_read(path: Path) -> None:
    assert load_recipe(path).name == path.stem


@pytest.mark.parametrize(
    ("addition", "key"),
    [
        ("[network]\nhiden_size = 8", "network.hiden_size"),
        ("[typo]", "typo"),
        ("[network]\nhidden_size = 7", "network.hidden_size"),
        ("[network]\ndropout = 1.0", "network.dropout"),
        ("[network]\ncell = 'mlp'", "network.cell"),
        ("[network]\nattention = 'multi-head'\nheads = 3", "heads 3 do not divide hidden_size 512"),
        ("[network]\nattention = 'none'\ncopying = true", "copying needs attention"),
        ("[training]\nmask_share = 0.1", "mask_share has no masks to draw"),
        ("[network]\nword_dropout = 0.1", "network.word_dropout: is unknown"),  # though earlier bundles have it
        ("[network]\ndecoder_layers = 1", "network.decoder_layers"),
        ("[tokenizer]\nvocabulary_size = 10", "tokenizer.vocabulary_size"),
        ("[training]\nlearning_rate = inf", "training.learning_rate"),
        ("[training]\nsteps = 'many'", "training.steps"),
        ("[training]\nsteps = 10\nwarmup_steps = 9\ndecay_steps = 2", "warmup_steps"),
        ("[decoding]\nn_best = 3\nbeam_size = 2", "n_best 3"),
        ("[decoding]\nmin_length = 11\nmax_length = 10", "min_length 11"),
        ("[decoding]\nbeam_size = 17", "decoding.beam_size"),
        ("[decoding]\nprune_threshold = -1", "decoding.prune_threshold"),
        ("[decoding]\nrepetition_penalty = 0.9", "decoding.repetition_penalty"),
        ("[filter]\noverlong_source = 'split'", "filter.overlong_source"),
    ],
)
def test_an_unknown_or_impossible_key_names_itself_in_one_line(tmp_path: Path, addition: str, key: str) -> None:
    with pytest.raises(RecipeError, match=key) as caught:
        load(tmp_path, f"{MINIMAL}\n{addition}")
    assert "recipe.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'tasks = ["translate:de:en"',
            'tasks = ["translate:de:fr"',
            "translate:de:fr does not use the columns de and en",
        ),
        ('tasks = ["translate:de:en"', 'tasks = ["interpret:de:en"', "corpus.0.tasks.0.kind"),
        ('name = "minimal"', 'name = "Not Minimal"', "name"),
        ('name = "minimal"', "", "name: Field required"),
        ('train = ["few.tsv", ["few.de", "few.en"]]', "train = []", "corpus.0.train"),
    ],
)
def test_a_recipe_whose_parts_do_not_fit_says_which(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(tmp_path, MINIMAL.replace(old, new))


def test_a_recipe_that_is_missing_or_not_toml_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.toml: No such file"):
        load_recipe(tmp_path / "nowhere.toml")
    with pytest.raises(RecipeError, match=r"recipe\.toml: not TOML"):
        load(tmp_path, "name = ")
    (tmp_path / "latin.toml").write_bytes('name = "ü"'.encode("latin-1"))
    with pytest.raises(RecipeError, match=r"latin\.toml: not TOML"):
        load_recipe(tmp_path / "latin.toml")


GLOSSARY = """
[glossary."translate:de:en"]
Vertrag = "agreement"
"Vertrag auf Zeit" = "temporary \\"agreement\\""
"""


def test_a_recipe_may_have_a_glossary_for_each_translation(tmp_path: Path) -> None:
    terms = {"Vertrag": "agreement", "Vertrag auf Zeit": 'temporary "agreement"'}
    recipe = load(tmp_path, MINIMAL + GLOSSARY)
    assert recipe.glossary == {Task.parse("translate:de:en"): terms}
    assert recipe.trains_like(load(tmp_path, MINIMAL))
    assert Recipe.model_validate(json.loads(json.dumps(recipe.model_dump(mode="json")))) == recipe
    assert load(tmp_path, to_toml(recipe)) == recipe


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("translate:de:fr", "translate:de:fr is no translation among the tasks translate:de:en, translate:en:de"),
        ("summarize:en", "summarize:en is no translation among the tasks"),
        ("de-en", "glossary.de-en"),
    ],
)
def test_a_glossary_of_no_translation_of_the_recipe_is_named(tmp_path: Path, task: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(tmp_path, MINIMAL + GLOSSARY.replace("translate:de:en", task))


def test_a_recipe_survives_json(tiny_recipe: Recipe) -> None:
    dumped: dict[str, Any] = tiny_recipe.model_dump(mode="json")
    assert dumped["corpus"][0]["tasks"] == ["translate:de:en"]
    assert Recipe.model_validate(dumped) == tiny_recipe


def test_a_recipe_cannot_be_changed(tiny_recipe: Recipe) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        tiny_recipe.network.dropout = 0.5  # type: ignore[misc]


def test_a_training_does_not_go_on_with_other_windows(tmp_path: Path) -> None:
    recipe = load(tmp_path, MINIMAL)
    assert not recipe.trains_like(load(tmp_path, MINIMAL + "[training]\nwindow_pairs = 500_000"))
