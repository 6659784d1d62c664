"""What a client of another machine is told. Usage: remote.py SCENARIO; `CELL_AT` is the
cell's address."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable

from cells import matrix

AT = os.environ["CELL_AT"]


async def add(timeout: float) -> int:
    async with matrix.aio.connect(AT, timeout=timeout) as client:
        return await client.add(2, 3)


def fails() -> None:
    """Prints what a call fails with, from a thread and from a task."""
    try:
        with matrix.connect(AT, timeout=8) as client:
            print(f"answered: {client.add(2, 3)}")
    except matrix.CellError as error:
        print(f"{type(error).__name__}: {error}")
    try:
        print(f"answered: {asyncio.run(add(8))}")
    except matrix.CellError as error:
        print(f"{type(error).__name__}: {error}")


def silent() -> None:
    """Calls somebody who does not answer."""
    with matrix.connect(AT) as client:
        calls: list[Callable[[], int]] = [
            lambda: client.add(2, 3, timeout=0.3),
            lambda: sum(client.count(3, timeout=0.3)),
            lambda: asyncio.run(add(0.3)),
        ]
        for call in calls:
            try:
                print(f"answered: {call()}")
            except matrix.DeadlineExceededError:
                print("late")


def restarted() -> None:
    """A process of the service dies with calls in flight; another one takes its place."""
    asyncio.run(outlive())


async def outlive() -> None:
    async with matrix.aio.connect(AT, timeout=60) as client:
        counted = client.forever(timeout=60)
        print(await anext(counted), flush=True)
        slow = asyncio.create_task(client.slow(60_000))
        await client.until_served(1)
        print("in flight", flush=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.readline)
        for kind, call in (("slow", slow), ("items", drained(counted))):
            try:
                print(f"{kind} answered: {await call}")
            except matrix.UnavailableError as error:
                print(f"{kind}: {error}")
        print(f"generation {await client.generation()}")


async def drained(items: AsyncIterator[int]) -> int:
    seen = 0
    async for _ in items:
        seen += 1
    return seen


def missing() -> None:
    """QUIC is not installed: local calls need none, and others say what to install."""
    sys.modules["aioquic"] = None  # type: ignore[assignment]
    for connect in (matrix.connect, matrix.aio.connect):
        try:
            connect(AT)
        except ImportError as error:
            print(error)
    matrix.connect("/run/cells/matrix.sock").close()


SCENARIOS: dict[str, Callable[[], None]] = {
    "fails": fails,
    "silent": silent,
    "restarted": restarted,
    "missing": missing,
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[-1]]()
