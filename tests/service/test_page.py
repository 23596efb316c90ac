"""The page of an evaluation, with the tables and examples that stand on it."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from model.hypothesis import Hypothesis
from model.search import Sentence
from service.catalogue import Catalogue, Entry
from service.evaluate import Evaluation, evaluate_file
from service.examples import choose, show
from service.offline import open_translator
from service.page import histogram, lengths, marked, render_page
from service.report import as_record, tables
from service.settings import Settings
from service.translator import Translator
from tests.reversal import TRANSLATE
from tests.service.fakes import GatedSearch, backwards, fake_bundle

HOSTILE = "<script>alert('1')</script> & \" </style><img src=x onerror=alert(1)>"
WORDS = "eins zwei drei vier fünf sechs sieben acht neun zehn".split()  # noqa: SIM905


class Tags(HTMLParser):
    """Collects the names of all tags, their attributes, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def attending(sentence: Sentence) -> list[Hypothesis]:
    """Answer a sentence backwards, each piece having attended to all alike."""
    (hypothesis,) = backwards(sentence)
    size = len(sentence.source)
    weights = [[1 / size] * size] * (len(hypothesis.pieces) + 1)
    return [hypothesis._replace(attention=weights if sentence.attention else None)]


@pytest.fixture
def translators() -> Iterator[list[Translator]]:
    """Run two translators, of which the first answers with its source backwards and the second with nothing."""
    first, second = GatedSearch(), GatedSearch()
    first.answer, second.answer = attending, lambda _: [Hypothesis([], -1.0, -1.0)]
    catalogues = []
    for name, search in (("first", first), ("second", second)):
        bundle = fake_bundle(search, name=name)
        catalogues.append(Catalogue([Entry(name, bundle, None)], {TRANSLATE: bundle}))
    settings = Settings(threads=1, device="cpu")
    with open_translator(catalogues[0], settings) as one, open_translator(catalogues[1], settings) as other:
        yield [one, other]


def evaluate(translators: list[Translator], folder: Path, rows: list[tuple[str, str]]) -> Evaluation:
    file = folder / "test.de-en.tsv"
    file.write_text("".join(f"{source}\t{reference}\n" for source, reference in rows), encoding="utf-8")
    (evaluation,) = evaluate_file(file, translators, {TRANSLATE: False})
    return evaluation


def test_texts_stay_texts_whatever_they_hold_and_the_page_needs_no_other(
    translators: list[Translator], tmp_path: Path
) -> None:
    rows = [(HOSTILE, HOSTILE[::-1]), (HOSTILE[::-1], HOSTILE), ("我爱你", HOSTILE)]
    evaluation = evaluate(translators, tmp_path, rows)
    page = Tags()
    html = render_page([(evaluation, show(translators[0], evaluation))])
    page.feed(html)
    assert page.text.count(HOSTILE) >= 2
    assert "你爱我" in page.text.replace("\n", "")
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object"})
    assert page.attributes.isdisjoint({"src", "href", "onerror", "onclick", "onload"})
    assert "default-src 'none'" in html
    assert "url(" not in html


def test_attention_is_shown_as_a_cell_for_each_pair_of_pieces(translators: list[Translator], tmp_path: Path) -> None:
    evaluation = evaluate(translators[:1], tmp_path, [("abc", "cba")])
    shown = show(translators[0], evaluation)
    ((example,),) = shown.values()
    (attention,) = example.maps
    assert (len(attention.source), len(attention.target)) == (5, 6)  # tag, abc, end; all backwards, end
    html = render_page([(evaluation, shown)])
    assert html.count('<td style="--w:0.20">') == 5 * 6


def test_a_network_without_attention_has_no_maps(translators: list[Translator], tmp_path: Path) -> None:
    evaluation = evaluate(translators[1:], tmp_path, [("abc", "cba")])
    shown = show(translators[1], evaluation)
    assert all(example.maps == [] for examples in shown.values() for example in examples)
    assert "<details>" not in render_page([(evaluation, shown)])


def test_the_worst_the_middle_and_the_best_are_chosen_and_what_changed_most(
    translators: list[Translator], tmp_path: Path
) -> None:
    rows = [(word, word[::-1] if n % 2 else "völlig anderes") for n, word in enumerate(WORDS * 2)]
    evaluation = evaluate(translators, tmp_path, rows)
    chosen = choose(evaluation)
    chrf = [output.chrf for output in evaluation.systems[0].outputs]
    worst, middle, best = (chosen[title] for title in ("The worst", "In the middle", "The best"))
    assert len({*worst, *middle, *best}) == 15
    assert max(chrf[i] for i in worst) <= min(chrf[i] for i in middle)
    assert max(chrf[i] for i in middle) <= min(chrf[i] for i in best) == 100
    assert [chrf[i] for i in chosen["Most gained"]] == [100] * 5
    assert "Most lost against the other bundle" not in chosen
    mirrored = choose(evaluate(translators[::-1], tmp_path, rows))
    assert [chrf[i] for i in mirrored["Most lost against the other bundle"]] == [100] * 5
    assert [title for title in mirrored if title.startswith("Empty")] == ["Empty: nothing was written"]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 14])
def test_few_examples_are_all_shown_once(count: int, translators: list[Translator], tmp_path: Path) -> None:
    rows = [(word, word[::-1]) for word in [*WORDS, *WORDS][:count]]
    indices = [i for of_title in choose(evaluate(translators[:1], tmp_path, rows)).values() for i in of_title]
    assert sorted(indices) == sorted(set(indices))
    assert len(indices) >= min(count, 12)


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("a b c", "a b c", [("a b c", False)]),
        ("a x c", "a b c", [("a", False), (" x ", True), ("c", False)]),
        ("x", "y", [("x", True)]),
        ("a  b ", "a b", [("a  b", False), (" ", False)]),
        ("a b", "a", [("a", False), (" b", True)]),
        ("我爱你", "我恨你", [("我", False), ("爱", True), ("你", False)]),
        ("", "a", []),
    ],
)
def test_what_the_reference_lacks_is_marked(text: str, reference: str, expected: list[tuple[str, bool]]) -> None:
    runs = marked(text, reference)
    assert "".join(run for run, _ in runs) == text
    assert [run for run in runs if run[1]] == [run for run in expected if run[1]]


def test_plots_count_every_output_once(translators: list[Translator], tmp_path: Path) -> None:
    evaluation = evaluate(translators, tmp_path, [("eins zwei", "iewz snie"), ("drei", "x y z"), ("vier", "reiv")])
    bars = histogram(evaluation)
    assert [sum(of_label[n].score for of_label in bars.values) for n in (0, 1)] == [3, 3]
    assert bars.values[-1][0].score == 2  # chrF 100 belongs to the last bar
    assert lengths(evaluation).counts == {(2, 2): 1, (3, 1): 1, (1, 1): 1}


def test_everything_is_json_and_has_a_table(translators: list[Translator], tmp_path: Path) -> None:
    evaluation = evaluate(translators, tmp_path, [(HOSTILE, "x"), ("abc", "cba")])
    record = json.loads(json.dumps(as_record(evaluation)))
    assert record["sources"] == [HOSTILE, "abc"]
    assert record["systems"][0]["outputs"][1] == {"text": "cba", "chrf": 100, "faults": []}
    assert record["values"]["accuracy"] == record["systems"][0]["scores"]["accuracy"]["score"] == 50
    headings = [heading for heading, _ in tables(evaluation)]
    assert headings[:3] == [f"translate:de:en · {tmp_path.name}/test.de-en.tsv · 2 pairs", "faults", "by source words"]
