"""What a bundle makes of a file's sources, as text to train another network on.

A student learns from it what a larger network would write (sequence-level distillation: Kim & Rush 2016, section 3.2);
with the columns turned round, a network learns to translate into a language of which there is monolingual text
(back-translation: Sennrich et al. 2016). A source goes through the search whole, neither cut into sentences nor
shortened, so that each line of output belongs to its source as in any parallel text.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from threading import Event
from typing import NamedTuple

from model.bundle import Bundle
from model.config import DecodingConfig, Task
from model.data import DataError, read_rows
from model.tokenizer import normalize
from service.engine import Engine

SOURCES_AT_ONCE = 2_000
"""Decoded together, then written: many, as the last of them leave the device half idle."""


class Distillation(NamedTuple):
    """What to write of what."""

    task: Task
    file: Path
    """TSV or plain text, one text a line."""
    column: int
    """Of the file, counted from 0: where the source stands."""
    out: Path
    is_reversed: bool
    """The output goes into the first column and the source into the second, for back-translation."""
    decoding: DecodingConfig


def distil(
    engine: Engine, bundle: Bundle, job: Distillation, report: Callable[[int], None], *, stop: Event
) -> Counter[str]:
    """Add a line to ``job.out`` for each source that has none there yet; return how many were left out, by reason.

    ``stop`` ends it before the next line, which is where it goes on. Left out are empty sources, and those longer than
    the network reads. ``report`` is told how many lines there are. DataError for a file that cannot be read, and when
    ``job.out`` is of another one, or the same.
    """
    if job.out.exists() and job.out.samefile(job.file):
        raise DataError(f"{job.out}: is the file to read: name another to write")
    left_out: Counter[str] = Counter()
    sources = _sources(bundle, job, left_out)
    done = _go_on(job, sources) if job.out.exists() else 0
    report(done)
    with job.out.open("a", encoding="utf-8", newline="\n") as out:
        while not stop.is_set() and (chunk := list(islice(sources, SOURCES_AT_ONCE))):
            framed = [pieces for _, pieces in chunk]
            futures = engine.submit(bundle, framed, job.decoding, reverse=bundle.reverse_of(job.task))
            try:
                for (source, _), future in zip(chunk, futures, strict=True):
                    if stop.is_set():
                        break
                    # Bytes among the pieces may stand for a tab or a line's end.
                    output = normalize(bundle.tokenizer.decode(future.result()[0].pieces))
                    out.write(f"{output}\t{source}\n" if job.is_reversed else f"{source}\t{output}\n")
                    done += 1
            finally:  # or whoever stops it waits for the rest of the chunk
                for future in futures:
                    future.cancel()
            out.flush()
            report(done)
    return left_out


def _sources(bundle: Bundle, job: Distillation, left_out: Counter[str]) -> Iterator[tuple[str, list[int]]]:
    """Yield each source that the network reads whole, with its framed pieces; count the others."""
    for row in read_rows(job.file.name, job.file.parent, at_least=job.column + 1):
        pieces = bundle.tokenizer.encode(row[job.column])
        if not pieces:
            left_out["empty"] += 1
        elif len(pieces) > bundle.manifest.max_source_pieces:
            left_out["too long"] += 1
        else:
            yield row[job.column], bundle.tokenizer.frame_source(pieces, job.task)


def _go_on(job: Distillation, sources: Iterator[tuple[str, list[int]]]) -> int:
    """Pass over the sources of the lines that are written, cut off what a kill left of a line, count the whole ones."""
    done = size = 0
    with job.out.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            source = next(sources, ("", []))[0].encode()
            is_its = line.endswith(b"\t%s\n" % source) if job.is_reversed else line.startswith(b"%s\t" % source)
            if not source or not is_its:
                raise DataError(f"{job.out}, line {done + 1}: is not of {job.file}: name another file")
            done += 1
            size += len(line)
    os.truncate(job.out, size)
    return done
