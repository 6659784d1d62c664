// Whether a decoded value is what `cargo cell call` prints as JSON: by the snapshot alone, not by generated code.
import { readFileSync } from "node:fs";

export type Json =
  null | boolean | number | string | Json[] | { [name: string]: Json };

interface Field {
  readonly name: string;
  readonly ty: string;
}

interface Variant {
  readonly name: string;
  readonly shape?: "tuple" | "unit";
  readonly fields?: readonly Field[];
}

interface Definition extends Variant {
  readonly kind: "struct" | "enum";
  readonly variants?: readonly Variant[];
}

interface Snapshot {
  readonly types: readonly Definition[];
  readonly routes: readonly { readonly name: string; readonly res: string }[];
}

type Ty =
  | {
      readonly kind: "named";
      readonly name: string;
      readonly args: readonly Ty[];
    }
  | { readonly kind: "tuple"; readonly args: readonly Ty[] }
  | { readonly kind: "array"; readonly item: Ty };

export class Schema {
  readonly #types: Map<string, Definition>;
  readonly #routes: Map<string, string>;

  constructor(path: string) {
    const snapshot = JSON.parse(readFileSync(path, "utf8")) as Snapshot;
    this.#types = new Map(snapshot.types.map((type) => [type.name, type]));
    this.#routes = new Map(snapshot.routes.map(({ name, res }) => [name, res]));
  }

  /** Throws where an answer of a route is not what the JSON says. */
  check(route: string, value: unknown, json: Json): void {
    this.#same(parse(this.#routes.get(route) ?? ""), value, json, route);
  }

