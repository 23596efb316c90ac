"""The engine beside a GPU that is not there: its own code on the host, and a device that takes as long as one did.

    .venv/bin/python benchmarks/gpu_simulated.py PIECES.model TEXTS.zh-en.tsv.xz --host 1

Steps and encodings follow each other on two streams, in the times of an H200 with a network of GNMT v2's size
(benchmarks/README.md, "On a GPU"), and do not hold each other up, as they do on a real one. What it takes the host to
ask for them is spent too, ``--host`` times over. What comes out is who waits for whom, and what Python adds: good for
comparing policies in one run, and no measurement of a GPU.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, cast
from unittest.mock import Mock, patch

import torch
import typer
from gpu import TASK
from gpu_load import real_sentences
from gpu_measure import LONGEST, SENTENCES, Bench, console, measure_mixed, measure_offline, measure_server
from torch import Tensor

from model.arena import Arena, Sizes
from model.arenas import MOST_PLACES, Arenas
from model.bundle import Bundle
from model.config import DecodingConfig
from model.mixed import MixedBatch
from model.resident import ResidentBatch
from model.search import Batch
from model.tokenizer import Tokenizer
from service.engine import GPU_LIMITS

CPU = torch.device("cpu")
STEP_MS, FULL_STEP_MS = 0.6, 2.5
"""Of an arena with hardly any places, and with all."""
ENCODE_MS, POSITION_MS, MANY_POSITION_MS, MANY = 0.5, 0.026, 0.058, 128
"""Of an encoding, and of each of its positions in all layers: for up to MANY sentences cuDNN reads a layer at once."""
JOIN_MS, MOVE_MS = 0.05, 0.3
HOST_STEP_MS, HOST_ENCODE_MS, HOST_JOIN_MS, HOST_MOVE_MS, HOST_COPY_MS = 0.23, 0.15, 0.06, 0.3, 0.02
"""What the host takes to ask for each of them, and for a copy."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Device:
    """When what was asked for will have been done, on the stream of the steps and on that of the encodings."""

    def __init__(self, host: float) -> None:
        self.host = host
        self.done = {"steps": 0.0, "encodings": 0.0}
        self.stream = "steps"

    def ask(self, host_ms: float, ms: float = 0.0) -> None:
        """Spend what the host takes, and have the current stream work for so long."""
        until = time.perf_counter() + self.host * host_ms / 1000
        while (now := time.perf_counter()) < until:
            pass
        self.done[self.stream] = max(now, self.done[self.stream]) + ms / 1000


class Event:
    """What has happened once the device has done all that it was asked for on the current stream."""

    def __init__(self, device: Device) -> None:
        self.at = device.done[device.stream]

    def query(self) -> bool:
        """See torch.cuda.Event."""
        return time.perf_counter() >= self.at

    def synchronize(self) -> None:
        """See torch.cuda.Event."""
        time.sleep(max(0.0, self.at - time.perf_counter()))


class SimulatedArena(Arena):
    """Counts the steps of each place, and lets its sentence end after as many as it has to have pieces."""

    def __init__(self, sizes: Sizes, device: Device) -> None:
        self.longest = torch.zeros(sizes.places, dtype=torch.long)
        self.simulated = device
        super().__init__(sizes, torch.zeros(1), torch.zeros(1))

    def clear(self) -> None:
        """See Arena."""
        self.rows.zero_()

    def move_in(self, other: Arena, places: Tensor) -> None:
        """See Arena."""
        assert isinstance(other, SimulatedArena)
        self.simulated.ask(HOST_MOVE_MS, MOVE_MS)
        for mine, its in ((self.live.steps, other.live.steps), (self.longest, other.longest), (self.rows, other.rows)):
            mine[: len(places)] = its[places]

    def place(self, places: Tensor, chosen: Tensor, *_: Tensor) -> None:
        """See Arena."""
        self.simulated.ask(HOST_JOIN_MS, JOIN_MS)
        self.live.steps[places] = 0
        self.longest[places] = chosen[:, 3].long()

    def advance(self) -> None:
        """Take a step."""
        self.simulated.ask(HOST_STEP_MS, STEP_MS + (FULL_STEP_MS - STEP_MS) * self.sizes.places / MOST_PLACES)
        self.live.steps.add_(1)
        self.rows.copy_(torch.where(self.live.steps > self.longest, 0, self.sizes.width))
        self.ended.counts.fill_(1)
        self.ended.lengths.copy_(self.longest.unsqueeze(1).expand_as(self.ended.lengths))


