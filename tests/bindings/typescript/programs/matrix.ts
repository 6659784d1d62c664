// A client in the live matrix; ../../README.md says what each scenario does.
import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";

import * as matrix from "../cells/matrix/index.js";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) {
    list.push(item);
  }
  return list;
}

function* range(from: number, to: number): Generator<number> {
  for (let number = from; number < to; number += 1) {
    yield number;
  }
}

async function* slowly(to: number): AsyncGenerator<number> {
  for (const number of range(0, to)) {
    await Promise.resolve();
    yield number;
  }
}

function* untilStopped(): Generator<string> {
  for (const number of range(0, Infinity)) {
    yield number === 100 ? "stop" : "x";
  }
}

/** Asks for the next number only when the one before is answered. */
async function doubled(): Promise<void> {
  let ask: (next: number) => void = () => undefined;
  async function* questions(): AsyncGenerator<number> {
    for (let number = 0; number < 100;) {
      yield number;
      number = await new Promise<number>((resolve) => {
        ask = resolve;
      });
    }
  }
  let answered = 0;
  for await (const item of matrix.double(questions())) {
    assert.equal(item, 2n * BigInt(answered));
    answered += 1;
    ask(answered);
  }
  assert.equal(answered, 100);
  const many = await all(matrix.double(range(0, 50_000)));
  assert.equal(many.length, 50_000);
}

