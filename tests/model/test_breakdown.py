import math
from collections import Counter
from itertools import pairwise

import pytest

from model.breakdown import by_frequency, by_length, count_words, rarest


@pytest.mark.parametrize(
    ("lengths", "labels"),
    [
        ([3], ["3"]),
        ([2, 2, 2, 2], ["2"]),
        ([1, 2, 3, 4, 5], ["1", "2", "3", "4", "5"]),
        (list(range(1, 11)), ["1–2", "3–4", "5–6", "7–8", "9–10"]),
        ([5, 5, 5, 5, 5, 5, 5, 5, 9, 30], ["5", "9–30"]),
    ],
)
def test_lengths_make_buckets_of_like_size(lengths: list[int], labels: list[str]) -> None:
    buckets = by_length(lengths)
    assert [bucket.label for bucket in buckets] == labels
    assert sorted(index for bucket in buckets for index in bucket.indices) == list(range(len(lengths)))
    for bucket, after in pairwise(buckets):
        assert max(lengths[i] for i in bucket.indices) < min(lengths[i] for i in after.indices)


def test_frequencies_make_buckets_of_their_order_and_none_is_empty() -> None:
    buckets = by_frequency([0, 5, 2, 1, 999, math.inf, 1000])
    assert [tuple(bucket) for bucket in buckets] == [
        ("0", [0]),
        ("1", [3]),
        ("2–9", [1, 2]),
        ("100–999", [4]),
        ("from 1,000", [5, 6]),
    ]


def test_words_are_counted_whatever_their_case_and_marks_are_not() -> None:
    assert count_words(["Tom sah Tom.", "TOM!", "我我"]) == Counter({"tom": 3, "sah": 1, "我": 2})


def test_a_text_is_as_rare_as_its_rarest_word() -> None:
    counts = Counter({"tom": 3, "sah": 1})
    assert [rarest(text, counts) for text in ("Tom", "Tom sah", "Tom sah Maria", "?!")] == [3, 1, 0, math.inf]
