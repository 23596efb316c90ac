import os
import signal

import pytest

from service.signals import STOPPED, on_stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_stops_and_the_second_does_what_it_would_without(number: signal.Signals) -> None:
    seen: list[str] = []
    before = signal.signal(number, lambda *_: seen.append("as before"))
    try:
        with on_stop(lambda: seen.append("stop")):
            for _ in range(2):
                os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)
    assert seen == ["stop", "as before", "as before"]


def test_without_a_signal_nothing_stops_and_nothing_stays_changed() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with on_stop(lambda: pytest.fail("stopped")):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    assert STOPPED == 143