const scenarios: Record<string, () => Promise<void>> = {
  async call() {
    assert.equal(await matrix.echo("straße 🦀"), "straße 🦀");
    const max = 2n ** 64n - 1n;
    assert.equal(await matrix.add(max, 2n), 1n);
    assert.equal((await matrix.big(3_000_000)).length, 3_000_000);
    assert.equal(await matrix.generation(), 1);
    await assert.rejects(matrix.panics(), (error) => {
      assert(error instanceof matrix.StatusError);
      assert.equal(error.code, "internal");
      return true;
    });
    assert.equal(await matrix.echo("still here"), "still here");
    const traceparent =
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert.equal(await matrix.trace({ traceparent }), traceparent);
    const items = await all(matrix.traceStream({ traceparent }));
    assert.deepEqual(items, [traceparent]);
    assert.equal(await matrix.trace(), "");
  },

  async typed_error() {
    assert.deepEqual(await failure("not_found"), {
      kind: "NotFound",
      id: "a name that is long",
    });
    assert.deepEqual(await failure("refused"), { kind: "Refused", value: 42 });
    assert.deepEqual(await failure("empty"), { kind: "Empty" });
    assert.equal(await matrix.fail("seven.."), 7);
  },

  async streams() {
    for (const to of [0, 10_000]) {
      const items = await all(matrix.count(to));
      assert.deepEqual(
        items,
        Array.from({ length: to }, (_, index) => index),
      );
    }
    const ticks: matrix.Tick[] = [];
    await assert.rejects(
      async () => {
        for await (const tick of matrix.watch("refused", 3)) {
          ticks.push(tick);
        }
      },
      (error) => {
        assert(error instanceof matrix.WatchFailed);
        assert.deepEqual(error.error, { kind: "Refused", value: 42 });
        return true;
      },
    );
    assert.deepEqual(ticks[2], { at: 2, name: "tick number 2" });
    assert.equal(await matrix.sum(5n, range(1, 10_001)), 50_005_005n);
    assert.equal(await matrix.sum(5n, slowly(100)), 4955n);
    assert.equal(await matrix.sum(5n, []), 5n);
    assert.equal((await matrix.join(["a", "é".repeat(1000)])).length, 1001);
    await assert.rejects(matrix.join([]), matrix.JoinFailed);
    assert.equal((await matrix.join(untilStopped())).length, 100);
    await doubled();
    let size = 0;
    for await (const blob of matrix.blobs(3, 3_000_000)) {
      size += blob.length;
    }
    assert.equal(size, 9_000_000);
    assert.deepEqual(await all(matrix.bytes([1, 2, 255])), [1, 2, 255]);
    const before = await matrix.cancelled();
    for await (const number of matrix.forever()) {
      if (number === 5) {
        break;
      }
    }
    while ((await matrix.cancelled()) === before) {
      // Asked again.
    }
    await assert.rejects(async () => {
      for await (const number of matrix.forever({ deadlineMs: 50 })) {
        assert(number >= 0);
      }
    }, matrix.DeadlineExceededError);
  },

  async deadline() {
    const begun = performance.now();
    await assert.rejects(
      matrix.slow(5000, { deadlineMs: 50 }),
      matrix.DeadlineExceededError,
    );
    assert(performance.now() - begun < 4000, "the deadline came late");
  },

  async cancel() {
    const abort = new AbortController();
    const slow = matrix.slow(60_000, {
      signal: abort.signal,
      deadlineMs: 60_000,
    });
    await matrix.untilServed(1n);
    abort.abort(new Error("enough"));
    await assert.rejects(slow, /enough/);
    // It travels on the same connection, ahead of the questions.
    while ((await matrix.cancelled()) === 0n) {
      // Asked again.
    }
  },

  async concurrent() {
    const sums = Array.from({ length: 1000 }, async (_, index) => {
      const a = BigInt(index);
      assert.equal(await matrix.add(a, 7n), a + 7n);
    });
    await Promise.all(sums);
  },

  async overloaded() {
    const abort = new AbortController();
    const options = { signal: abort.signal, deadlineMs: 60_000 };
    let ended = 0;
    const slow = async () => {
      try {
        await matrix.slow(60_000, options);
      } catch {
        // Aborted below.
      }
      ended += 1;
    };
    const calls = [slow(), slow()];
    // It is the third call itself.
    await matrix.untilServed(2n);
    calls.push(slow());
    let failed: unknown;
    while (failed === undefined) {
      await matrix.add(2n, 3n).catch((error: unknown) => {
        failed = error;
      });
    }
    assert(failed instanceof matrix.StatusError);
    assert.equal(failed.code, "overloaded");
    const hint = failed.retryAfterMs ?? 0;
    assert(hint > 0 && hint < 1000, hint.toString());
    // Those that were started are not harmed; without them there is room again.
    assert.equal(ended, 0);
    abort.abort(new Error("enough"));
    await Promise.all(calls);
    for (;;) {
      try {
        assert.equal(await matrix.add(2n, 3n), 5n);
        return;
      } catch (error) {
        assert(error instanceof matrix.StatusError, String(error));
      }
    }
  },

  async drift() {
    await assert.rejects(matrix.echo("hello"), (error) => {
      assert(error instanceof matrix.SchemaMismatchError);
      assert(error.message.includes(matrix.FINGERPRINT), error.message);
      const theirs = `0x${error.fingerprint.toString(16).padStart(16, "0")}`;
      assert(error.message.includes(theirs), error.message);
      assert(error.message.includes("cargo cell bind"), error.message);
      return true;
    });
  },

  async drain() {
    let isRunning = true;
    const input = createInterface(process.stdin);
    input.once("line", () => {
      isRunning = false;
      input.close();
    });
    let calls = 0;
    const caller = async (): Promise<void> => {
      while (isRunning) {
        const a = BigInt(calls);
        assert.equal(await matrix.add(a, 1n), a + 1n);
        calls += 1;
      }
    };
    await Promise.all(Array.from({ length: 8 }, caller));
    console.log(calls.toString());
  },
};

async function failure(kind: string): Promise<matrix.MatrixError> {
  try {
    await matrix.fail(kind);
  } catch (error) {
    assert(error instanceof matrix.FailFailed);
    assert(error instanceof Error);
    return error.error;
  }
  throw new Error(`${kind} did not fail`);
}

const scenario = scenarios[process.argv[2] ?? ""];
if (scenario === undefined) {
  throw new Error("no such scenario");
}
await scenario();
console.log("ok");
