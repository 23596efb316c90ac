"""How often a client may ask: so many requests in a window of time, which begins with the first of them.

Counts are kept in memory, or in Redis where several services share them. When Redis cannot be reached, requests are let
through: the limit keeps clients from taking too much of a service, which is better than none of them having it, and the
queue has a limit of its own.
"""

import asyncio
import logging
import math
import time
from functools import lru_cache
from typing import Any

from limits import RateLimitItem, parse_many
from limits.aio.storage import RedisStorage, Storage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import ConfigurationError, StorageError

from service.errors import TooManyRequests
from service.settings import MEMORY, SettingsError

logger = logging.getLogger(__name__)

REDIS_SECONDS = 0.25
"""How long a request waits for Redis."""
PAUSE_SECONDS = 5.0
"""How long Redis is left alone once it failed."""
MAX_WINDOWS = 10_000
"""How many are kept in memory."""


class Memory(Storage):
    """Counts in memory: a dictionary of the windows, the oldest first, which is forgotten when there are too many.

    The library's own storage goes through all of its counts at every request, a millisecond for each thousand.
    """

    STORAGE_SCHEME = None  # it is not made by name

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, tuple[int, float]] = {}  # how many came, and when it ends

    base_exceptions = ()

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count; return how many came in the window, which begins now if there is none."""
        now = time.time()
        count, ends = self._windows.get(key, (0, now))
        if ends <= now:
            self._windows.pop(key, None)
            if len(self._windows) >= MAX_WINDOWS:
                del self._windows[next(iter(self._windows))]
            count, ends = 0, now + expiry
        self._windows[key] = count + amount, ends
        return count + amount

    async def get(self, key: str) -> int:
        """Return how many came in the window."""
        count, ends = self._windows.get(key, (0, 0.0))
        return count if ends > time.time() else 0

    async def get_expiry(self, key: str) -> float:
        """Return when the window ends, or now."""
        return self._windows.get(key, (0, time.time()))[1]

    async def clear(self, key: str) -> None:
        """Forget a window."""
        self._windows.pop(key, None)

    async def reset(self) -> None:
        """Forget all."""
        self._windows.clear()

    async def check(self) -> bool:
        """Say that it works."""
        return True


class Rates:
    """The counts of all clients. ``limit`` is for those that have none of their own; None: they have none at all."""

    def __init__(self, limit: str | None, storage: str) -> None:
        self._limit = limit
        try:
            if limit:
                parse_limit(limit)
        except ValueError as error:
            raise SettingsError(f"DRAGOMAN_RATE_LIMIT: {error}") from error
        try:
            self._storage = (
                Memory()
                if storage == MEMORY
                else RedisStorage(f"async+{storage}", wrap_exceptions=True, implementation="redispy")
            )
        except (ConfigurationError, ValueError):  # which may quote the address, and that may hold a password
            message = "is no address of Redis, or its client is missing: pip install 'dragoman[redis]'"
            raise SettingsError(f"DRAGOMAN_RATE_STORAGE {message}") from None
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._paused_until = -math.inf
        self._failing = False

    async def count(self, client: str, limit: str | None) -> None:
        """Count a request of a client; TooManyRequests when it is one too many.

        ``limit`` is the client's own, as ``60/minute``; None for the service's.
        """
        limit = limit or self._limit
        if limit is None or time.monotonic() < self._paused_until:
            return
        item = parse_limit(limit)
        try:
            if isinstance(self._storage, Memory):
                seconds = await self._seconds_to_wait(item, client)
            else:
                async with asyncio.timeout(REDIS_SECONDS):
                    seconds = await self._seconds_to_wait(item, client)
        except (StorageError, TimeoutError) as error:
            self._pause(error)
            return
        if self._failing:
            logger.warning("the storage of rate limits answers again")
            self._failing = False
        if seconds:
            raise TooManyRequests(f"Slowdown: {item}", retry_after_seconds=seconds)

    async def close(self) -> None:
        """Close the connections to Redis."""
        if isinstance(self._storage, RedisStorage) and isinstance(self._storage.bridge, RedispyBridge):
            client: Any = self._storage.bridge.get_connection()  # whose type says less than it can do
            await client.aclose()

    async def _seconds_to_wait(self, item: RateLimitItem, client: str) -> int:
        """Count; return 0, or after how many seconds a request would be let through again."""
        if await self._limiter.hit(item, client):
            return 0
        window = await self._limiter.get_window_stats(item, client)
        return max(1, math.ceil(window.reset_time - time.time()))

    def _pause(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + PAUSE_SECONDS
        if not self._failing:
            self._failing = True
            logger.error("rate limits are off while their storage cannot be reached: %s", type(error).__name__)


@lru_cache(maxsize=1024)
def parse_limit(limit: str) -> RateLimitItem:
    """Return a limit such as ``60/minute`` or ``1000 per 2 hours``; ValueError if it is none."""
    try:
        (item,) = parse_many(limit)  # which takes several
    except ValueError as error:
        raise ValueError(f"{limit!r} is no limit; one looks like 60/minute or 1000 per 2 hours") from error
    if not item.amount:
        raise ValueError(f"{limit!r} lets nobody through")
    return item
