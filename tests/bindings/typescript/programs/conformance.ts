// Every value of a folder's values.json: its archive is read as the right value and written as the same bytes, and what is
// damaged is a value or a clean error. The binding's routes give back what they get.
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { ArchiveError } from "../cells/cell/index.js";
import type { Route } from "../cells/cell/index.js";
import { type Json, Schema } from "./schema.js";

interface Entry {
  readonly route: string;
  readonly name: string;
  readonly value: Json;
  readonly bytes: string;
  readonly exact?: boolean;
}

type AnyRoute = Route<readonly [unknown], unknown, unknown>;

const [, , folder = ".", cell = "conformance"] = process.argv;
const { routes } = (await import(`../cells/${cell}/routes.js`)) as {
  routes: Readonly<Record<string, AnyRoute>>;
};
const schema = new Schema(join(folder, `${cell}.json`));
const text = readFileSync(join(folder, "values.json"), "utf8");
const { values } = JSON.parse(text) as { values: Entry[] };
const byName = new Map(
  Object.values(routes).map((route) => [route.name, route]),
);

const problems: string[] = [];
let damaged = 0;
let refused = 0;
for (const entry of values) {
  try {
    check(entry);
  } catch (error) {
    problems.push(`${entry.route} ${entry.name}: ${String(error)}`);
  }
}
const seen = new Set(values.map((entry) => entry.route));
problems.push(
  ...[...byName.keys()]
    .filter((name) => !seen.has(name))
    .map((name) => `${name}: no value`),
);
for (const problem of problems.slice(0, 20)) {
  console.error(problem);
}
console.log(
  `${values.length.toString()} values, ${damaged.toString()} damaged archives, ${refused.toString()} of them refused`,
);
console.log(
  problems.length === 0 ? "ok" : `${problems.length.toString()} problems`,
);
process.exitCode = problems.length === 0 ? 0 : 1;

function check(entry: Entry): void {
  const route = byName.get(entry.route);
  if (route === undefined) {
    throw new Error("there is no such route");
  }
  // Not at the start of its memory: what was read with the offset forgotten would be another value.
  const padded = Uint8Array.from(Buffer.from(`00ff00${entry.bytes}`, "hex"));
  const bytes = padded.subarray(3);
  const value = route.decodeResponse(bytes);
  schema.check(entry.route, value, entry.value);
  const written = route.encodeRequest([value]);
  if (entry.exact === false) {
    schema.check(entry.route, route.decodeResponse(written), entry.value);
  } else if (Buffer.compare(written, bytes) !== 0) {
    throw new Error(
      `written as ${Buffer.from(written).toString("hex")} instead of ${entry.bytes}`,
    );
  }
  if (bytes.length <= 512) {
    damage(route, bytes);
  }
}

/** Every truncation and every single-bit flip. */
function damage(route: AnyRoute, bytes: Uint8Array): void {
  for (let length = 0; length < bytes.length; length += 1) {
    attempt(route, bytes.slice(0, length));
    attempt(route, bytes.slice(length));
  }
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = bytes.slice();
    const at = bit >> 3;
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
    attempt(route, flipped);
  }
}

function attempt(route: AnyRoute, bytes: Uint8Array): void {
  damaged += 1;
  let value: unknown;
  try {
    value = route.decodeResponse(bytes);
  } catch (error) {
    if (!(error instanceof ArchiveError)) {
      throw error;
    }
    refused += 1;
    return;
  }
  // What was read can be written.
  route.encodeRequest([value]);
}