  #same(ty: Ty, value: unknown, json: Json, at: string): void {
    if (ty.kind === "array") {
      this.#list(ty.item, value, json, at);
    } else if (ty.kind === "tuple") {
      if (ty.args.length === 0) {
        expect(value === undefined && json === null, at, value, json);
      } else {
        this.#elements(ty.args, value, json, at);
      }
    } else {
      this.#named(ty.name, ty.args, value, json, at);
    }
  }

  #named(
    name: string,
    args: readonly Ty[],
    value: unknown,
    json: Json,
    at: string,
  ): void {
    const [a, b] = args;
    switch (name) {
      case "bool":
      case "String":
      case "char":
        expect(value === json, at, value, json);
        break;
      case "f32":
      case "f64":
        expect(Object.is(value, float(json, name)), at, value, json);
        break;
      case "u64":
      case "u128":
      case "i64":
      case "i128":
        expect(
          typeof value === "bigint" &&
            value === BigInt(json as string | number),
          at,
          value,
          json,
        );
        break;
      case "Duration": {
        const duration = value as { seconds: bigint; nanos: number };
        const { secs, nanos } = json as {
          secs: string | number;
          nanos: number;
        };
        expect(
          duration.seconds === BigInt(secs) && duration.nanos === nanos,
          at,
          value,
          json,
        );
        break;
      }
      case "Vec":
      case "Set":
        this.#list(must(a), value, json, at);
        break;
      case "Map":
        this.#map(must(a), must(b), value, json, at);
        break;
      case "Box":
        this.#same(must(a), value, json, at);
        break;
      case "Option":
        this.#option(must(a), value, json, at);
        break;
      case "Result": {
        const result = value as {
          ok: boolean;
          value?: unknown;
          error?: unknown;
        };
        const [key, inner] = single(json);
        expect(key === (result.ok ? "Ok" : "Err"), at, value, json);
        this.#same(
          must(result.ok ? a : b),
          result.ok ? result.value : result.error,
          inner,
          `${at}.${key}`,
        );
        break;
      }
      default: {
        const type = this.#types.get(name);
        if (type === undefined) {
          expect(typeof value === "number" && value === json, at, value, json);
        } else if (type.kind === "enum") {
          this.#enum(type, args, value, json, at);
        } else {
          this.#struct(type, args, value, json, at);
        }
      }
    }
  }

  #option(inner: Ty, value: unknown, json: Json, at: string): void {
    const nothing = this.#mayBeNull(inner, 0);
    if (value === null || json === null) {
      expect(value === json, at, value, json);
    } else {
      this.#same(
        inner,
        nothing ? (value as { some: unknown }).some : value,
        nothing ? (json as { Some: Json }).Some : json,
        `${at}.Some`,
      );
    }
  }

  #mayBeNull(ty: Ty, depth: number): boolean {
    if (depth > 64 || ty.kind === "array") {
      return false;
    }
    if (ty.kind === "tuple") {
      return ty.args.length === 0;
    }
    if (ty.name === "Option") {
      return true;
    }
    if (ty.name === "Box") {
      return this.#mayBeNull(must(ty.args[0]), depth + 1);
    }
    const type = this.#types.get(ty.name);
    if (type?.kind !== "struct") {
      return false;
    }
    const [only, second] = type.fields ?? [];
    if (type.shape === "tuple" && only !== undefined && second === undefined) {
      return this.#mayBeNull(fill(parse(only.ty), ty.args), depth + 1);
    }
    return type.shape === "unit";
  }

  #list(item: Ty, value: unknown, json: Json, at: string): void {
    const items = [...(value as Iterable<unknown>)];
    const expected = json as Json[];
    expect(items.length === expected.length, at, value, json);
    items.forEach((part, index) => {
      this.#same(
        item,
        part,
        must(expected[index]),
        `${at}[${index.toString()}]`,
      );
    });
  }

  #elements(tys: readonly Ty[], value: unknown, json: Json, at: string): void {
    const parts = value as readonly unknown[];
    const expected = json as Json[];
    expect(
      parts.length === tys.length && expected.length === tys.length,
      at,
      value,
      json,
    );
    tys.forEach((ty, index) => {
      this.#same(
        ty,
        parts[index],
        must(expected[index]),
        `${at}.${index.toString()}`,
      );
    });
  }

  #map(key: Ty, of: Ty, value: unknown, json: Json, at: string): void {
    const entries = [...(value as Iterable<readonly [unknown, unknown]>)];
    const isObject =
      key.kind === "named" && key.name === "String" && !Array.isArray(json);
    const expected = isObject
      ? Object.entries(json as Record<string, Json>)
      : (json as [Json, Json][]);
    expect(entries.length === expected.length, at, value, json);
    entries.forEach(([k, v], index) => {
      const pair = isObject
        ? expected.find(([name]) => name === k)
        : expected[index];
      const [expectedKey, expectedValue] = must(pair);
      this.#same(key, k, expectedKey, `${at}[${index.toString()}].key`);
      this.#same(of, v, expectedValue, `${at}[${index.toString()}].value`);
    });
  }

  #enum(
    type: Definition,
    args: readonly Ty[],
    value: unknown,
    json: Json,
    at: string,
  ): void {
    const variants = type.variants ?? [];
    const [name, inner] =
      typeof json === "string" ? [json, null] : single(json);
    if (variants.every((variant) => variant.shape === "unit")) {
      expect(value === name, at, value, json);
      return;
    }
    const variant = must(variants.find((each) => each.name === name));
    const parts = value as Record<string, unknown>;
    expect(parts["kind"] === name, at, value, json);
    if ((variant.fields ?? []).length > 0) {
      const isTuple = variant.shape === "tuple";
      this.#fields(
        variant,
        args,
        isTuple ? parts["value"] : parts,
        inner,
        `${at}.${name}`,
        true,
      );
    }
  }

  #struct(
    type: Definition,
    args: readonly Ty[],
    value: unknown,
    json: Json,
    at: string,
  ): void {
    if (type.shape === "unit") {
      expect(value === undefined && json === null, at, value, json);
    } else {
      this.#fields(type, args, value, json, at, false);
    }
  }

  #fields(
    of: Variant,
    args: readonly Ty[],
    value: unknown,
    json: Json,
    at: string,
    isVariant: boolean,
  ): void {
    const fields = of.fields ?? [];
    const tys = fields.map((field) => fill(parse(field.ty), args));
    const [only] = tys;
    if (of.shape === "tuple" && only !== undefined && tys.length === 1) {
      // A newtype that leads to itself is an object.
      const boxed = !isVariant && isBoxed(value) ? value.value : value;
      this.#same(only, boxed, json, `${at}.0`);
      return;
    }
    if (of.shape === "tuple") {
      this.#elements(tys, value, json, at);
      return;
    }
    const parts = value as Record<string, unknown>;
    const expected = json as Record<string, Json>;
    const names = fields.map(({ name }) => property(name, isVariant));
    const found = Object.keys(parts).filter(
      (name) => !(isVariant && name === "kind"),
    );
    expect(found.join() === names.join(), at, found, names);
    fields.forEach(({ name }, index) => {
      const part = parts[names[index] ?? ""];
      this.#same(must(tys[index]), part, must(expected[name]), `${at}.${name}`);
    });
  }
}

