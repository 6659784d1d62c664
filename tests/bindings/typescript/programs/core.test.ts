// The protocol core without I/O, and the client before servers that are broken or hostile.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";

import { Channel } from "../cells/cell/channel.js";
import {
  ArchiveError,
  CellError,
  DeadlineExceededError,
  type Route,
  SchemaMismatchError,
  UnavailableError,
} from "../cells/cell/index.js";
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  HEADER_BYTES,
  Kind,
  Violation,
} from "../cells/cell/frame.js";
import { encodeHello } from "../cells/cell/handshake.js";
import { CALLS_MAX } from "../cells/cell/limits.js";
import { byKey, compareText } from "../cells/cell/order.js";
import { decode } from "../cells/cell/reader.js";
import { ClientState, type Outcome } from "../cells/cell/state.js";
import { parseTraceparent } from "../cells/cell/trace.js";
import { encode } from "../cells/cell/writer.js";

const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text, "hex"));
const FINGERPRINT = 0x8a37000000000001n;

// The vectors of docs/protocol.md.
const HELLO = hex(
  "280000000100000000000000000000000000000000000000000000000000000043454c4c010000000000010000000000378a0e00627574746f6e5f73657276696365040064656d6f",
);
const ACCEPTED = hex(
  "260000000200000000000000000000000000000000000000000000000000000043454c4c010000000000010000000000378a0e00627574746f6e5f7365727669636500000000",
);
const REFUSED = hex(
  "ce0000000200000000000000000000000000000000000000000000000000000043454c4c010000000000020000000000378a0e00627574746f6e5f736572766963650200a800736368656d612064726966743a2060627574746f6e5f7365727669636560206861732066696e6765727072696e74203078386133373030303030303030303030322c2062757420746869732062696e64696e67207761732067656e6572617465642066726f6d203078386133373030303030303030303030313b2072756e2060636172676f2063656c6c206275696c646020286f722060636172676f2063656c6c2062696e646029",
);
const REQUEST = hex(
  "080000000300000001000000000000008877665544332211809698000000000073746172745f6274",
);
const TRACED = hex(
  "2800000003022000010000000000000088776655443322118096980000000000ababababababababababababababababcdcdcdcdcdcdcdcd010000000000000073746172745f6274",
);
const RESPONSE = hex(
  "0800000004000000010000000000000000000000000000000000000000000000010000000000803f",
);
const APP_ERROR = hex(
  "010000000401000001000000000000000000000000000000000000000000000002",
);
const STATUS = hex(
  "060000000500000001000000000000000000000000000000000000000000000004006c617465",
);
const CANCEL = hex(
  "0000000006000000010000000000000000000000000000000000000000000000",
);
const GOAWAY = hex(
  "0000000007000000030000000000000000000000000000000000000000000000",
);
const PING = hex(
  "0000000008000000050000000000000000000000000000000000000000000000",
);
const PONG = hex(
  "0000000009000000050000000000000000000000000000000000000000000000",
);

function opened(): ClientState {
  const state = new ClientState(
    encodeHello("button_service", FINGERPRINT, "demo"),
  );
  assert.deepEqual(sent(state), Buffer.from(HELLO));
  return state;
}

function sent(state: ClientState): Buffer {
  return Buffer.concat(state.takeOutput().map((frame) => frame.bytes));
}

function start(
  state: ClientState,
  outcomes: Outcome[],
  trace?: string,
): number {
  const request = {
    route: 0x1122334455667788n,
    payload: new TextEncoder().encode("start_bt"),
    deadline: 10_000,
    trace: parseTraceparent(trace),
  };
  return state.start(0, request, (outcome) => outcomes.push(outcome));
}

void test("the vectors of the protocol hold", () => {
  const state = opened();
  const outcomes: Outcome[] = [];
  start(state, outcomes);
  assert.deepEqual(sent(state), Buffer.from(REQUEST));
  state.receive(ACCEPTED);
  state.receive(RESPONSE);
  assert.deepEqual(outcomes, [
    { kind: "ok", payload: hex("010000000000803f") },
  ]);
  state.receive(PING);
  assert.deepEqual(sent(state), Buffer.from(PONG));
});

