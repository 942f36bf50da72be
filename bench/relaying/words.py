"""What every target is asked for and says: an order in the prompt, and as many different words as it orders."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Different ones: a gateway that is measured here takes equal chunks for a model that has lost its way.
TOKENS = [f" tok{number}" for number in range(200)]
_ORDER = re.compile(r"\[\[(packed|each|paced) (\d+) (\d+)\]\]")


@dataclass(frozen=True, slots=True)
class Order:
    """`tokens` words. Streamed `packed` in one write, `each` in a write of its own, or `paced`: `rate` a second."""

    way: str
    tokens: int
    rate: int = 0

    @property
    def prompt(self) -> str:
        """The prompt that carries it."""
        return f"[[{self.way} {self.tokens} {self.rate}]] Please say so many words and then stop."

    @property
    def seconds(self) -> float:
        """How long the answer takes where nobody is late."""
        return self.tokens / self.rate if self.rate else 0.0

    @classmethod
    def read(cls, prompt: str) -> Order:
        """The order in a prompt."""
        found = _ORDER.search(prompt)
        if found is None:
            raise ValueError(f"no order in {prompt!r}")
        return cls(found[1], int(found[2]), int(found[3]))


def words_in(answer: bytes) -> int:
    """How many of the words an answer has, in JSON or in a message."""
    return answer.count(b" tok")
