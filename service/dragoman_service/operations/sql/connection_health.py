"""Whether a database works: logged once when it fails and once when it recovers, however many calls notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import DBAPIError

from dragoman_service.operations.model.errors import first_line_of, unavailable


class Health:
    """`also`: the errors, in addition to SQLAlchemy's, that mean that the database cannot be used.

    `store` names the database in the log.
    """

    def __init__(self, *also: type[Exception], store: str) -> None:
        self._means_trouble: tuple[type[Exception], ...] = (DBAPIError, *also)
        self._failing: set[bool] = set()
        self._log = structlog.get_logger().bind(store=store)

    @contextmanager
    def watched(self, *, writing: bool) -> Iterator[None]:
        """Raises OPERATIONS_UNAVAILABLE for errors of the database. After a failed write only a write proves recovery,
        because a database that can be read cannot always be written."""
        try:
            yield
        except self._means_trouble as error:
            if not self._failing:
                self._log.error("operations.store_failed", error=reason_of(error))
            self._failing.add(writing)
            raise unavailable() from error
        if self._failing:
            self._failing.difference_update({True, False} if writing else {False})
            if not self._failing:
                self._log.info("operations.store_recovered")

    @property
    def readable(self) -> bool:
        """Whether the last read succeeded."""
        return False not in self._failing


def reason_of(error: BaseException) -> str:
    """The first line of the driver's message. SQLAlchemy's own message would quote the whole request."""
    return first_line_of(error.orig if isinstance(error, DBAPIError) and error.orig is not None else error)
