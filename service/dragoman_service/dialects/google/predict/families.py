"""The families of models, which differ in the keys of their instances and predictions."""

from __future__ import annotations

from enum import Enum


class Family(Enum):
    """A family. Its value begins the name of its schemas."""

    TEXT = "text"
    CHAT = "chat"
    CODE = "code"
    CODECHAT = "codechat"

    @property
    def is_chat(self) -> bool:
        """Whether instances hold `messages` and predictions hold `candidates`."""
        return self in (Family.CHAT, Family.CODECHAT)


def family_of(*names: str) -> Family:
    """The family that the first of these names of a model tells, as `chat-bison` does; without one, TEXT."""
    for name in names:
        word, dash, _ = name.rpartition("/")[2].partition("-")
        if dash and word != Family.TEXT.value and word in _VALUES:
            return Family(word)
    return Family.TEXT


_VALUES = frozenset(family.value for family in Family)
