"""Opens the store that a URL names, through the entry points `dragoman.stores`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from dragoman_service.boundary import describe, is_cancellation, loggable
from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.store.interface import OpenStore, OperationStore, StoreContext
from dragoman_service.plugins.stores import UnusableStoreError, load_store

OPEN_TIMEOUT = 60.0  # seconds, as `plugins.open_timeout` by default
log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_store(
    url: str, context: StoreContext, allow: tuple[str, ...] | None = None, open_timeout: float = OPEN_TIMEOUT
) -> AsyncIterator[OperationStore]:
    """The store at `url`, ready for use. Raises OperationStoreError.

    The URL's scheme is the name of an entry point, imported only now. `allow` is `plugins.allow` of the settings: the
    stores of other packages that may be used; None: all of them. `open_timeout` is in seconds: how long importing the
    store of another package may take, and then opening it.
    """
    try:
        plugin, opener = load_store(url, allow, open_timeout)
    except UnusableStoreError as error:
        raise OperationStoreError(str(error)) from error
    async with AsyncExitStack() as stack:
        if plugin.is_own:
            yield await stack.enter_async_context(opener(url, context))
        else:
            yield await _open_foreign(plugin.name, opener, url, context, open_timeout, stack)


async def _open_foreign(
    name: str, opener: OpenStore, url: str, context: StoreContext, seconds: float, stack: AsyncExitStack
) -> OperationStore:
    """The store of another package, whatever it raises."""
    try:
        async with asyncio.timeout(seconds):
            return await stack.enter_async_context(opener(url, context))
    except OperationStoreError:
        raise
    except TimeoutError:
        raise OperationStoreError(f"the store {name!r} did not open within {seconds:g} s") from None
    except BaseException as fault:
        if is_cancellation(fault):
            raise
        log.error("store.failed", store=name, exc_info=loggable(fault))
        raise OperationStoreError(f"the store {name!r} cannot be opened: {describe(fault)}") from None
