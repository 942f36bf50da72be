"""Whether a database can be used: told once when it stops and once when it is back, however many calls meet it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import DBAPIError

from dragoman_service.operations.model.errors import unavailable


class Health:
    """`also` are the errors besides SQLAlchemy's that mean that the database cannot be used."""

    def __init__(self, *also: type[Exception]) -> None:
        self._means_trouble: tuple[type[Exception], ...] = (DBAPIError, *also)
        self._failing: set[bool] = set()
        self._log = structlog.get_logger()

    @contextmanager
    def watched(self, *, writing: bool) -> Iterator[None]:
        """Turns the database's errors into OPERATIONS_UNAVAILABLE. What can be read cannot always be written."""
        try:
            yield
        except self._means_trouble as error:
            if not self._failing:
                self._log.error("operations.store_failed", error=reason_of(error))
            self._failing.add(writing)
            raise unavailable() from error
        if self._failing and (writing or True not in self._failing):
            self._failing.clear()
            self._log.info("operations.store_recovered")


def reason_of(error: BaseException) -> str:
    """The first line of what the driver said: the others may show what is stored, SQLAlchemy's the whole request."""
    said = str(error.orig if isinstance(error, DBAPIError) else error)
    return said.partition("\n")[0] or type(error).__name__
