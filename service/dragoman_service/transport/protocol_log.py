"""What aiohttp has to say of a connection, as far as it may stand in the log."""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.get_logger(__name__)


class ProtocolLog:
    """A logger for aiohttp. What is no HTTP is told in one line: aiohttp's own words quote it, and keys and prompts are
    among what callers send."""

    def debug(self, *_: object, **__: object) -> None:
        """Nobody looks for that here."""

    def warning(self, message: str, *values: object, **_: object) -> None:
        log.warning(message % values)

    def exception(self, message: str, *values: object, exc_info: BaseException | None = None, **_: object) -> None:
        nonsense = next((e for e in _chain(exc_info) if isinstance(e, HttpProcessingError)), None)
        if nonsense is None:
            log.error(message % values, exc_info=exc_info)
        else:
            log.info("http.malformed", error=type(nonsense).__name__)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
