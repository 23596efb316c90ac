import ctypes

import pytest

from model.allocator import keep_freed_memory, return_freed_memory


def test_glibc_is_told_and_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []

    class Glibc:
        def mallopt(self, parameter: int, value: int) -> int:
            calls.append((parameter, value))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Glibc())
    assert keep_freed_memory()
    assert calls == [(-4, 0), (-1, 2**31 - 1)]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()


def test_freed_memory_is_returned_by_glibc_and_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    class Glibc:
        def malloc_trim(self, pad: int) -> int:
            calls.append(pad)
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Glibc())
    assert return_freed_memory()
    assert calls == [0]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not return_freed_memory()
