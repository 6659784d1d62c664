"""Measures calls of the generated Python client.

Each line on standard input asks for a part: "lone 2000" for calls one after another,
answered with the percentiles 50, 90 and 99 in nanoseconds, or "crowd 20000" for 64 in
flight, answered with calls a second.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from gen import echo

IN_FLIGHT = 64
ADDRESS = os.environ["CELL_RUN"] + "/echo.sock"


def message(number: int) -> echo.Message:
    words = [number * word % 2**64 for word in range(1, 9)]
    first, second, third, fourth, fifth, sixth, seventh, eighth = words
    return echo.Message(
        words=(first, second, third, fourth, fifth, sixth, seventh, eighth)
    )


def lone(count: int) -> None:
    with echo.connect(ADDRESS) as client:
        took: list[int] = []
        for number in range(count):
            started = time.perf_counter_ns()
            sent = message(number)
            if client.echo(sent) != sent:
                sys.exit("the echo differs")
            took.append(time.perf_counter_ns() - started)
    took.sort()
    print(*(took[count * percent // 100] for percent in (50, 90, 99)), flush=True)


async def crowd(count: int) -> None:
    share = count // IN_FLIGHT

    async def some(client: echo.AsyncClient, first: int) -> None:
        for number in range(first, first + share):
            sent = message(number)
            if await client.echo(sent) != sent:
                sys.exit("the echo differs")

    async with echo.aio.connect(ADDRESS) as client:
        started = time.perf_counter()
        tasks = (some(client, task * share) for task in range(IN_FLIGHT))
        await asyncio.gather(*tasks)
        took = time.perf_counter() - started
    print(int(share * IN_FLIGHT / took), flush=True)


def main() -> None:
    for line in sys.stdin:
        part, count = line.split()
        if part == "lone":
            lone(int(count))
        else:
            asyncio.run(crowd(int(count)))


if __name__ == "__main__":
    main()