void test("a call carries its trace context, and its failures have types", () => {
  for (const [answer, kind] of [
    [APP_ERROR, "app error"],
    [STATUS, "status"],
  ] as const) {
    const state = opened();
    const outcomes: Outcome[] = [];
    start(state, outcomes, `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`);
    assert.deepEqual(sent(state), Buffer.from(TRACED));
    state.receive(Buffer.concat([ACCEPTED, answer]));
    assert.deepEqual(
      outcomes.map((outcome) => outcome.kind),
      [kind],
    );
  }
  for (const broken of [
    "",
    "00-",
    `00-${"0".repeat(32)}-${"cd".repeat(8)}-01`,
  ]) {
    assert.equal(parseTraceparent(broken), undefined);
  }
});

void test("a refusal reaches every call, with both fingerprints", () => {
  const state = opened();
  const outcomes: Outcome[] = [];
  start(state, outcomes);
  start(state, outcomes);
  state.receive(REFUSED);
  assert.equal(outcomes.length, 2);
  for (const outcome of outcomes) {
    assert(outcome.kind === "refused");
    assert.match(
      outcome.status.message,
      /0x8a37000000000002.*0x8a37000000000001/,
    );
    assert.equal(outcome.fingerprint, 0x8a37000000000002n);
  }
  assert(state.isFinished);
});

void test("a frame is the same however it is cut", () => {
  const stream = Buffer.concat([ACCEPTED, RESPONSE, TRACED, PING]);
  const whole = [...new FrameDecoder().push(stream)].map(plain);
  assert.equal(whole.length, 4);
  for (let size = 1; size < stream.length; size += 1) {
    const decoder = new FrameDecoder();
    const frames: Frame[] = [];
    for (let at = 0; at < stream.length; at += size) {
      frames.push(...decoder.push(stream.subarray(at, at + size)));
    }
    assert.deepEqual(frames.map(plain), whole);
  }
});

function plain(frame: Frame): unknown {
  return { ...frame, payload: Buffer.from(frame.payload).toString("hex") };
}

void test("lengths over the limits and unknown kinds are refused before anything is allocated", () => {
  const header = (change: (view: DataView) => void): Uint8Array => {
    const bytes = encodeFrame({ kind: Kind.response, callId: 1 });
    change(new DataView(bytes.buffer));
    return bytes;
  };
  for (const bytes of [
    header((view) => {
      view.setUint32(0, 0xffffffff, true);
    }),
    header((view) => {
      view.setUint32(0, (16 << 20) + 1, true);
    }),
    header((view) => {
      view.setUint8(4, 0);
    }),
    header((view) => {
      view.setUint8(4, 13);
    }),
    header((view) => {
      view.setUint16(6, 16, true);
    }),
    header((view) => {
      view.setUint16(6, 7, true);
      view.setUint32(0, 32, true);
    }),
  ]) {
    assert.throws(() => [...new FrameDecoder().push(bytes)], Violation);
  }
});

void test("frames from the wrong side or before the handshake are a violation", () => {
  assert.throws(() => {
    opened().receive(RESPONSE);
  }, Violation);
  for (const frame of [HELLO, ACCEPTED, REQUEST, CANCEL]) {
    const state = opened();
    state.receive(ACCEPTED);
    assert.throws(() => {
      state.receive(frame);
    }, Violation);
  }
});

void test("random bytes are a violation or nothing, and never more", () => {
  let seed = 1;
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed >>> 16;
  };
  for (let round = 0; round < 5000; round += 1) {
    const state = opened();
    const outcomes: Outcome[] = [];
    start(state, outcomes);
    const noise = Uint8Array.from({ length: random() % 200 }, random);
    // Half of the rounds are frames with a plausible header.
    noise.fill(0, 1, 4);
    noise.fill((random() % 9) + 1, 4, 5);
    const stream = round % 2 === 0 ? [ACCEPTED, noise] : [noise];
    try {
      for (const part of stream) {
        state.receive(part);
      }
    } catch (error) {
      assert(error instanceof Violation, String(error));
    }
    state.close("over");
    assert.equal(outcomes.length, 1);
  }
});

