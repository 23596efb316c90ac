import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

import pytest

from service.errors import DecodingFailed
from service.gather import gather

Futures = list[Future[int]]


def new_futures(number: int) -> Futures:
    return [Future() for _ in range(number)]


def gathering(futures: Futures, meanwhile: Callable[["asyncio.Task[list[int]]"], Awaitable[None]]) -> list[int]:
    """Gather futures, and do something once they are waited for."""

    async def run() -> list[int]:
        task = asyncio.create_task(gather(futures))
        await asyncio.sleep(0)
        await meanwhile(task)
        return await task

    return asyncio.run(run())


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_gathered_results_come_in_the_order_of_the_futures_once_all_are_there(order: list[int]) -> None:
    futures = new_futures(3)

    async def settle(task: "asyncio.Task[list[int]]") -> None:
        for n in order:
            await asyncio.sleep(0)
            assert not task.done()
            futures[n].set_result(10 * n)

    assert gathering(futures, settle) == [0, 10, 20]


def test_results_come_from_other_threads() -> None:
    futures = new_futures(50)

    async def settle(_: "asyncio.Task[list[int]]") -> None:
        for part in (futures[::2], futures[1::2]):
            threading.Thread(target=lambda part=part: [future.set_result(1) for future in part]).start()

    assert gathering(futures, settle) == [1] * 50


def test_nothing_gathered_is_there_at_once() -> None:
    assert asyncio.run(gather([])) == []


def test_what_was_done_before_is_gathered_too() -> None:
    futures = new_futures(1)
    futures[0].set_result(7)
    assert asyncio.run(gather(futures)) == [7]


def test_the_first_failure_is_that_of_all_and_cancels_what_still_waits() -> None:
    futures = new_futures(4)
    futures[1].set_running_or_notify_cancel()

    async def fail(_: "asyncio.Task[list[int]]") -> None:
        futures[2].set_exception(DecodingFailed("first"))

    with pytest.raises(DecodingFailed, match="first"):
        gathering(futures, fail)
    assert [future.cancelled() for future in futures] == [True, False, False, True]
    futures[1].set_exception(DecodingFailed("second"))  # too late, and no harm


def test_a_second_failure_at_once_is_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    futures = new_futures(2)

    async def fail(_: "asyncio.Task[list[int]]") -> None:
        for future, message in zip(futures, ("first", "second"), strict=True):
            future.set_exception(DecodingFailed(message))

    with pytest.raises(DecodingFailed, match="first"):
        gathering(futures, fail)
    assert caplog.text == ""


def test_whoever_gives_up_cancels_what_still_waits(caplog: pytest.LogCaptureFixture) -> None:
    futures = new_futures(3)
    futures[0].set_running_or_notify_cancel()

    async def give_up(task: "asyncio.Task[list[int]]") -> None:
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        gathering(futures, give_up)
    assert [future.cancelled() for future in futures] == [False, True, True]
    futures[0].set_result(0)  # too late, its event loop is closed, and no harm
    assert caplog.text == ""


def test_what_was_gathered_is_freed_without_the_garbage_collector() -> None:
    async def gather_some() -> int:
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                futures = new_futures(2)
                waiting = asyncio.ensure_future(gather(futures))
                await asyncio.sleep(0)
                for future in futures:
                    future.set_result(1)
                await waiting
            del futures, waiting
            return gc.collect()
        finally:
            gc.enable()

    assert asyncio.run(gather_some()) == 0
