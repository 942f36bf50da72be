"""The logger that aiohttp gets: it passes on what is safe to log about a connection."""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.get_logger(__name__)


class ProtocolLog:
    """Reports malformed HTTP in one line without its content. aiohttp's messages quote it, and callers send keys and
    prompts."""

    def debug(self, *_: object, **__: object) -> None:
        """Drops the message: aiohttp's debug messages are for its own developers."""

    def warning(self, message: str, *values: object, **_: object) -> None:
        log.warning(message % values)

    def exception(self, message: str, *values: object, exc_info: BaseException | None = None, **_: object) -> None:
        malformed = next((e for e in _chain(exc_info) if isinstance(e, HttpProcessingError)), None)
        if malformed is None:
            log.error(message % values, exc_info=exc_info)
        else:
            log.info("http.malformed", error=type(malformed).__name__)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
