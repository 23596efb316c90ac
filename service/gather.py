"""Many futures as one."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future

from model.hypothesis import Hypothesis


def gather(futures: Sequence[Future[list[Hypothesis]]]) -> Future[list[list[Hypothesis]]]:
    """Return one future for all results in order: it wakes who waits once, however many sentences there are.

    It fails with the first failure. What is still queued then, or when it is cancelled, is not decoded for nobody.
    """
    gathered: Future[list[list[Hypothesis]]] = Future()
    remaining = len(futures)
    lock = threading.RLock()  # cancelling a future settles it in the same thread

    def settle(future: Future[list[Hypothesis]]) -> None:
        nonlocal remaining
        with lock:
            remaining -= 1
            if gathered.done():
                return
            error = future.exception()
            # Whoever waits may cancel at any moment, but not once it is running.
            if (error or not remaining) and gathered.set_running_or_notify_cancel():
                if error:
                    gathered.set_exception(error)
                else:
                    gathered.set_result([f.result() for f in futures])

    def cancel_the_rest(_: Future[list[list[Hypothesis]]]) -> None:
        for future in futures:
            future.cancel()

    gathered.add_done_callback(cancel_the_rest)
    if not futures:
        gathered.set_result([])
    for future in futures:
        future.add_done_callback(settle)
    return gathered
