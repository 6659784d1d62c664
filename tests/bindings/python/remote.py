"""What a client of another machine is told. Usage: remote.py SCENARIO; `CELL_AT` is the
cell's address."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
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


def crowd() -> None:
    """More calls than a connection takes at once; most of them are given up."""

    async def calls() -> None:
        async with matrix.aio.connect(AT, timeout=60) as client:
            slow = [asyncio.create_task(client.slow(60_000)) for _ in range(600)]
            await asyncio.sleep(0)
            for call in slow[:400]:
                call.cancel()
            print(await client.until_served(200) >= 200)
            for call in slow:
                call.cancel()
            ended = await asyncio.gather(*slow, return_exceptions=True)
            print(all(isinstance(end, asyncio.CancelledError) for end in ended))
            print(await client.add(2, 3))
            sums = await asyncio.gather(*(client.add(n, 1) for n in range(1000)))
            print(sums == list(range(1, 1001)))

    asyncio.run(calls())


def threads() -> None:
    """A fork and a thread that closes leave others alone."""
    client = matrix.connect(AT, timeout=60)
    print(client.add(2, 3), flush=True)
    items = client.forever()
    print(next(items), flush=True)
    if os.fork() == 0:
        # It has a connection of its own, and the end of this process ends no other.
        try:
            for _ in items:
                pass
        except matrix.UnavailableError as error:
            print(error, flush=True)
        sys.exit(0 if client.add(2, 3) == 5 else 1)
    print(os.waitstatus_to_exitcode(os.wait()[1]), client.add(2, 3))
    print(next(items))

    def slow() -> None:
        try:
            client.slow(60_000)
        except matrix.UnavailableError as error:
            print(error, flush=True)

    waits = threading.Thread(target=slow)
    waits.start()
    # Three sums, one of them in the fork, and the slow call.
    client.until_served(4)
    client.close()
    waits.join()
    try:
        for _ in items:
            pass
    except matrix.UnavailableError as error:
        print(error)


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
    "crowd": crowd,
    "threads": threads,
    "missing": missing,
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[-1]]()
