from concurrent.futures import Future

import pytest

from model.hypothesis import Hypothesis
from service.errors import DecodingFailed
from service.gather import gather

Futures = list[Future[list[Hypothesis]]]


def hypotheses(piece: int) -> list[Hypothesis]:
    return [Hypothesis([piece], -1.0, -1.0)]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_gathered_results_come_in_the_order_of_the_futures_once_all_are_there(order: list[int]) -> None:
    futures: Futures = [Future() for _ in range(3)]
    gathered = gather(futures)
    for n in order:
        assert not gathered.done()
        futures[n].set_result(hypotheses(n))
    assert gathered.result(0) == [hypotheses(0), hypotheses(1), hypotheses(2)]


def test_nothing_gathered_is_there_at_once() -> None:
    assert gather([]).result(0) == []


def test_what_was_done_before_is_gathered_too() -> None:
    futures: Futures = [Future()]
    futures[0].set_result(hypotheses(7))
    assert gather(futures).result(0) == [hypotheses(7)]


def test_the_first_failure_is_that_of_all_and_cancels_what_still_waits() -> None:
    futures: Futures = [Future() for _ in range(4)]
    running = futures[1]
    running.set_running_or_notify_cancel()
    gathered = gather(futures)
    futures[2].set_exception(DecodingFailed("first"))
    assert isinstance(gathered.exception(0), DecodingFailed)
    assert [future.cancelled() for future in futures] == [True, False, False, True]
    running.set_exception(DecodingFailed("second"))  # too late, and no harm
    assert str(gathered.exception(0)) == "first"


def test_whoever_gives_up_cancels_what_still_waits() -> None:
    futures: Futures = [Future() for _ in range(3)]
    futures[0].set_running_or_notify_cancel()
    gathered = gather(futures)
    assert gathered.cancel()
    assert [future.cancelled() for future in futures] == [False, True, True]
    futures[0].set_result(hypotheses(0))  # too late, and no harm
    assert gathered.cancelled()
