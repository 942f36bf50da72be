"""Stores in rare moments: an answer is overtaken, a notification or a renewal is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from dragoman_service.operations import open_store
from dragoman_service.operations.model.changes import OnChange
from dragoman_service.operations.model.records import Held
from dragoman_service.operations.store.interface import OperationStore, StoreContext

Opener = Callable[[str, StoreContext], AbstractAsyncContextManager[OperationStore]]


class Overtaken:
    """A store. `happens` runs between an answer of its `method` and the delivery to whoever waits for it."""

    def __init__(self, store: OperationStore, method: str, happens: Callable[[], Awaitable[object]]) -> None:
        self._store, self._method, self._happens = store, method, happens

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name != self._method:
            return method

        async def overtaken(*args: Any) -> Any:
            answer = await method(*args)
            await self._happens()
            return answer

        return overtaken


class Unrenewed:
    """A store on which this process renews no lease, without noticing."""

    def __init__(self, store: OperationStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def renew(self, lease: int, held: Sequence[Held]) -> dict[str, bool]:
        return {one.id: False for one in held}


class Older:
    """A store of another package that is older than some methods."""

    def __init__(self, store: OperationStore, missing: Sequence[str]) -> None:
        self._store, self._missing = store, missing

    def __getattr__(self, name: str) -> Any:
        if name in self._missing:
            raise AttributeError(name)
        return getattr(self._store, name)


def altered(alter: Callable[[OperationStore], Any]) -> Opener:
    """Opens stores that are altered so."""

    @asynccontextmanager
    async def opener(url: str, context: StoreContext) -> AsyncIterator[OperationStore]:
        async with open_store(url, context) as store:
            yield alter(store)

    return opener


def notifying(alter: Callable[[OnChange], OnChange]) -> Opener:
    """Opens stores whose notifications are altered so."""

    @asynccontextmanager
    async def opener(url: str, context: StoreContext) -> AsyncIterator[OperationStore]:
        async with open_store(url, replace(context, on_change=alter(context.on_change))) as store:
            yield store

    return opener


def without_stops(on_change: OnChange) -> OnChange:
    """Drops notifications of operations that have to stop."""
    return lambda changed, work, stopped: on_change(changed, work, ())