void test("GOAWAY gives back what was not started and lets the rest finish", () => {
  const state = opened();
  const outcomes: Outcome[] = [];
  for (let call = 0; call < 5; call += 1) {
    start(state, outcomes);
  }
  sent(state);
  state.receive(ACCEPTED);
  state.receive(GOAWAY);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.kind),
    ["not started", "not started"],
  );
  assert(!state.isOpen && !state.isFinished);
  state.receive(RESPONSE);
  state.close("gone");
  assert.deepEqual(
    outcomes.slice(2).map((outcome) => outcome.kind),
    ["ok", "lost", "lost"],
  );
});

void test("before the handshake nothing was started, and what did not leave was not either", () => {
  const early = opened();
  const outcomes: Outcome[] = [];
  start(early, outcomes);
  sent(early);
  early.close("gone");
  const late = opened();
  late.receive(ACCEPTED);
  start(late, outcomes);
  sent(late);
  start(late, outcomes);
  late.writeFailed("broken");
  late.receive(RESPONSE);
  late.close("gone");
  assert.deepEqual(
    outcomes.map((outcome) => outcome.kind),
    ["not started", "not started", "ok"],
  );
});

void test("deadlines and cancellations tell the server, once and only if it knows of the call", () => {
  const state = opened();
  const outcomes: Outcome[] = [];
  start(state, outcomes);
  sent(state);
  state.expire(9_999);
  assert.equal(outcomes.length, 0);
  state.expire(10_000);
  assert.deepEqual(outcomes, [{ kind: "late" }]);
  assert.deepEqual(sent(state), Buffer.from(CANCEL));
  state.cancel(start(state, outcomes));
  assert.equal(state.takeOutput().length, 0);
  state.receive(ACCEPTED);
  state.receive(RESPONSE);
  assert.equal(outcomes.length, 1);
});

void test("a peer that asks and does not read fills no memory", () => {
  const state = opened();
  state.receive(ACCEPTED);
  for (let round = 0; round < 10 * CALLS_MAX; round += 1) {
    state.receive(PING);
  }
  assert(state.takeOutput().length <= 2 * CALLS_MAX);
});

void test("an archive that asks for more work than it is long is refused", () => {
  interface Nested {
    readonly items: readonly Nested[];
  }
  const read = (
    reader: Parameters<Parameters<typeof decode>[3]>[0],
    at: number,
  ): Nested => {
    const length = reader.length(at);
    const start = reader.enter(at, length, 8, 4);
    const items: Nested[] = [];
    for (let index = 0; index < length; index += 1) {
      items.push(read(reader, start + index * 8));
    }
    reader.leave();
    return { items };
  };
  // Each vector holds all vectors.
  const bytes = new Uint8Array(8 * 64);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < 64; index += 1) {
    view.setInt32(index * 8, -index * 8, true);
    view.setUint32(index * 8 + 4, 64, true);
  }
  assert.throws(() => decode(bytes, 8, 4, read), ArchiveError);
  // A vector of two thousand million nothings.
  const empty = new Uint8Array(8);
  new DataView(empty.buffer).setUint32(4, 0x7fffffff, true);
  assert.throws(
    () =>
      decode(empty, 8, 4, (reader, at) =>
        reader.enter(at, reader.length(at), 0, 1),
      ),
    ArchiveError,
  );
});

void test("a value that refers to itself, is too deep or does not fit is refused with its place", () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const add = (
    writer: Parameters<NonNullable<Parameters<typeof encode>[3]>>[0],
    value: unknown,
  ): void => {
    const mark = writer.mark("Tree.children");
    add(writer, (value as unknown[])[0]);
    writer.endVec(mark, 0, 1);
  };
  assert.throws(
    () => encode<unknown>(cyclic, 8, 4, add, undefined),
    /Tree.children: nests deeper than 128/,
  );
  for (const wrong of [-1, 256, 1.5, NaN, "1", undefined, null, 1n]) {
    assert.throws(
      () =>
        encode(wrong as number, 1, 1, undefined, (writer, at, value) => {
          writer.u8(at, value, "A.b");
        }),
      /A\.b: expected u8/,
    );
  }
  for (const wrong of ["", "ab", "\ud800", 7]) {
    assert.throws(
      () =>
        encode(wrong as string, 4, 4, undefined, (writer, at, value) => {
          writer.char(at, value, "c");
        }),
      /c: expected char/,
    );
  }
  const string = (value: string): Uint8Array =>
    encode(
      value,
      8,
      4,
      (writer, text) => {
        writer.addString(text, "s");
      },
      (writer, at, text) => {
        writer.string(at, text);
      },
    );
  assert.throws(() => string("lone \udc00"), /s: expected String/);
  assert.throws(() => string("x".repeat((16 << 20) + 1)), ArchiveError);
  assert.equal(string("x".repeat((16 << 20) - 8)).length, 16 << 20);
});

