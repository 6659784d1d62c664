// A client in the live matrix; ../../README.md says what each scenario does.
import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";

import * as matrix from "../cells/matrix/index.js";

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