class SimulatedArenas(Arenas):
    """Encodes nothing, in the time that it takes."""

    def __init__(self, device: Device) -> None:
        super().__init__(Mock(), CPU)
        self.simulated = device

    @contextmanager
    def beside_steps(self) -> Iterator[None]:  # type: ignore[override]
        """See Arenas."""
        self.simulated.stream = "encodings"
        try:
            yield
        finally:
            self.simulated.stream = "steps"

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See Arenas."""
        positions = self.fitting(Sizes(1, 1, source.size(1), 1)).positions
        of_position = POSITION_MS if len(lengths) <= MANY else MANY_POSITION_MS
        self.simulated.ask(HOST_ENCODE_MS, ENCODE_MS + of_position * positions)
        return torch.zeros(*source.shape, 1), torch.zeros(len(source), 1)

    def take(self, sizes: Sizes, memory: Tensor, state: Tensor) -> Arena:
        """See Arenas."""
        del memory, state
        arena = SimulatedArena(sizes, self.simulated)
        arena.run = arena.advance
        return arena

    def give_back(self, arena: Arena) -> None:
        """Forget it."""


class SimulatedBatch(ResidentBatch):
    """See ResidentBatch."""

    def __init__(self, arenas: SimulatedArenas) -> None:
        super().__init__(arenas)
        self.simulated = arenas.simulated

    def _event(self) -> Any:
        return Event(self.simulated)

    def _wait_on_device(self, encoded: Any, given: Sequence[Tensor]) -> None:
        del given
        self.simulated.done["steps"] = max(self.simulated.done["steps"], encoded.at)

    def _upload(self, tensor: Tensor) -> Tensor:
        self.simulated.ask(HOST_COPY_MS)
        return tensor

    def _download(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Any]:
        self.simulated.ask(HOST_COPY_MS * len(tensors))
        return super()._download(tensors)


@app.command(help=__doc__)
def main(
    pieces: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="SentencePiece, by gpu.py pieces.")],
    texts: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="TSV: sources and references.")],
    host: Annotated[float, typer.Option(help="How many times as long the host takes to ask for anything.")] = 1.0,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long arrivals come at each load.")] = 1.5,
    bound_ms: Annotated[float, typer.Option(min=1)] = 250.0,
) -> None:
    """See above."""
    torch.set_num_threads(1)
    arenas = SimulatedArenas(Device(host))
    search = Mock(batch=lambda: MixedBatch(SimulatedBatch(arenas), Batch(Mock(), CPU)))
    decoding = DecodingConfig(beam_size=5, prune_threshold=0)
    manifest = SimpleNamespace(name="simulated", tasks=[TASK], decoding=decoding)
    tokenizer = Tokenizer(pieces.read_bytes())
    bundle = cast(Bundle, SimpleNamespace(manifest=manifest, search=search, tokenizer=tokenizer))
    sentences = real_sentences(bundle, texts, SENTENCES, LONGEST)
    bench = Bench(bundle, sentences, GPU_LIMITS.sentences, {}, None)
    console.print(f"a simulated H200, whose host takes {host:g} times as long to ask for anything")
    gpu = torch.device("cuda")
    with patch("service.engine.choose_device", lambda _: gpu), patch("service.settings.choose_device", lambda _: gpu):
        measure_offline(bench, [bench.limit], 8000, rounds=2)
        measure_mixed(bench, seconds, measure_server(bench, seconds, bound_ms))


if __name__ == "__main__":
    app()