void test("keys are ordered as their bytes are", () => {
  const texts = ["", "a", "ab", "b", "é", "\ue000", "\uffff", "🦀"];
  const shuffled = [...texts].reverse();
  assert.deepEqual(shuffled.sort(compareText), texts);
  assert.deepEqual(
    byKey(
      new Map([
        [10n, 1],
        [9n, 2],
      ]),
    ),
    [
      [9n, 2],
      [10n, 1],
    ],
  );
});

// What follows needs a socket.

const ECHO: Route<readonly [string], Uint8Array> = {
  name: "echo",
  id: 1n,
  encodeRequest: ([text]) => new TextEncoder().encode(text),
  decodeResponse: (archive) => archive.slice(),
};

let folder = "";
let server: Server;
let serve: (socket: Socket) => void;
let channel: Channel;
const sockets = new Set<Socket>();

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "cell-"));
  const path = join(folder, "button_service.sock");
  server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    serve(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  channel = new Channel("button_service", FINGERPRINT, path);
});

afterEach(async () => {
  channel.close();
  for (const socket of sockets) {
    socket.destroy();
  }
  sockets.clear();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  rmSync(folder, { recursive: true });
});

/** Answers requests by a function, after the handshake. */
function answering(
  answer: (frame: Frame, socket: Socket) => void,
): (socket: Socket) => void {
  return (socket) => {
    const decoder = new FrameDecoder();
    socket.on("data", (chunk: Uint8Array) => {
      for (const frame of decoder.push(chunk)) {
        if (frame.kind === Kind.hello) {
          socket.write(ACCEPTED);
        } else {
          answer(frame, socket);
        }
      }
    });
  };
}

const echo = (frame: Frame, socket: Socket): void => {
  if (frame.kind === Kind.request) {
    const head = { kind: Kind.response, callId: frame.callId };
    socket.write(encodeFrame(head, frame.payload));
  }
};

async function call(text: string, deadlineMs = 30_000): Promise<string> {
  const bytes = await channel.call(ECHO, [text], { deadlineMs });
  return Buffer.from(bytes).toString();
}

void test("many more calls than a connection takes wait for their turn", async () => {
  let connections = 0;
  serve = (socket) => {
    connections += 1;
    answering(echo)(socket);
  };
  const texts = Array.from({ length: 5000 }, (_, index) => index.toString());
  assert.deepEqual(await Promise.all(texts.map((text) => call(text))), texts);
  assert.equal(connections, 1);
});

void test("a server that never answers is left at the deadline", async () => {
  serve = () => undefined;
  await assert.rejects(call("hello", 20), DeadlineExceededError);
  // One that is full never has room.
  const calls = Array.from({ length: CALLS_MAX + 10 }, () => call("hello", 50));
  const outcomes = await Promise.allSettled(calls);
  for (const outcome of outcomes) {
    assert(
      outcome.status === "rejected" &&
        outcome.reason instanceof DeadlineExceededError,
    );
  }
});

void test("aborting is heard wherever a call waits", async () => {
  const abort = new AbortController();
  const kinds: number[] = [];
  serve = answering((frame) => {
    kinds.push(frame.kind);
    if (kinds.length === 1) {
      abort.abort(new Error("enough"));
    }
  });
  const { signal } = abort;
  await assert.rejects(channel.call(ECHO, ["x"], { signal }), /enough/);
  await assert.rejects(channel.call(ECHO, ["x"], { signal }), /enough/);
  const late = AbortSignal.timeout(10);
  await assert.rejects(channel.call(ECHO, ["y"], { signal: late }), {
    name: "TimeoutError",
  });
  serve = () => undefined;
  assert.deepEqual(kinds.slice(0, 2), [Kind.request, Kind.cancel]);
});