function isBoxed(value: unknown): value is { readonly value: unknown } {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.keys(value).join() === "value"
  );
}

function property(name: string, isVariant: boolean): string {
  const camel = name.replace(/(?<=[^_])_+([^_])/g, (_match, letter: string) =>
    letter.toUpperCase(),
  );
  const isReserved = camel === "__proto__" || (isVariant && camel === "kind");
  return isReserved ? `${camel}_` : camel;
}

function float(json: Json, type: "f32" | "f64"): number {
  const named: Record<string, number> = {
    NaN,
    inf: Infinity,
    "-inf": -Infinity,
  };
  const number =
    typeof json === "string" ? must(named[json]) : (json as number);
  return type === "f32" ? Math.fround(number) : number;
}

function single(json: Json): [string, Json] {
  return must(Object.entries(json as Record<string, Json>)[0]);
}

function must<T>(value: T | undefined): T {
  if (value === undefined) {
    throw new Error("the values and the schema do not agree");
  }
  return value;
}

function expect(
  holds: boolean,
  at: string,
  value: unknown,
  json: unknown,
): void {
  if (!holds) {
    throw new Error(`${at}: ${String(value)} is not ${JSON.stringify(json)}`);
  }
}

function fill(ty: Ty, args: readonly Ty[]): Ty {
  switch (ty.kind) {
    case "array":
      return { kind: "array", item: fill(ty.item, args) };
    case "tuple":
      return { kind: "tuple", args: ty.args.map((arg) => fill(arg, args)) };
    case "named":
      return ty.name.startsWith("$")
        ? must(args[Number(ty.name.slice(1))])
        : { ...ty, args: ty.args.map((arg) => fill(arg, args)) };
  }
}

const parsed = new Map<string, Ty>();

function parse(text: string): Ty {
  let ty = parsed.get(text);
  if (ty === undefined) {
    ty = new Parser(text).ty();
    parsed.set(text, ty);
  }
  return ty;
}

class Parser {
  #rest: string;

  constructor(text: string) {
    this.#rest = text;
  }

  ty(): Ty {
    if (this.#eat("(")) {
      return { kind: "tuple", args: this.#list(")") };
    }
    if (this.#eat("[")) {
      const item = this.ty();
      this.#rest = this.#rest.replace(/^;\d+\]/, "");
      return { kind: "array", item };
    }
    const [name = ""] = /^[$\w]+/.exec(this.#rest) ?? [];
    this.#rest = this.#rest.slice(name.length);
    return { kind: "named", name, args: this.#eat("<") ? this.#list(">") : [] };
  }

  #list(end: string): Ty[] {
    const tys: Ty[] = [];
    while (!this.#eat(end)) {
      tys.push(this.ty());
      this.#eat(",");
    }
    return tys;
  }

  #eat(token: string): boolean {
    const found = this.#rest.startsWith(token);
    if (found) {
      this.#rest = this.#rest.slice(token.length);
    }
    return found;
  }
}
