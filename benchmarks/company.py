"""Who else used the processor while somebody was measured: on a shared machine a figure is worth no more than that."""

import os
from pathlib import Path
from typing import NamedTuple, Self

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


class ProcessorSeconds(NamedTuple):
    """What all cores have worked since the start of the machine, and what some processes have."""

    all: float
    own: float

    @classmethod
    def now(cls, *pids: int) -> Self:
        """Read Linux's counts. Time that the machine's host took away is work of others."""
        _, *ticks = (PROC / "stat").read_text().splitlines()[0].split()
        user, nice, system, _, _, irq, softirq, steal, *_ = map(int, ticks)
        own = sum(_ticks_of(pid) for pid in pids)
        return cls((user + nice + system + irq + softirq + steal) / TICKS, own / TICKS)

    def others_since(self, before: "ProcessorSeconds") -> float:
        """Return the seconds that anyone but those processes worked after ``before``."""
        return max(0.0, (self.all - before.all) - (self.own - before.own))


def _ticks_of(pid: int) -> int:
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()  # a name may hold spaces
    return int(fields[11]) + int(fields[12])  # utime, stime
