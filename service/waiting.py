"""Who waits to be decoded in a lane, and in which order.

Clients share what is decoded by fair queueing (Demers et al. 1989): a client's clock runs by the source pieces that
were taken of it, and the client whose clock is behind is next, so that one who floods the queue holds up nobody but
itself. To be idle earns nothing: who comes back begins where the others are. Of one client's sentences the turn counts.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import islice

from service.worker import Job


class WaitingRoom:
    """Sentences of many clients, of which the next are taken."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Job]] = {}  # of each client, by turn
        self._clocks: dict[str, int] = {}
        self._clock = 0  # of the client of whom was taken last
        self._count = 0
        self.pieces = Counter[str]()
        """Source pieces of each client that has any waiting."""

    def __len__(self) -> int:
        return self._count

    def sentences_of(self, client: str) -> int:
        """Return how many sentences of a client wait."""
        return len(self._waiting.get(client, ()))

    def add(self, job: Job) -> None:
        """Let a sentence wait."""
        client = job.client
        if client not in self._waiting:
            self._waiting[client] = []
            self._clocks[client] = max(self._clock, self._clocks.get(client, 0))
        insort(self._waiting[client], job, key=lambda job: job.turn)
        self._count += 1
        self.pieces[client] += job.waiting.source_pieces

    def first(self, count: int) -> list[Job]:
        """Return those who are next."""
        return list(islice(self._in_order(), count))

    def _in_order(self) -> Iterator[Job]:
        if len(self._waiting) == 1:
            yield from next(iter(self._waiting.values()))
            return
        heads = [(self._clocks[client], jobs[0].turn, client, 0) for client, jobs in self._waiting.items()]
        heapify(heads)
        while heads:
            clock, _, client, place = heappop(heads)
            jobs = self._waiting[client]
            yield jobs[place]
            if place + 1 < len(jobs):
                clock += jobs[place].waiting.source_pieces
                heappush(heads, (clock, jobs[place + 1].turn, client, place + 1))

    def take(self, count: int) -> list[Job]:
        """Remove those who are next, and return them."""
        if not count:
            return []
        taken = self.first(count)
        for job in taken:
            self._clock = self._clocks[job.client]
            self._clocks[job.client] += job.waiting.source_pieces
            self.pieces[job.client] -= job.waiting.source_pieces
        for client, number in Counter(job.client for job in taken).items():
            del self._waiting[client][:number]
        self._count -= len(taken)
        self._forget_idle()
        return taken

    def forget_cancelled(self) -> None:
        """Remove those for whom nobody waits any more."""
        self._waiting = {
            client: [job for job in jobs if not job.future.cancelled()] for client, jobs in self._waiting.items()
        }
        self._count = sum(map(len, self._waiting.values()))
        self.pieces = Counter(
            {client: sum(job.waiting.source_pieces for job in jobs) for client, jobs in self._waiting.items()}
        )
        self._forget_idle()

    def _forget_idle(self) -> None:
        for client in [client for client, jobs in self._waiting.items() if not jobs]:
            del self._waiting[client], self.pieces[client]
        # Whose clock is ahead is remembered, or it would be better off by coming with one sentence at a time.
        ahead = {client: clock for client, clock in self._clocks.items() if clock > self._clock}
        self._clocks = {client: self._clocks[client] for client in self._waiting} | ahead if self._count else {}
