# pyright: standard
# JSON has no types.
"""Reads every value of the conformance cell, compares it, and writes it again.

Usage: conformance.py PACKAGE SNAPSHOT VALUES; the package lies in the folder `cells`.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

from cells._cell import ArchiveError, Duration, Ok, Route, Some

INTEGERS = {f"{sign}{bits}" for sign in "ui" for bits in (8, 16, 32, 64, 128)}
# Archives up to this length are cut and flipped everywhere.
SAMPLE_BYTES_MAX = 160


class Types:
    """The schema: compares values with their JSON."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.defs = {definition["name"]: definition for definition in snapshot["types"]}

    def same(self, ty: str, wanted: Any, found: Any) -> bool:
        head, args = parse(ty)
        match head, args:
            case (("bool" | "String" | "char"), _):
                return type(wanted) is type(found) and wanted == found
            case (("f32" | "f64"), _):
                return same_float(head, float(wanted), found)
            case _ if head in INTEGERS:
                return type(found) is int and int(wanted) == found
            case "Duration", _:
                seconds, nanos = int(wanted["secs"]), wanted["nanos"]
                return bool(found == Duration(seconds, nanos))
            case (("Vec" | "Set"), [item]):
                if isinstance(found, frozenset):
                    found = sorted(found)
                return self.all(item, wanted, list(found))
            case "[", [item, _]:
                return self.all(item, wanted, list(found))
            case "Map", [key, value]:
                if isinstance(wanted, dict):
                    wanted = list(wanted.items())
                if isinstance(found, dict):
                    found = list(found.items())
                    if key in INTEGERS | {"String", "char", "bool"}:
                        found.sort()
                        wanted.sort(key=lambda entry: order(key, entry[0]))
                return self.all(f"({key},{value})", wanted, found)
            case "(", []:
                return wanted is None and found is None
            case "(", _:
                return self.parts(args, wanted, list(found))
            case "Option", [inner]:
                return self.option(inner, wanted, found)
            case "Box", [inner]:
                return self.same(inner, wanted, found)
            case "Result", [ok, err]:
                if isinstance(found, Ok):
                    return self.same(ok, wanted["Ok"], found.value)
                return self.same(err, wanted["Err"], found.error)
        return self.named(self.defs[head], args, wanted, found)

    def all(self, ty: str, wanted: list[Any], found: list[Any]) -> bool:
        return self.parts([ty] * len(wanted), wanted, found)

    def parts(self, tys: list[str], wanted: list[Any], found: list[Any]) -> bool:
        if not len(tys) == len(wanted) == len(found):
            return False
        return all(map(self.same, tys, wanted, found))

    def option(self, inner: str, wanted: Any, found: Any) -> bool:
        if wanted is None or found is None:
            return wanted is found
        if self.may_be_null(inner):
            wanted = wanted["Some"]
        if isinstance(found, Some):
            found = found.value
        return self.same(inner, wanted, found)

    def may_be_null(self, ty: str) -> bool:
        head, args = parse(ty)
        if head == "Box":
            return self.may_be_null(args[0])
        if head not in self.defs:
            return head == "Option" or (head == "(" and not args)
        definition = self.defs[head]
        if definition["kind"] == "enum":
            return False
        shape = definition.get("shape", "named")
        fields = definition.get("fields", [])
        if shape == "tuple" and len(fields) == 1:
            return self.may_be_null(fill(fields[0]["ty"], args))
        return bool(shape == "unit")

    def named(self, definition: Any, args: list[str], wanted: Any, found: Any) -> bool:
        if definition["kind"] == "struct":
            shape = definition.get("shape", "named")
            fields = definition.get("fields", [])
            return self.fields(shape, fields, args, wanted, found)
        variants = definition["variants"]
        name = wanted if isinstance(wanted, str) else next(iter(wanted))
        wanted = None if isinstance(wanted, str) else wanted[name]
        index = [variant["name"] for variant in variants].index(name)
        if isinstance(found, enum.Enum):
            return bool(found.value == index)
        if type(found).__name__ != definition["name"] + name:
            return False
        shape = variants[index].get("shape", "named")
        fields = variants[index].get("fields", [])
        return self.fields(shape, fields, args, wanted, found)

    def fields(
        self, shape: str, fields: Any, args: list[str], wanted: Any, found: Any
    ) -> bool:
        values = [getattr(found, field.name) for field in dataclasses.fields(found)]
        if shape == "unit":
            return wanted is None and not values
        if shape == "tuple" and len(fields) == 1:
            wanted = [wanted]
        elif shape == "named":
            wanted = [wanted.get(field["name"]) for field in fields]
        return self.parts([fill(field["ty"], args) for field in fields], wanted, values)


def same_float(ty: str, wanted: float, found: Any) -> bool:
    if math.isnan(wanted):
        return isinstance(found, float) and math.isnan(found)
    letter = "<f" if ty == "f32" else "<d"
    return type(found) is float and struct.pack(letter, wanted) == struct.pack(
        letter, found
    )


def order(key: str, value: Any) -> Any:
    return int(value) if key in INTEGERS else value


def fill(ty: str, args: list[str]) -> str:
    for index in reversed(range(len(args))):
        ty = ty.replace(f"${index}", args[index])
    return ty


def parse(ty: str) -> tuple[str, list[str]]:
    """What a type is, and its arguments."""
    if ty.startswith("["):
        item, _, length = ty[1:-1].rpartition(";")
        return "[", [item, length]
    if ty.startswith("("):
        return "(", split(ty[1:-1])
    head, _, rest = ty.partition("<")
    return head, split(rest[:-1])


def split(text: str) -> list[str]:
    parts: list[str] = []
    depth = start = 0
    for at, letter in enumerate(text):
        if letter in "<([":
            depth += 1
        elif letter in ">)]":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return parts + [text[start:]] * (start < len(text))


def main() -> int:
    codec = importlib.import_module(f"cells.{sys.argv[1]}.codec")
    routes: dict[str, Route[Any]] = codec.ROUTES
    snapshot = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    entries = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))["values"]
    types = Types(snapshot)
    results = {route["name"]: route["res"] for route in snapshot["routes"]}
    wrong = broken = refused = 0
    for entry in entries:
        route = routes[entry["route"]]
        data = bytes.fromhex(entry["bytes"])
        value = route.decode_response(data)
        if not types.same(results[route.name], entry["value"], value):
            print(f"{route.name} {entry['name']}: read {value!r}")
            wrong += 1
        written = route.encode_request(value)
        if written != data:
            print(f"{route.name} {entry['name']}: wrote {written.hex()}")
            wrong += 1
        if len(data) <= SAMPLE_BYTES_MAX:
            for hostile in broken_ones(data):
                broken += 1
                try:
                    route.decode_response(hostile)
                except ArchiveError:
                    refused += 1
    print(f"{len(entries)} values, {broken} broken archives, {refused} refused")
    return 1 if wrong or not refused else 0


def broken_ones(data: bytes) -> list[bytes]:
    """Every beginning, and every archive with a bit that is another."""
    cut = [data[:end] for end in range(len(data))]
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        cut.append(bytes(flipped))
    return cut


if __name__ == "__main__":
    sys.exit(main())
