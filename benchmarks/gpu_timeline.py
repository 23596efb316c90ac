"""Where the time of an engine on a GPU goes while all is at hand: what runs on each stream, and what the host does.

Two runs: in one PyTorch's profiler notes all kernels; in the other a thread looks every millisecond at what the
engine's thread and the one that submits are doing, as a sampling profiler does.
"""

import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

MICROSECONDS = 1e6
SAMPLE_SECONDS = 0.001
ENGINE = "engine-0"
SHOWN = 16


class Stream(NamedTuple):
    """What ran on one stream of the device."""

    number: int
    busy: float
    """Share of the time in which anything ran on it."""
    kernels: list[tuple[str, float, float]]
    """Name, share of the time, microseconds of one; those that take most first."""


class Timeline(NamedTuple):
    """What ran on the device."""

    seconds: float
    busy: float
    """Share of the time in which anything ran at all."""
    streams: list[Stream]


def watch_device(run: Callable[[], object]) -> Timeline:
    """Run it, and return what ran on the device."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        run()
        torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(trace))
        return timeline_of(json.loads(trace.read_text(encoding="utf-8"))["traceEvents"])


def timeline_of(events: Sequence[dict[str, Any]]) -> Timeline:
    """Return it of the events of a Chrome trace."""
    on_device = [one for one in events if one.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
    began = min(one["ts"] for one in on_device)
    took = max(one["ts"] + one["dur"] for one in on_device) - began
    streams = []
    for number in sorted({one["args"]["stream"] for one in on_device}):
        mine = [one for one in on_device if one["args"]["stream"] == number]
        total, calls = Counter[str](), Counter[str]()
        for one in mine:
            total[one["name"]] += one["dur"]
            calls[one["name"]] += 1
        kernels = [(name, spent / took, spent / calls[name]) for name, spent in total.most_common(SHOWN)]
        streams.append(Stream(number, _covered(mine) / took, kernels))
    return Timeline(took / MICROSECONDS, _covered(on_device) / took, streams)


def _covered(events: Sequence[dict[str, Any]]) -> float:
    """Return how long anything ran."""
    covered, until = 0.0, float("-inf")
    for begin, end in sorted((one["ts"], one["ts"] + one["dur"]) for one in events):
        covered += max(0.0, end - max(begin, until))
        until = max(until, end)
    return covered


def watch_host(run: Callable[[], object]) -> dict[str, list[tuple[str, float]]]:
    """Run it, and return of the engine's thread and of this one in what share of the looks each function was met.

    A function counts once a look, however deep it stood.
    """
    seen: dict[str, Counter[str]] = {ENGINE: Counter(), threading.current_thread().name: Counter()}
    with _sampler(seen):
        run()
    return {
        name: [(function, count / max(1, met["all"])) for function, count in met.most_common(4 * SHOWN)]
        for name, met in seen.items()
    }


@contextmanager
def _sampler(seen: dict[str, Counter[str]]) -> Iterator[None]:
    ended = threading.Event()
    threads = {thread.ident: thread.name for thread in threading.enumerate() if thread.name in seen}

    def look() -> None:
        while not ended.is_set():
            frames = sys._current_frames()
            for ident, name in threads.items():
                if ident in frames:
                    seen[name].update({"all", *map(_named, {frame.f_code for frame in _stack(frames[ident])})})
            time.sleep(SAMPLE_SECONDS)

    sampler = threading.Thread(target=look, daemon=True)
    sampler.start()
    try:
        yield
    finally:
        ended.set()
        sampler.join()


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _named(code: CodeType) -> str:
    return f"{Path(code.co_filename).stem}.{code.co_qualname}"
