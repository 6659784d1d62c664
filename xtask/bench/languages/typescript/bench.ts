// Measures calls of the generated TypeScript client. Each line on standard input asks for a part: "lone 2000" for calls one after
// another, answered with the percentiles 50, 90 and 99 in nanoseconds, or "crowd 20000" for 64 in flight, answered with calls a second.
import { createInterface } from "node:readline";

import { type Client, connect } from "./gen/echo/index.js";

const IN_FLIGHT = 64;

async function call(client: Client, number: bigint): Promise<void> {
  const at = (word: bigint): bigint => BigInt.asUintN(64, number * word);
  const words = [at(1n), at(2n), at(3n), at(4n), at(5n), at(6n), at(7n), at(8n)] as const;
  const answer = await client.echo({ words });
  if (answer.words.some((word, index) => word !== words[index])) {
    throw new Error("the echo differs");
  }
}

async function lone(client: Client, count: number): Promise<string> {
  const took: number[] = [];
  for (let n = 0; n < count; n++) {
    const started = process.hrtime.bigint();
    await call(client, BigInt(n));
    took.push(Number(process.hrtime.bigint() - started));
  }
  took.sort((a, b) => a - b);
  return [50, 90, 99].map((percent) => took[Math.floor((count * percent) / 100)]).join(" ");
}

async function crowd(client: Client, count: number): Promise<string> {
  const share = Math.floor(count / IN_FLIGHT);
  const started = process.hrtime.bigint();
  const tasks = Array.from({ length: IN_FLIGHT }, async (_, task) => {
    for (let n = 0; n < share; n++) {
      await call(client, BigInt(task * share + n));
    }
  });
  await Promise.all(tasks);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  return Math.round((share * IN_FLIGHT) / seconds).toString();
}

const client = connect(`${process.env["CELL_RUN"] ?? ""}/echo.sock`);
for await (const line of createInterface({ input: process.stdin })) {
  const [part, count] = line.split(" ");
  console.log(await (part === "lone" ? lone : crowd)(client, Number(count)));
}
client.close();
