"""The prompts and answers of the benchmark: a prompt orders a number of words, and the answer consists of these."""

from __future__ import annotations

import re
from dataclasses import dataclass

# All different, because LiteLLM takes many equal chunks for a model stuck in a loop.
TOKENS = [f" tok{number}" for number in range(200)]
_ORDER = re.compile(r"\[\[(packed|each|paced) (\d+) (\d+)\]\]")


@dataclass(frozen=True, slots=True)
class Order:
    """Orders `tokens` words, streamed `packed` in one write, `each` in its own, or `paced` at `rate` per second."""

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
