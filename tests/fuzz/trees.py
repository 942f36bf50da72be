"""Random changes to JSON: to its values, its keys and its text."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

from values import INTEGERS, NUMBERS, TEXTS, mutated_bytes

_SURROGATE = "QzSurrogateQz"  # becomes half a character in the text
_NUMBERS = ("1e400", "-1e400", "9" * 400, "NaN", "Infinity", "1E+2", "-0", "0.1e-400", "01", "0x1")
_NUMBER = "QzNumberQz"


def mutated(chance: Random, tree: Any) -> bytes:
    """The JSON text of `tree` with some of it changed; not always JSON any more."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        places = list(_places(tree))
        if places:
            _change(chance, *chance.choice(places))
    text = json.dumps(tree, ensure_ascii=chance.random() < 0.7)
    text = text.replace(_SURROGATE, chance.choice(("\\ud83d", "\\udc00x", "a\\ud800")))
    text = text.replace(f'"{_NUMBER}"', chance.choice(_NUMBERS))
    raw = text.encode(errors="surrogatepass")
    match chance.randint(0, 11):
        case 0:
            return mutated_bytes(chance, raw)
        case 1:
            return chance.choice((b"\xef\xbb\xbf", b" \n", b"[", b"\xff\xfe", b"")) + raw
        case 2:
            return raw[:-1] + b',"model":"echo","model":1}'
        case _:
            return raw


def value(chance: Random, depth: int = 0) -> Any:
    """Any value of JSON."""
    match chance.randint(0, 8 if depth < 3 else 6):
        case 0:
            return chance.choice((None, True, False))
        case 1:
            return chance.choice(INTEGERS)
        case 2:
            return chance.choice([number for number in NUMBERS if abs(number) < float("inf")])
        case 3:
            return chance.choice((_SURROGATE, _NUMBER))
        case 4 | 5 | 6:
            return chance.choice(TEXTS)
        case 7:
            return [value(chance, depth + 1) for _ in range(chance.randint(0, 3))]
        case _:
            return {str(chance.choice(TEXTS)): value(chance, depth + 1) for _ in range(chance.randint(0, 3))}


def _change(chance: Random, holder: Any, key: Any) -> None:
    match chance.randint(0, 6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[chance.choice((*TEXTS, _SURROGATE))] = holder.pop(key)
        case 2 if isinstance(holder, dict):
            holder[chance.choice((*TEXTS, _SURROGATE, "extra"))] = value(chance)
        case 3 if isinstance(holder, list):
            holder.extend([holder[key]] * chance.choice((1, 2, 300)))
        case 4:
            holder[key] = [holder[key]]
        case _:
            holder[key] = value(chance)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a tree: an object or array, and the key of one of its values."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])
