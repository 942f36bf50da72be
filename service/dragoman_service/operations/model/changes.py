"""What a transaction has to tell when it is committed: which operations changed, and whether there is work."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, Self

from sqlalchemy import Connection

_KEY = "dragoman.news"
_MARKS = {"=": "changed", "+": "logged", "!": "stopped"}
_MISSED = "*"
MOST_IDS = 10_000  # what is worth to be told one by one


class Work(IntEnum):
    """Whether something became QUEUED, and who is to take it up."""

    NONE = 0
    KEPT = 1
    """The process that tells it takes it up itself if it can: others look a little later."""
    OPEN = 2
    """Whoever has room."""


_WORDS = {"k": Work.KEPT, "w": Work.OPEN}


class OnChange(Protocol):
    """Called in the event loop after a commit, here or in another process. It must return at once and never raise."""

    def __call__(self, changed: Collection[str] | None, work: Work, stopped: Collection[str]) -> None:
        """`changed`: operations to read again; None: some were missed, look at everything. `work`: something is QUEUED.

        `stopped`: those of `changed` that were deleted or are to be cancelled: whoever runs them has to stop. What this
        process added to a log itself is not among them: it has fed that to its readers.
        """
        ...


@dataclass(slots=True)
class Changes:
    """What one transaction, or several, have to tell."""

    changed: set[str] = field(default_factory=set)
    logged: set[str] = field(default_factory=set)
    """Changed as well, but only in that events were added to the log."""
    stopped: set[str] = field(default_factory=set)
    work: Work = Work.NONE
    missed: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.logged or self.stopped or self.work or self.missed)

    def add(self, other: Changes) -> None:
        """Takes in what `other` tells. Of too many it is only kept that there were some."""
        for name in _MARKS.values():
            getattr(self, name).update(getattr(other, name))
        self.work = max(self.work, other.work)
        self.missed |= other.missed or len(self.changed) + len(self.logged) + len(self.stopped) > MOST_IDS
        if self.missed:
            for name in _MARKS.values():
                getattr(self, name).clear()

    def tell(self, on_change: OnChange, *, own: bool) -> None:
        """Calls `on_change`, if there is anything that it should know. `own`: this process has done it."""
        work = Work.OPEN if own and self.work else self.work  # what is kept is kept for us
        changed = self.changed | self.stopped if own else self.changed | self.stopped | self.logged
        if self.missed:
            on_change(None, Work.OPEN, self.stopped)
        elif changed or work:
            on_change(changed, work, self.stopped)

    def messages(self, most_bytes: int) -> Iterator[str]:
        """The news as texts of at most `most_bytes` bytes."""
        words = [f"{mark}{one}" for mark, name in _MARKS.items() for one in sorted(getattr(self, name))]
        flags = [word for word, work in _WORDS.items() if work is self.work] + [_MISSED] * self.missed
        return _joined([*flags, *words], most_bytes)

    @classmethod
    def of(cls, message: str) -> Self:
        """The news in one text. Words that only newer versions know are passed over."""
        news = cls()
        for word in message.split():
            if word[0] in _MARKS:
                getattr(news, _MARKS[word[0]]).add(word[1:])
            news.work = max(news.work, _WORDS.get(word, Work.NONE))
            news.missed |= word == _MISSED
        return news


def changed(connection: Connection, *operation_ids: str) -> None:
    """Others should read these operations again."""
    news_of(connection).changed.update(operation_ids)


def logged(connection: Connection, *operation_ids: str) -> None:
    """Events were added to the logs of these operations."""
    news_of(connection).logged.update(operation_ids)


def stopped(connection: Connection, *operation_ids: str) -> None:
    """Whoever runs these operations has to stop."""
    news_of(connection).stopped.update(operation_ids)


def work_added(connection: Connection, work: Work = Work.OPEN) -> None:
    """Something became QUEUED."""
    news = news_of(connection)
    news.work = max(news.work, work)


def news_of(connection: Connection) -> Changes:
    """What the transaction has to tell so far."""
    news: Changes = connection.info.setdefault(_KEY, Changes())
    return news


def begin(connection: Connection) -> None:
    """Forgets what an earlier transaction of the connection, which was rolled back, had to tell."""
    connection.info.pop(_KEY, None)


def _joined(words: Iterable[str], most_bytes: int) -> Iterator[str]:
    message = ""
    for word in words:
        if message and len(message.encode()) + 1 + len(word.encode()) > most_bytes:
            yield message
            message = ""
        message = f"{message} {word}" if message else word
    if message:
        yield message
