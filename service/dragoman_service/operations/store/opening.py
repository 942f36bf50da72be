"""Opens the store that a URL names, through the entry points `dragoman.stores`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dragoman_service.operations.model.errors import OperationStoreError
from dragoman_service.operations.store.interface import OpenStore, OperationStore, StoreContext
from dragoman_service.plugins.stores import UnusableStoreError, load_store


@asynccontextmanager
async def open_store(
    url: str, context: StoreContext, allow: tuple[str, ...] | None = None
) -> AsyncIterator[OperationStore]:
    """The store at `url`, ready for use. Raises OperationStoreError.

    The URL's scheme is the name of an entry point, imported only now. `allow` is `plugins.allow` of the settings: the
    stores of other packages that may be used; None: all of them.
    """
    try:
        opener: OpenStore = load_store(url, allow)
    except UnusableStoreError as error:
        raise OperationStoreError(str(error)) from error
    async with opener(url, context) as store:
        yield store
