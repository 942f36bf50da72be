"""The prompts and answers of the benchmark: a prompt orders a number of words, and the answer consists of these."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# All different, because LiteLLM takes many equal chunks for a model stuck in a loop.
TOKENS = [f" tok{number}" for number in range(200)]
_STAMP = re.compile(rb" tok(\d{15})(?!\d)")
Arrivals = list[tuple[int, bytes]]
"""What came, each with the microseconds when it came."""
_ORDER = re.compile(r"\[\[(packed|each|paced|open) (\d+) (\d+)\]\]")


@dataclass(frozen=True, slots=True)
class Order:
    """Orders `tokens` words, streamed `packed` in one write, `each` in its own, or `paced` at `rate` per second.

    `paced` words hold the time at which they were written, see `delays_in`. `open`: the stream does not end.
    """

    way: str
    tokens: int
    rate: int = 0

    @property
    def prompt(self) -> str:
        """The prompt that contains the order."""
        return f"[[{self.way} {self.tokens} {self.rate}]] Please say so many words and then stop."

    @classmethod
    def read(cls, prompt: str) -> Order:
        """Reads the order from a prompt. Raises ValueError if there is none."""
        found = _ORDER.search(prompt)
        if found is None:
            raise ValueError(f"the prompt has no order: {prompt!r}")
        return cls(found[1], int(found[2]), int(found[3]))


def words_in(answer: bytes) -> int:
    """Returns the number of words in an answer, be it JSON or a serialized message."""
    return answer.count(b" tok")


def microseconds() -> int:
    """Of a clock that all processes share."""
    return time.monotonic_ns() // 1000


def stamped() -> str:
    """A word that holds the time."""
    return f" tok{microseconds():015}"


def delays_in(arrivals: Iterable[tuple[int, bytes]]) -> Iterator[float]:
    """Yields the seconds that each stamped word was under way."""
    for when, data in arrivals:
        for stamp in _STAMP.findall(data):
            yield (when - int(stamp)) / 1e6
