"""Calls the cell 250 times a second until it is told to stop, and prints how each call went."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from clients import button


async def main(caller: int) -> None:
    loop = asyncio.get_running_loop()
    marks: list[int] = []
    latencies: list[int] = []
    wrong: list[str] = []
    running: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        begun = time.perf_counter()
        try:
            got = await button.aio.work(caller, number, 0)
        except Exception as error:
            wrong.append(f"{number}: {error!r}")
            return
        took = time.perf_counter() - begun
        if got == number:
            latencies[number] = int(took * 1e6)
        else:
            wrong.append(f"{number}: {got}")

    said = loop.run_in_executor(None, sys.stdin.readline)
    due = loop.time()
    while True:
        if said.done():
            marks.append(len(latencies))
            if said.result() != "mark\n":
                break
            said = loop.run_in_executor(None, sys.stdin.readline)
        due = max(due + 0.004, loop.time())
        await asyncio.sleep(due - loop.time())
        latencies.append(-1)
        task = asyncio.create_task(one(len(latencies) - 1))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    print(json.dumps({"marks": marks, "latencies_us": latencies, "wrong": wrong}))


asyncio.run(main(int(sys.argv[1])))
