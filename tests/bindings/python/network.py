"""Calls and streams over a bad line until a line comes in. Usage: network.py AT STREAMS."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

from cells import matrix

T = TypeVar("T")

TIMEOUT_S = 3.0
# A call that takes this much longer than its deadline hangs.
HANGS_S = 20.0
CALLERS = 8


async def ends(call: Awaitable[T], kind: str, text: str) -> T | None:
    """What a call gives; says so where it gives nothing."""
    task = asyncio.ensure_future(call)
    await asyncio.wait({task}, timeout=TIMEOUT_S + HANGS_S)
    if not task.done():
        print("hung", text, flush=True)
        task.cancel()
        return None
    try:
        return task.result()
    except (matrix.DeadlineExceededError, matrix.UnavailableError):
        print(kind, text, flush=True)
        return None


async def caller(client: matrix.AsyncClient, number: int, done: asyncio.Event) -> None:
    count = 0
    while not done.is_set():
        text = f"{number}.{count}"
        count += 1
        given = await ends(client.echo(text, timeout=TIMEOUT_S), "failed", text)
        if given is not None:
            print("answered" if given == text else "wrong", text, flush=True)


async def counted(client: matrix.AsyncClient, to: int) -> int:
    seen = 0
    async for item in client.count(to, timeout=TIMEOUT_S):
        if item != seen:
            print("wrong", item, flush=True)
        seen += 1
    return seen


async def streamer(client: matrix.AsyncClient, done: asyncio.Event) -> None:
    to = 20_000
    while not done.is_set():
        given = await ends(counted(client, to), "cut", str(to))
        if given is not None:
            print("streamed" if given == to else "wrong", given, flush=True)


async def main() -> None:
    calls, streams = sys.argv[1:]
    done = asyncio.Event()
    async with (
        matrix.aio.connect(calls) as client,
        matrix.aio.connect(streams) as streaming,
    ):
        tasks = [
            asyncio.create_task(caller(client, number, done))
            for number in range(CALLERS)
        ]
        tasks.append(asyncio.create_task(streamer(streaming, done)))
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        done.set()
        await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main())
