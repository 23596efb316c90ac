import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest

from model import training_set as module
from model.cache import Cache, write_cache
from model.config import TokenizerConfig
from model.data import Example, Pair, collate, tokenize_pairs
from model.recipe import FilterConfig, Recipe, RecipeError, TrainingConfig
from model.tokenizer import END, Tokenizer
from model.training_set import TrainingSet, open_training_set
from tests.reversal import TRANSLATE, random_sentences, translation

CONFIG = TrainingConfig(batch_pieces=120, length_multiple=2, seed=3)
SMALL_WINDOWS = CONFIG.model_copy(update={"window_pairs": 40})

LIMITS = FilterConfig()

Make = Callable[..., TrainingSet]


@pytest.fixture
def make(tiny_tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return what makes a training set of corpora of examples, in blocks of ten."""
    monkeypatch.setattr("model.training_set.BLOCK_PAIRS", 10)

    def make_from(
        *corpora: Iterable[Example | str],
        repeats: Sequence[int] = (1,),
        limits: FilterConfig = LIMITS,
        tokenizer: Tokenizer = tiny_tokenizer,
    ) -> TrainingSet:
        cache = write_cache(tmp_path / "cache", "key", corpora, vocabulary_size=len(tokenizer))
        return TrainingSet(cache, repeats, tokenizer, limits)

    return make_from


def batches_of(training_set: TrainingSet, epoch: int, config: TrainingConfig, start: int = 0) -> list[list[Example]]:
    return [batch.examples for batch in training_set.batches(epoch, config, start)]


def numbered(numbers: Iterable[int]) -> list[Example]:
    """Return examples that differ, of several lengths."""
    return [Example([9, *[8] * (i % 7), 10 + i, END], [5] * (1 + i % 5)) for i in numbers]


def number_of(example: Example) -> int:
    return example.source[-2] - 10


@pytest.fixture
def fruit(make: Make, tiny_tokenizer: Tokenizer) -> TrainingSet:
    """Return a training set of 150 sentences of the made-up language."""
    pairs = [Pair(TRANSLATE, source, translation(source)) for source in random_sentences(150, 0)]
    return make(tokenize_pairs(pairs, tiny_tokenizer, LIMITS))


@pytest.fixture
def masking() -> Tokenizer:
    """Return a tokenizer with three masks."""
    config = TokenizerConfig(vocabulary_size=300, masks=3)
    texts = (text for source in random_sentences(500, 0) for text in (source, translation(source)))
    return Tokenizer.train(texts, [TRANSLATE], config)


@pytest.fixture
def masked_fruit(make: Make, masking: Tokenizer) -> TrainingSet:
    """Return the same of a tokenizer with masks."""
    pairs = [Pair(TRANSLATE, source, translation(source)) for source in random_sentences(150, 0)]
    return make(tokenize_pairs(pairs, masking, LIMITS), tokenizer=masking)


# The order of an epoch


@pytest.mark.parametrize("config", [CONFIG, SMALL_WINDOWS], ids=["one window", "several"])
def test_an_epoch_has_every_pair_as_often_as_its_corpus_is_repeated(make: Make, config: TrainingConfig) -> None:
    training_set = make(numbered(range(95)), [], numbered(range(95, 118)), repeats=[1, 4, 3])
    assert len(training_set) == 95 + 3 * 23
    expected = Counter(range(95)) + Counter(3 * [*range(95, 118)])
    for epoch in range(3):
        batches = batches_of(training_set, epoch, config)
        assert Counter(number_of(example) for batch in batches for example in batch) == expected
        by_number = {number_of(example): example for batch in batches for example in batch}
        assert [by_number[i] for i in range(118)] == numbered(range(118))


@pytest.mark.parametrize("config", [CONFIG, SMALL_WINDOWS], ids=["one window", "several"])
def test_an_epoch_follows_from_seed_and_number_alone(make: Make, config: TrainingConfig) -> None:
    training_set = make(numbered(range(150)))
    first = batches_of(training_set, 0, config)
    assert batches_of(training_set, 0, config) == first
    assert batches_of(training_set, 1, config) != first
    for seed in (4, -4):
        assert batches_of(training_set, 0, config.model_copy(update={"seed": seed})) != first


def test_another_epoch_puts_other_pairs_together(make: Make) -> None:
    training_set = make(numbered(range(150)))
    for config in (CONFIG, SMALL_WINDOWS):
        first, second = (
            {frozenset(map(number_of, batch)) for batch in batches_of(training_set, epoch, config)}
            for epoch in range(2)
        )
        assert len(first & second) < len(first) / 2


def test_a_window_mixes_blocks_from_all_over_the_corpus_and_no_batch_reaches_beyond_it(make: Make) -> None:
    training_set = make(numbered(range(200)))
    batches = [list(map(number_of, batch)) for batch in batches_of(training_set, 0, SMALL_WINDOWS)]
    windows: list[list[int]] = [[]]
    for batch in batches:
        if len(windows[-1]) == 40:
            windows.append([])
        windows[-1] += batch
    assert [len(window) for window in windows] == [40] * 5
    for window in windows:
        blocks = sorted({number // 10 for number in window})
        assert len(blocks) == 4
        assert blocks[-1] - blocks[0] > 3  # they are not neighbours
        neighbours = sum(abs(one - other) == 1 for one, other in pairwise(window))
        assert neighbours < 10


def test_windows_are_of_like_size(make: Make) -> None:
    training_set = make(numbered(range(410)))
    config = CONFIG.model_copy(update={"window_pairs": 400, "batch_pieces": 10**6, "length_multiple": 1000})
    assert [len(batch) for batch in batches_of(training_set, 0, config)] == [210, 200]


def test_a_window_smaller_than_a_block_is_a_block(make: Make) -> None:
    training_set = make(numbered(range(35)))
    config = CONFIG.model_copy(update={"window_pairs": 1, "batch_pieces": 10**6, "length_multiple": 1000})
    assert sorted(len(batch) for batch in batches_of(training_set, 0, config)) == [5, 10, 10, 10]


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("config", [CONFIG, SMALL_WINDOWS], ids=["one window", "several"])
def test_a_later_start_yields_what_an_epoch_from_its_beginning_has_there(
    masked_fruit: TrainingSet, config: TrainingConfig, share: float
) -> None:
    config = config.model_copy(update={"mask_share": share})
    whole = batches_of(masked_fruit, 2, config)
    for start in (0, 1, len(whole) // 2, len(whole) - 1, len(whole), len(whole) + 1):
        assert batches_of(masked_fruit, 2, config, start=start) == whole[start:]


def test_what_is_skipped_is_neither_read_nor_masked(masked_fruit: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SMALL_WINDOWS.model_copy(update={"mask_share": 1.0})
    whole = batches_of(masked_fruit, 0, config)
    read, masked = [], []
    pieces, mask_names = Cache.pieces, module.mask_names
    monkeypatch.setattr(Cache, "pieces", lambda *args: read.append(0) or pieces(*args))
    monkeypatch.setattr(module, "mask_names", lambda *args: masked.append(0) or mask_names(*args))
    (last,) = batches_of(masked_fruit, 0, config, start=len(whole) - 1)
    assert len(read) == 1
    assert len(masked) == len(last)


# Batches


@pytest.mark.parametrize("multiple", [1, 2, 4])
def test_batches_keep_to_the_budget_and_hold_like_lengths(fruit: TrainingSet, multiple: int) -> None:
    config = CONFIG.model_copy(update={"length_multiple": multiple})
    for examples in batches_of(fruit, 0, config):
        batch = collate(examples, multiple)
        assert batch.source.numel() + batch.target_inputs.numel() <= config.batch_pieces
        for padded in (batch.source, batch.target_outputs):
            padding = padded.size(1) - (padded == END).int().argmax(dim=1) - 1
            assert padding.max() < multiple


def test_batches_have_few_shapes(make: Make) -> None:
    training_set = make(numbered(range(2000)))
    config = CONFIG.model_copy(update={"length_multiple": 4, "batch_pieces": 300})
    shapes = Counter(
        (collated.source.shape, collated.target_inputs.size(1))
        for collated in (collate(batch, 4) for batch in batches_of(training_set, 0, config))
    )
    # Sources of 3 to 9 and targets of 2 to 6 positions, padded to 4, 8 or 12; each with one smaller batch at its end.
    assert {(source[1], target) for source, target in shapes} == {(s, t) for s in (4, 8, 12) for t in (4, 8)}
    assert {source[0] % 8 for (source, _), count in shapes.items() if count > 1} == {0}
    assert len(shapes) <= 12


def test_a_pair_beyond_the_budget_is_a_batch_by_itself(make: Make) -> None:
    batches = batches_of(make(numbered(range(50))), 0, CONFIG.model_copy(update={"batch_pieces": 1}))
    assert sorted(list(map(number_of, batch)) for batch in batches) == [[i] for i in range(50)]


# Masks


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_as_many_pairs_are_masked_as_the_recipe_says_and_alike_on_both_sides(
    make: Make, masking: Tokenizer, share: float
) -> None:
    pairs = [Pair(TRANSLATE, source, translation(source)) for source in random_sentences(300, 0)]
    training_set = make(tokenize_pairs(pairs, masking, LIMITS), tokenizer=masking)
    config = CONFIG.model_copy(update={"mask_share": share})
    made = [[masking.decode(side) for side in one] for one in chain(*batches_of(training_set, 0, config))]
    assert all(translation(source) == target for source, target in made)  # a mask is a word like any other
    masked = [source for source, _ in made if set(source) & set(masking.masks)]
    assert len(masked) / len(made) == pytest.approx(share, abs=0.1)
    assert set(masking.masks) <= set("".join(masked)) or not masked


def test_a_pair_that_masks_would_make_too_long_stays_as_it_is(make: Make, masking: Tokenizer) -> None:
    example = Example(masking.encode_source("Birne", TRANSLATE), masking.encode("Birne"))
    config = CONFIG.model_copy(update={"mask_share": 1.0})
    for longest, is_masked in ((1, False), (2, True)):
        limits = FilterConfig(max_source_pieces=longest, max_target_pieces=longest)
        training_set = make([example], limits=limits, tokenizer=masking)
        assert (batches_of(training_set, 0, config) != [[example]]) == is_masked


# Opening


def opened(recipe: Recipe, tokenizer: Tokenizer, texts: Path, cache: Path) -> list[list[Example]]:
    return batches_of(open_training_set(recipe, tokenizer, texts=texts, cache=cache), 0, recipe.training)


@pytest.fixture
def texts(tiny_corpora: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny corpora that a test may change."""
    return shutil.copytree(tiny_corpora, tmp_path / "texts")


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the key of each cache that is written."""
    keys: list[str] = []
    write = module.write_cache

    def counted(folder: Path, key: str, *args: Any, **kwargs: Any) -> Cache:
        keys.append(key)
        return write(folder, key, *args, **kwargs)

    monkeypatch.setattr(module, "write_cache", counted)
    return keys


def test_the_same_inputs_are_tokenized_once(
    tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, texts: Path, tmp_path: Path, writes: list[str]
) -> None:
    cache = tmp_path / "cache"
    first = opened(tiny_recipe, tiny_tokenizer, texts, cache)
    assert opened(tiny_recipe, tiny_tokenizer, texts, cache) == first
    assert len(writes) == 1


def test_a_changed_text_or_filter_is_tokenized_anew(
    tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, texts: Path, tmp_path: Path, writes: list[str]
) -> None:
    cache = tmp_path / "cache"
    first = opened(tiny_recipe, tiny_tokenizer, texts, cache)
    strict = tiny_recipe.model_copy(update={"filter": FilterConfig(max_source_pieces=5, max_target_pieces=5)})
    assert max(len(example.target) for example in chain(*opened(strict, tiny_tokenizer, texts, cache))) == 5
    assert opened(tiny_recipe, tiny_tokenizer, texts, cache) == first
    with (texts / "train.translate.tsv").open("a", encoding="utf-8") as file:
        file.write("Birne\tBirne\n")
    more = open_training_set(tiny_recipe, tiny_tokenizer, texts=texts, cache=cache)
    assert len(more) == sum(map(len, first)) + 1
    assert len(writes) == 4
    assert [path.name for path in cache.iterdir()] == [writes[-1]]


def test_a_damaged_cache_is_tokenized_anew(
    tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, texts: Path, tmp_path: Path, writes: list[str]
) -> None:
    cache = tmp_path / "cache"
    first = opened(tiny_recipe, tiny_tokenizer, texts, cache)
    with (cache / writes[0] / "pieces.bin").open("r+b") as file:
        file.truncate(100)
    assert opened(tiny_recipe, tiny_tokenizer, texts, cache) == first
    assert len(writes) == 2


def test_another_repetition_is_not_tokenized_anew(
    tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, texts: Path, tmp_path: Path, writes: list[str]
) -> None:
    cache = tmp_path / "cache"
    once = open_training_set(tiny_recipe, tiny_tokenizer, texts=texts, cache=cache)
    repeated = [corpus.model_copy(update={"repeat": 3}) for corpus in tiny_recipe.corpus]
    thrice = tiny_recipe.model_copy(update={"corpus": repeated})
    assert len(open_training_set(thrice, tiny_tokenizer, texts=texts, cache=cache)) == 3 * len(once)
    assert len(writes) == 1


def test_drops_are_counted_whether_pairs_are_tokenized_or_found(
    tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, texts: Path, tmp_path: Path
) -> None:
    (texts / "train.translate.tsv").write_text("\tBirne\n" + "Birne " * 25 + "\tBirne\n\n", encoding="utf-8")
    for _ in range(2):
        training_set = open_training_set(tiny_recipe, tiny_tokenizer, texts=texts, cache=tmp_path / "cache")
        assert training_set.dropped == {"empty": 2, "too long": 1}


def test_data_without_a_fit_pair_is_refused_with_the_reasons(
    tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, tmp_path: Path
) -> None:
    for kind in ("translate", "summarize"):
        (tmp_path / f"train.{kind}.tsv").write_text("\tApfel\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(RecipeError, match=r"no pair is fit for training; dropped: \{'empty': 2\}"):
            open_training_set(tiny_recipe, tiny_tokenizer, texts=tmp_path, cache=tmp_path / "cache")