void test("a connection that dies is replaced, and only what cannot have been done is done again", async () => {
  let connections = 0;
  serve = (socket) => {
    connections += 1;
    if (connections <= 3) {
      // Before the handshake: nothing was started.
      socket.destroy();
    } else {
      answering(echo)(socket);
    }
  };
  assert.equal(await call("again"), "again");
  assert.equal(connections, 4);
  for (const socket of sockets) {
    socket.destroy();
  }
  assert.equal(await call("and again"), "and again");
  serve = answering((_frame, socket) => {
    socket.destroy();
  });
  for (const socket of sockets) {
    socket.destroy();
  }
  await assert.rejects(call("lost"), UnavailableError);
});

void test("a draining server costs no call", async () => {
  let connections = 0;
  serve = (socket) => {
    connections += 1;
    let left = 20;
    answering((frame) => {
      if (frame.kind !== Kind.request || left === 0) {
        return;
      }
      left -= 1;
      echo(frame, socket);
      if (left === 0) {
        socket.write(encodeFrame({ kind: Kind.goAway, callId: frame.callId }));
        socket.end();
      }
    })(socket);
  };
  const texts = Array.from({ length: 500 }, (_, index) => index.toString());
  assert.deepEqual(await Promise.all(texts.map((text) => call(text))), texts);
  assert(connections >= 25);
});

void test("whatever a hostile server says is an error", async () => {
  const header = (length: number, kind: number): Buffer => {
    const bytes = Buffer.alloc(HEADER_BYTES);
    bytes.writeUInt32LE(length);
    bytes.writeUInt8(kind, 4);
    return bytes;
  };
  const answers: ((socket: Socket) => void)[] = [
    (socket) => socket.end(REFUSED),
    (socket) =>
      socket.end(
        Buffer.concat([
          ACCEPTED,
          Buffer.from("no frame at all, but longer than one"),
        ]),
      ),
    (socket) => socket.write(Buffer.concat([ACCEPTED, header(0xffffffff, 4)])),
    (socket) => socket.end(Buffer.concat([ACCEPTED, header(16 << 20, 4)])),
    (socket) => socket.end(Buffer.concat([ACCEPTED, RESPONSE.subarray(0, 35)])),
    (socket) => socket.end(ACCEPTED.subarray(0, 40)),
    (socket) =>
      socket.write(Buffer.concat([ACCEPTED, header(1, 5), Buffer.alloc(1)])),
    (socket) => socket.write(Buffer.concat([ACCEPTED, header(0, 1)])),
    (socket) => socket.write(Buffer.alloc(100_000, 0x20)),
    (socket) => socket.write(APP_ERROR),
    (socket) => socket.write(Buffer.concat([ACCEPTED, APP_ERROR])),
    (socket) => socket.write(Buffer.concat([ACCEPTED, STATUS])),
  ];
  for (const answer of answers) {
    serve = (socket) => {
      socket.once("data", () => {
        answer(socket);
      });
    };
    await assert.rejects(call("hello", 300), CellError);
    channel.close();
  }
});

void test("a schema that moved on is one error with both fingerprints and a command", async () => {
  serve = (socket) => socket.end(REFUSED);
  await assert.rejects(call("hello"), (error) => {
    assert(error instanceof SchemaMismatchError);
    assert.match(
      error.message,
      /0x8a37000000000002.*0x8a37000000000001.*cargo cell bind/,
    );
    return true;
  });
});

void test("errors of places say what to do", async () => {
  const nowhere = new Channel(
    "button_service",
    FINGERPRINT,
    join(folder, "none.sock"),
  );
  await assert.rejects(nowhere.call(ECHO, ["x"]), UnavailableError);
  assert.throws(
    () => new Channel("button_service", 1n, "button_service@host:4433"),
    /does not speak QUIC; run `cargo cell relay /,
  );
  const long = new Channel("button_service", 1n, `/${"x".repeat(200)}`);
  await assert.rejects(long.call(ECHO, ["x"]), /201 bytes, Linux allows 107/);
  process.env["CELL_RUN"] = folder;
  const missing = new Channel("other", 1n);
  await assert.rejects(
    missing.call(ECHO, ["x"]),
    /no running cell `other`.*cargo cell dev/,
  );
  serve = answering(echo);
  const found = new Channel("button_service", FINGERPRINT);
  assert.equal((await found.call(ECHO, ["x"])).length, 1);
  found.close();
  delete process.env["CELL_RUN"];
});
