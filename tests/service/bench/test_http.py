"""Each answer is written by hand, as servers may write it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from service.bench.http import BROKEN, Pool

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


def statuses(talk: Talk, count: int = 1) -> tuple[list[str], int]:
    """Return the statuses of so many posts one after another, and how many connections they took."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    async def post() -> list[str]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            pool = Pool(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/translate")
            answers = [await pool.post(b"body") for _ in range(count)]
            pool.close()
        return answers

    return asyncio.run(post()), connections


def test_a_request_is_what_a_server_expects() -> None:
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(OK)

    assert statuses(talk) == (["200"], 1)
    head, _, body = requests[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert (first, body) == ("POST /translate HTTP/1.1", b"body")
    assert {line.split(":")[0] for line in headers} == {"Host", "Content-Type", "Content-Length"}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OK, "200"),
        (b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n", "503"),
        (b"HTTP/1.1 200 OK\r\ncontent-LENGTH:5\r\n\r\n12345", "200"),
        (b"HTTP/1.0 200 OK\r\n\r\nup to the end", "200"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntoo few", BROKEN),
        (b"HTTP/1.1 200 OK\r\nContent-", BROKEN),
        (b"", BROKEN),
    ],
)
def test_the_status_counts_when_the_answer_is_complete(answer: bytes, status: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    assert statuses(talk)[0] == [status]


def test_an_answer_may_come_byte_by_byte() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for byte in OK:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    assert statuses(talk)[0] == ["200"]


def test_a_connection_is_used_again() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            await read_request(reader)
            writer.write(OK)

    assert statuses(talk, 3) == (["200"] * 3, 1)


def test_a_connection_that_the_server_says_it_closes_is_not_used_again() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    assert statuses(talk, 3) == (["200"] * 3, 3)


def test_a_request_that_crosses_with_the_end_of_an_idle_connection_is_sent_again() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)  # read, but not answered: the connection ends

    assert statuses(talk, 3) == (["200"] * 3, 3)


def test_nobody_there_is_a_broken_request() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # but nobody listens
        pool = Pool(f"http://127.0.0.1:{taken.getsockname()[1]}/")
        assert asyncio.run(pool.post(b"")) == BROKEN
