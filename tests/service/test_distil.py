import lzma
from collections import Counter
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from model.bundle import Bundle
from model.config import DecodingConfig, Task
from model.data import DataError
from model.hypothesis import Hypothesis
from model.search import Sentence
from service import distil as module
from service.distil import Distillation, distil
from service.engine import Engine
from service.errors import DecodingFailed
from tests.service.fakes import GatedSearch, fake_bundle

LINES = "abc\tx\nde f\ty\n\tz\nghi.\nj\tu\tv\n"
OUTPUTS = "abc\tcba\nde f\tf ed\nghi.\t.ihg\nj\tj\n"


@pytest.fixture
def job(tmp_path: Path) -> Distillation:
    """Return a job on four sources and an empty one."""
    file = tmp_path / "train.tsv"
    file.write_text(LINES)
    return Distillation(
        Task.parse("translate:de:en"), file, 0, tmp_path / "out.tsv", False, DecodingConfig(beam_size=3)
    )


def run(engine: Engine, bundle: Bundle, job: Distillation) -> tuple[str, list[int], dict[str, int]]:
    """Return what is written, how many lines were reported, and how many sources were left out."""
    reported: list[int] = []
    left_out = distil(engine, bundle, job, reported.append, stop=Event())
    return job.out.read_text(), reported, dict(left_out)


def test_each_source_is_written_with_what_the_bundle_makes_of_it(
    engine: Engine, bundle: Bundle, search: GatedSearch, job: Distillation
) -> None:
    assert run(engine, bundle, job) == (OUTPUTS, [0, 4], {"empty": 1})
    assert {config.beam_size for config in search.configs} == {3}


def test_the_best_is_chosen_by_both_directions_where_the_bundle_has_them(
    engine: Engine, search: GatedSearch, job: Distillation
) -> None:
    search.answer = lambda sentence: [Hypothesis([letter], -1.0, -1.0) for letter in b"xyz"][: sentence.config.n_best]
    search.choose = lambda found: [one.hypotheses[-1:] for one in found]  # type: ignore[attr-defined]
    both_ways = fake_bundle(search, tasks=["translate:de:en", "translate:en:de"])
    job = job._replace(decoding=job.decoding.model_copy(update={"reverse_weight": 0.3}))
    assert run(engine, both_ways, job)[0] == "abc\tz\nde f\tz\nghi.\tz\nj\tz\n"


def test_sources_are_not_cut_and_longer_ones_than_the_network_reads_are_left_out(
    engine: Engine, bundle: Bundle, search: GatedSearch, job: Distillation
) -> None:
    limit: Any = bundle.manifest
    limit.max_source_pieces = 10
    job.file.write_text("One. Two.\nOne. Two. .\nA? B! C.\nOne Two Three\n")
    assert run(engine, bundle, job) == ("One. Two.\t.owT .enO\nA? B! C.\t.C !B ?A\n", [0, 2], {"too long": 2})
    assert len(search.sentences) == 2


def test_the_source_may_be_the_second_column_and_the_file_compressed(
    engine: Engine, bundle: Bundle, job: Distillation, tmp_path: Path
) -> None:
    file = tmp_path / "train.tsv.xz"
    file.write_bytes(lzma.compress(b"x\tabc\ny\tde\n"))
    assert run(engine, bundle, job._replace(file=file, column=1))[0] == "abc\tcba\nde\ted\n"


def test_for_back_translation_the_output_comes_first(engine: Engine, bundle: Bundle, job: Distillation) -> None:
    job = job._replace(is_reversed=True)
    whole = "cba\tabc\nf ed\tde f\n.ihg\tghi.\nj\tj\n"
    assert run(engine, bundle, job)[0] == whole
    job.out.write_text(whole[:20])
    assert run(engine, bundle, job)[0] == whole


@pytest.mark.parametrize("at_once", [1, 3, 4, 100])
def test_what_is_decoded_together_changes_nothing(
    at_once: int, engine: Engine, bundle: Bundle, job: Distillation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SOURCES_AT_ONCE", at_once)
    assert run(engine, bundle, job)[0] == OUTPUTS


@pytest.mark.parametrize("size", range(0, len(OUTPUTS) + 1, 3))
def test_wherever_it_was_killed_it_goes_on_as_if_it_had_not_been(
    size: int, engine: Engine, bundle: Bundle, search: GatedSearch, job: Distillation
) -> None:
    job.out.write_text(OUTPUTS[:size])
    whole_lines = OUTPUTS[:size].count("\n")
    out, reported, left_out = run(engine, bundle, job)
    assert (out, reported[0], left_out) == (OUTPUTS, whole_lines, {"empty": 1})
    assert len(search.sentences) == 4 - whole_lines


@pytest.mark.parametrize("out", ["other\tx\n", "abc\tcba\nde\tf ed\n", OUTPUTS + "k\tk\n", "\n", "abc\n"])
def test_what_is_of_another_file_is_left_as_it_is(out: str, engine: Engine, bundle: Bundle, job: Distillation) -> None:
    job.out.write_text(out)
    with pytest.raises(DataError, match=r"out.tsv, line \d: is not of .*train.tsv: name another file"):
        distil(engine, bundle, job, lambda _: None, stop=Event())
    assert job.out.read_text() == out


def test_an_output_never_breaks_its_line(
    engine: Engine, bundle: Bundle, search: GatedSearch, job: Distillation
) -> None:
    pieces = list(map(ord, "a\tb\n c"))
    search.answer = lambda _: [Hypothesis(pieces, -1.0, -1.0, [-0.5] * 7)]
    job.file.write_text("abc\n")
    assert run(engine, bundle, job)[0] == "abc\ta b c\n"


def test_a_failure_keeps_what_was_written(
    engine: Engine, bundle: Bundle, search: GatedSearch, job: Distillation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(sentence: Sentence) -> list[Hypothesis]:
        raise RuntimeError(sentence)

    monkeypatch.setattr(module, "SOURCES_AT_ONCE", 2)
    seen: Counter[int] = Counter()

    def fail_after_the_first_two(lines: int) -> None:
        seen[lines] += 1
        if lines == 2:
            search.answer = fail

    with pytest.raises(DecodingFailed):
        distil(engine, bundle, job, fail_after_the_first_two, stop=Event())
    assert job.out.read_text() == "".join(OUTPUTS.splitlines(keepends=True)[:2])


def test_stopped_it_keeps_whole_lines_and_goes_on_where_they_end(
    engine: Engine, bundle: Bundle, job: Distillation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SOURCES_AT_ONCE", 2)
    stop = Event()
    distil(engine, bundle, job, lambda lines: stop.set() if lines == 2 else None, stop=stop)
    assert job.out.read_text() == "".join(OUTPUTS.splitlines(keepends=True)[:2])
    assert run(engine, bundle, job)[0] == OUTPUTS


def test_the_file_to_read_is_never_written_to(engine: Engine, bundle: Bundle, job: Distillation) -> None:
    job = job._replace(out=job.file)
    with pytest.raises(DataError, match=r"train\.tsv: is the file to read"):
        distil(engine, bundle, job, lambda _: None, stop=Event())
    assert job.file.read_text() == LINES
