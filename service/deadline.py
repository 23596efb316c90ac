"""The time that an answer may take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.errors import DeadlineExceeded


class Deadline:
    """So many seconds, of which ``waited_seconds`` are over, or never."""

    def __init__(self, seconds: float | None, waited_seconds: float = 0.0) -> None:
        self.seconds = seconds
        self._began = asyncio.get_running_loop().time() - waited_seconds

    @property
    def waited_seconds(self) -> float:
        """How many have passed."""
        return asyncio.get_running_loop().time() - self._began

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Give up what is awaited in the block when the time is over, with DeadlineExceeded."""
        try:
            async with asyncio.timeout_at(None if self.seconds is None else self._began + self.seconds):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(f"No answer within {self.seconds:g} s") from error
