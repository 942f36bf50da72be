"""Values that programs stumble over, and the size and seed of a fuzz run.

`make fuzz` makes a run longer: FUZZ_FACTOR multiplies the number of cases, FUZZ_SEED chooses others.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from random import Random

FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))
SEED = os.environ.get("FUZZ_SEED", "0")

INTEGERS = (0, 1, -1, 2, 7, 127, 255, 2**15, 2**31 - 1, -(2**31), 2**32 - 1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1)
NUMBERS = (0.0, -0.0, 1.0, 0.5, -1.0, 1e-320, 1e18, 1e308, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    "",
    " ",
    "a",
    "\0",
    "\x1b[31m",
    "\r\nx: y",
    "é",
    "日本語",
    "🙂",
    "\u2028",
    "\ufeff",
    "\u202e",
    "e\u0301" * 40,
    "x" * 5000,
    "../..",
    "/",
    "%00",
    "*",
    "[",
    "(" * 500,
    "{}",
    "[]",
    "null",
    '"',
    "[" * 2000,
    '{"type":"object","properties":{"a":{"$ref":"#"}}}',
    "9" * 400,
    "-1",
    "1e999",
    "NaN",
    "inf",
    "operations/",
    "operations/x",
    'labels.a = "b" AND',
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    base64.urlsafe_b64encode("ключ".encode()).decode(),
    base64.urlsafe_b64encode(bytes(40)).decode(),
    "====",
    "2026-13-45T99:99:99Z",
    "gpt://",
    "echo",
)


def cases(name: str, count: int) -> Iterator[Random]:
    """A source of chance for each case, the same in each run with the same seed."""
    for number in range(count * FACTOR):
        yield Random(f"{SEED} {name} {number}")  # noqa: S311


def mutated_bytes(chance: Random, raw: bytes) -> bytes:
    """`raw` with a few of its bytes changed, removed, repeated or moved."""
    data = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        to = min(len(data), at + chance.choice((1, 1, 2, 8, 64)))
        match chance.randint(0, 5):
            case 0:
                data[at:to] = chance.randbytes(to - at)
            case 1:
                del data[at:to]
            case 2:
                data[at:at] = data[at:to]
            case 3:
                data[at:at] = chance.choice(
                    (b"\xff", b"\xed\xa0\x80", b"\xc3", b"\0", b"\n", b'"', b"\\ud800", b"\x80" * 9)
                )
            case 4:
                del data[at:]
            case 5 if at < len(data):
                data[at] ^= 1 << chance.randint(0, 7)
    return bytes(data)
