"""What a committed transaction changed: which operations to read again, and whether there is work."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol, Self

MOST_IDS = 10_000  # beyond these, receivers are told to read everything again

_MARKS = {"=": "changed", "+": "logged", "!": "stopped"}
_MISSED = "*"


class Work(IntEnum):
    """Whether an operation became QUEUED, and who should claim it."""

    NONE = 0
    KEPT = 1
    """The process that stored it, if it can: others wait a little before they try."""
    OPEN = 2
    """Any process with a free slot."""


_WORDS = {"k": Work.KEPT, "w": Work.OPEN}


class Mark(NamedTuple):
    """What differs after any change of an operation that somebody may wait for."""

    state: str
    attempt: int
    last_sequence: int
    cancel_requested: bool


class OnChange(Protocol):
    """Called in the event loop after each commit, here or elsewhere. It must return at once and never raise."""

    def __call__(self, changed: Collection[str] | None, work: Work, stopped: Collection[str]) -> None:
        """Reports a commit.

        `changed`: ids of operations to read again; None: notifications were lost, so read everything again.
        `work`: whether an operation is QUEUED. `stopped`: those of `changed` that were deleted or are to be cancelled,
        so that their worker must stop. Events that this process appended to a log are not reported to it, because it
        has already handed them to its readers.
        """
        ...


@dataclass(slots=True)
class Changes:
    """The changes of one transaction, or of several."""

    changed: set[str] = field(default_factory=set)
    logged: set[str] = field(default_factory=set)
    """Changed too, but only in that events were appended to the log."""
    stopped: set[str] = field(default_factory=set)
    work: Work = Work.NONE
    missed: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.logged or self.stopped or self.work or self.missed)

    def add(self, other: Changes) -> None:
        """Merges `other` into this. Beyond MOST_IDS ids only the fact that there were changes is kept."""
        for name in _MARKS.values():
            getattr(self, name).update(getattr(other, name))
        self.work = max(self.work, other.work)
        self.missed |= other.missed or len(self.changed) + len(self.logged) + len(self.stopped) > MOST_IDS
        if self.missed:
            for name in _MARKS.values():
                getattr(self, name).clear()

    def add_work(self, work: Work = Work.OPEN) -> None:
        """An operation became QUEUED."""
        self.work = max(self.work, work)

    def notify(self, on_change: OnChange, *, own: bool) -> None:
        """Calls `on_change` if it has anything to learn. `own`: this process made the changes."""
        work = Work.OPEN if own and self.work else self.work  # work that is kept is kept for this process
        changed = self.changed | self.stopped if own else self.changed | self.stopped | self.logged
        if self.missed:
            on_change(None, Work.OPEN, self.stopped)
        elif changed or work:
            on_change(changed, work, self.stopped)

    def messages(self, most_bytes: int) -> Iterator[str]:
        """The changes as texts of at most `most_bytes` bytes each."""
        words = [f"{mark}{one}" for mark, name in _MARKS.items() for one in sorted(getattr(self, name))]
        flags = [word for word, work in _WORDS.items() if work is self.work] + [_MISSED] * self.missed
        return _joined([*flags, *words], most_bytes)

    @classmethod
    def of(cls, message: str) -> Self:
        """The changes in one text. Words that only newer versions know are ignored."""
        changes = cls()
        for word in message.split():
            if word[0] in _MARKS:
                getattr(changes, _MARKS[word[0]]).add(word[1:])
            changes.work = max(changes.work, _WORDS.get(word, Work.NONE))
            changes.missed |= word == _MISSED
        return changes


def _joined(words: Iterable[str], most_bytes: int) -> Iterator[str]:
    message = ""
    for word in words:
        if message and len(message.encode()) + 1 + len(word.encode()) > most_bytes:
            yield message
            message = ""
        message = f"{message} {word}" if message else word
    if message:
        yield message
