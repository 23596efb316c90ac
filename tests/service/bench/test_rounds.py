from service.bench.rounds import turns


def test_every_policy_has_a_turn_in_every_round_and_each_is_first_in_one() -> None:
    assert list(turns(["a", "b", "c"], 4)) == [
        *[(0, "a"), (0, "b"), (0, "c")],
        *[(1, "b"), (1, "c"), (1, "a")],
        *[(2, "c"), (2, "a"), (2, "b")],
        *[(3, "a"), (3, "b"), (3, "c")],
    ]
