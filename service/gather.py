"""Many futures of other threads as one wait of the event loop."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


async def gather(futures: Sequence[Future[Result]]) -> list[Result]:
    """Return all results in order; the event loop is woken once, however many there are.

    It fails with the first failure. What is still queued then, or when it is cancelled, is not decoded for nobody.
    """
    # Nothing here refers back to the futures: what is made for each request must not wait for the garbage collector.
    loop = asyncio.get_running_loop()
    settled: asyncio.Future[None] = loop.create_future()
    remaining = len(futures)
    lock = threading.Lock()

    def settle(error: BaseException | None) -> None:
        if settled.done():
            return
        if error:
            settled.set_exception(error)
        else:
            settled.set_result(None)

    def count(future: Future[Result]) -> None:
        nonlocal remaining
        with lock:
            remaining -= 1
            is_last = not remaining
        if settled.done():  # nobody waits, and the loop may be closed
            return
        error = future.exception()
        if error or is_last:
            loop.call_soon_threadsafe(settle, error)

    try:
        for future in futures:
            future.add_done_callback(count)
        if futures:
            await settled
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
