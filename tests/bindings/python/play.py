"""A client of the live matrix. Usage: play.py SCENARIO."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from queue import Queue

from cells import matrix

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class WrongError(Exception):
    """A scenario went another way."""


def ensure(fine: bool, what: object) -> None:
    if not fine:
        raise WrongError(what)


def call() -> None:
    text = "é" * 5000
    ensure(matrix.echo(text) == text, "another text")
    ensure(matrix.add(2, 3) == 5, "a wrong sum")
    ensure(matrix.add(2**64 - 1, 2) == 1, "a wrong sum")
    ensure(matrix.big(1 << 20) == bytes([7]) * (1 << 20), "other bytes")
    ensure(matrix.generation() == 1, "another generation")
    try:
        matrix.panics()
    except matrix.InternalError as error:
        ensure("it broke" in str(error), error)
    else:
        raise WrongError("a panic is no answer")
    ensure(matrix.add(2, 3) == 5, "the connection is gone")
    for given, wanted in ((TRACE, TRACE), ("0" * len(TRACE), ""), ("", "")):
        with matrix.traceparent(given):
            ensure(matrix.trace() == wanted, given)
            ensure(list(matrix.trace_stream()) == [wanted], given)
    ensure(matrix.trace() == "", "the trace is over")
    asyncio.run(call_async())


async def call_async() -> None:
    text = "é" * 5000
    ensure(await matrix.aio.echo(text) == text, "another text")
    ensure(len(await matrix.aio.big(1 << 20)) == 1 << 20, "too few bytes")
    try:
        await matrix.aio.panics()
    except matrix.InternalError as error:
        ensure("it broke" in str(error), error)
    else:
        raise WrongError("a panic is no answer")
    ensure(await matrix.aio.add(2, 3) == 5, "the connection is gone")
    with matrix.traceparent(TRACE):
        ensure(await matrix.aio.trace() == TRACE, "another trace")
        items = [item async for item in matrix.aio.trace_stream()]
        ensure(items == [TRACE], items)
    ensure(await matrix.aio.trace() == "", "the trace is over")


def streams() -> None:
    for to in (0, 10_000):
        ensure(list(matrix.count(to)) == list(range(to)), "other numbers")
    ticks: list[matrix.Tick] = []
    try:
        ticks.extend(matrix.watch("refused", 3))
    except matrix.MatrixErrorRefused as error:
        ensure(error == matrix.MatrixErrorRefused(42), error)
    else:
        raise WrongError("it ended without its error")
    ensure(len(matrix_ticks()) == 3, "not three ticks")
    ensure(matrix.sum(5, range(1, 10_001)) == 50_005_005, "another sum")
    ensure(matrix.sum(5, (n for n in range(1, 1001))) == 500_505, "another sum")
    ensure(matrix.sum(5, []) == 5, "another sum")
    ensure(len(matrix.join(["a", "é" * 1000])) == 1001, "another text")
    try:
        matrix.join([])
    except matrix.MatrixErrorEmpty:
        pass
    else:
        raise WrongError("no error")
    ensure(len(matrix.join(until_stopped())) == 100, "it did not stop")
    asked = Queue[int | None]()
    asked.put(0)
    answered = 0
    for item in matrix.double(iter(asked.get, None)):
        ensure(item == 2 * answered, item)
        answered += 1
        asked.put(answered if answered < 100 else None)
    ensure(answered == 100, answered)
    ensure(sum(len(blob) for blob in matrix.blobs(3, 3_000_000)) == 9_000_000, "blobs")
    ensure(list(matrix.bytes([1, 2, 255])) == [1, 2, 255], "other bytes")
    before = matrix.cancelled()
    endless = matrix.forever()
    ensure([next(endless) for _ in range(5)] == [0, 1, 2, 3, 4], "other numbers")
    del endless
    while matrix.cancelled() == before:
        pass
    try:
        for _ in matrix.forever(timeout=0.05):
            pass
    except matrix.DeadlineExceededError:
        pass
    asyncio.run(streams_async())


def matrix_ticks() -> list[matrix.Tick]:
    ticks = list(matrix.watch("fine", 3))
    for at, tick in enumerate(ticks):
        ensure(tick == matrix.Tick(at=at, name=f"tick number {at}"), tick)
    return ticks


def until_stopped() -> Iterator[str]:
    for number in count():
        yield "stop" if number == 100 else "x"


async def streams_async() -> None:
    for to in (0, 10_000):
        got = [item async for item in matrix.aio.count(to)]
        ensure(got == list(range(to)), "other numbers")
    seen = 0
    try:
        async for tick in matrix.aio.watch("refused", 3):
            ensure(tick.at == seen, tick)
            seen += 1
    except matrix.MatrixErrorRefused:
        ensure(seen == 3, seen)
    else:
        raise WrongError("it ended without its error")

    async def one_by_one(to: int) -> AsyncIterator[int]:
        for number in range(to):
            await asyncio.sleep(0)
            yield number

    ensure(await matrix.aio.sum(5, range(1, 10_001)) == 50_005_005, "another sum")
    ensure(await matrix.aio.sum(5, one_by_one(100)) == 4955, "another sum")
    ensure(len(await matrix.aio.join(until_stopped())) == 100, "it did not stop")
    asked = asyncio.Queue[int]()
    asked.put_nowait(0)

    async def questions() -> AsyncIterator[int]:
        while (number := await asked.get()) < 100:
            yield number

    answered = 0
    async for item in matrix.aio.double(questions()):
        ensure(item == 2 * answered, item)
        answered += 1
        asked.put_nowait(answered)
    ensure(answered == 100, answered)
    before = await matrix.aio.cancelled()
    async for number in matrix.aio.forever():
        if number == 5:
            break
    while await matrix.aio.cancelled() == before:
        pass
    try:
        async for _ in matrix.aio.forever(timeout=0.05):
            pass
    except matrix.DeadlineExceededError:
        return
    raise WrongError("it ended without its deadline")


def typed_error() -> None:
    def failed(kind: str) -> matrix.MatrixError:
        try:
            raise WrongError(matrix.fail(kind))
        except matrix.MatrixError as error:
            return error

    match failed("not_found"):
        case matrix.MatrixErrorNotFound(id="a name that is long"):
            pass
        case other:
            raise WrongError(other)
    match failed("refused"):
        case matrix.MatrixErrorRefused(42):
            pass
        case other:
            raise WrongError(other)
    ensure(failed("empty") == matrix.MatrixErrorEmpty(), "another error")
    ensure(matrix.fail("fine") == 4, "not its length")

    async def fail() -> None:
        try:
            await matrix.aio.fail("empty")
        except matrix.MatrixErrorEmpty:
            return
        raise WrongError("no error")

    asyncio.run(fail())


def deadline() -> None:
    started = time.monotonic()
    try:
        matrix.slow(5000, timeout=0.05)
    except TimeoutError as error:
        ensure(isinstance(error, matrix.DeadlineExceededError), repr(error))
    else:
        raise WrongError("no deadline")

    async def late() -> None:
        try:
            await matrix.aio.slow(5000, timeout=0.05)
        except matrix.DeadlineExceededError:
            return
        raise WrongError("no deadline")

    asyncio.run(late())
    ensure(time.monotonic() - started < 4, "it waited")


def cancel() -> None:
    async def cancelled() -> None:
        before = await matrix.aio.cancelled()
        running = asyncio.create_task(matrix.aio.slow(60_000))
        await matrix.aio.until_served(1)
        running.cancel()
        try:
            await running
        except asyncio.CancelledError:
            pass
        else:
            raise WrongError("it was not cancelled")
        while await matrix.aio.cancelled() == before:
            pass

    asyncio.run(cancelled())


def overloaded() -> None:
    async def too_much() -> None:
        slow = [asyncio.create_task(matrix.aio.slow(60_000)) for _ in range(2)]
        # It is the third call itself.
        await matrix.aio.until_served(2)
        slow.append(asyncio.create_task(matrix.aio.slow(60_000)))
        while True:
            try:
                await matrix.aio.add(2, 3)
            except matrix.OverloadedError as error:
                hint = error.retry_after
                ensure(hint is not None and 0 < hint < 1, hint)
                break
        # Those that were started are not harmed; without them there is room again.
        ensure(not any(call.done() for call in slow), "a call has ended")
        for call in slow:
            call.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        while True:
            try:
                ensure(await matrix.aio.add(2, 3) == 5, "a wrong sum")
                return
            except matrix.OverloadedError:
                await asyncio.sleep(0)

    asyncio.run(too_much())


def concurrent() -> None:
    async def sums() -> None:
        calls = (matrix.aio.add(n, 1_000_000) for n in range(1000))
        found = await asyncio.gather(*calls)
        ensure(found == [n + 1_000_000 for n in range(1000)], "another call's answer")

    asyncio.run(sums())
    # A barrier: all of a hundred threads call at once.
    ready = threading.Barrier(100)

    def some(first: int) -> bool:
        ready.wait()
        return all(matrix.add(n, 1) == n + 1 for n in range(first, first + 10))

    with ThreadPoolExecutor(100) as threads:
        ensure(all(threads.map(some, range(0, 1000, 10))), "another call's answer")


def drift() -> None:
    async def async_call() -> None:
        await matrix.aio.add(1, 1)

    for refused in (lambda: matrix.add(1, 1), lambda: asyncio.run(async_call())):
        try:
            refused()
        except matrix.SchemaMismatchError as error:
            said = str(error)
            ensure(f"{matrix.FINGERPRINT:#018x}" in said, said)
            ensure(said.count("0x") == 2 and "cargo cell" in said, said)
            ensure(f"{error.fingerprint:#018x}" in said, said)
        else:
            raise WrongError("another schema was not refused")


def drain() -> None:
    stop = threading.Event()
    calls = [0, 0, 0, 0]

    def with_threads(caller: int) -> None:
        while not stop.is_set():
            n = calls[caller]
            ensure(matrix.add(n, caller) == n + caller, "a wrong sum")
            calls[caller] += 1

    async def with_tasks() -> None:
        async def one(caller: int) -> None:
            while not stop.is_set():
                n = calls[caller]
                ensure(await matrix.aio.add(n, caller) == n + caller, "a wrong sum")
                calls[caller] += 1

        await asyncio.gather(one(2), one(3))

    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(with_threads, caller) for caller in (0, 1)]
        running.append(threads.submit(lambda: asyncio.run(with_tasks())))
        said = sys.stdin.readline()
        stop.set()
        for caller in running:
            caller.result()
    ensure(said == "stop\n", said)
    print(sum(calls))


SCENARIOS: dict[str, Callable[[], None]] = {
    "call": call,
    "typed_error": typed_error,
    "streams": streams,
    "deadline": deadline,
    "cancel": cancel,
    "concurrent": concurrent,
    "overloaded": overloaded,
    "drift": drift,
    "drain": drain,
}


def call_at(address: str) -> None:
    """Lets the functions of the package call the cell at an address."""
    clients = matrix.connect(address), matrix.aio.connect(address)
    for module, client in zip((matrix, matrix.aio), clients):
        for name in matrix.aio.__all__:
            if name != "connect":
                setattr(module, name, getattr(client, name))


def main() -> None:
    if address := os.environ.get("CELL_AT"):
        call_at(address)
    elif "CELL_RUN" not in os.environ:
        raise WrongError("CELL_RUN is not set")
    SCENARIOS[sys.argv[-1]]()
    print("ok")


if __name__ == "__main__":
    main()
