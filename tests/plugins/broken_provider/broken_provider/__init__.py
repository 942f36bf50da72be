"""Providers, each broken in a way of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from dragoman import v1

NUMBER = 7


class Raising:
    """Opens well, and raises in the middle of its answer."""

    def models(self) -> list[v1.Model]:
        return [v1.Model(provider_model="raising", availability=v1.AVAILABILITY_READY)]

    async def complete(self, request: v1.CompletionRequest, call: object) -> AsyncIterator[v1.CompletionEvent]:
        yield v1.CompletionEvent(delta=v1.Delta(text="So far so good"))
        raise KeyError("hunter2")


@asynccontextmanager
async def open_raising(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    yield Raising()


@asynccontextmanager
async def open_puzzling(settings: "NoSuchType") -> AsyncIterator[Raising]:  # type: ignore[name-defined]  # noqa: F821
    yield Raising()


@asynccontextmanager
async def open_refusing(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    raise ConnectionError("the upstream is away")
    yield Raising()


@asynccontextmanager
async def open_leaving(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    sys.exit("that is too much")
    yield Raising()


@asynccontextmanager
async def open_hanging(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    await asyncio.Event().wait()
    yield Raising()


class OwnBaseError(BaseException):
    """What no `except Exception` catches."""


@dataclass
class Trap:
    """Settings whose validation quits."""

    def __post_init__(self) -> None:
        sys.exit("invalid")


@asynccontextmanager
async def open_trapped(settings: Trap) -> AsyncIterator[Raising]:
    yield Raising()


@asynccontextmanager
async def open_interrupting(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    raise KeyboardInterrupt
    yield Raising()


@asynccontextmanager
async def open_own(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    raise OwnBaseError("mine alone")
    yield Raising()


@asynccontextmanager
async def open_late(settings: dict[str, Any]) -> AsyncIterator[Raising]:
    """Swallows its cancellation, and opens when nobody waits for it any more."""
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    yield Raising()


class Unruly(Raising):
    """Raises what its settings say: in `models` after it is open, in `complete`, or in a task of its own."""

    def __init__(self, place: str, fault: str) -> None:
        self._place, self._fault = place, fault
        self._asked = False

    def models(self) -> list[v1.Model]:
        if self._place == "models" and self._asked:
            self._raise()
        self._asked = True
        return [v1.Model(provider_model="unruly", availability=v1.AVAILABILITY_READY)]

    async def complete(self, request: v1.CompletionRequest, call: object) -> AsyncIterator[v1.CompletionEvent]:
        if self._place == "task":
            tasks.add(asyncio.create_task(self._later()))
            asyncio.get_running_loop().call_soon(self._raise)
            await asyncio.sleep(0.05)
        if self._place == "complete":
            self._raise()
        yield v1.CompletionEvent(delta=v1.Delta(text="Still here"))
        yield v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_STOP))

    async def _later(self) -> None:
        self._raise()

    def _raise(self) -> None:
        raise {"exit": SystemExit("out"), "interrupt": KeyboardInterrupt(), "own": OwnBaseError("own")}[self._fault]


tasks: set[asyncio.Task[None]] = set()


@asynccontextmanager
async def open_unruly(settings: dict[str, str]) -> AsyncIterator[Unruly]:
    yield Unruly(settings["place"], settings["fault"])


@asynccontextmanager
async def open_slow(url: str, context: object) -> AsyncIterator[None]:
    await asyncio.Event().wait()
    yield


def open_gone(url: str, context: object) -> None:
    sys.exit("no place for operations")


def mount_raising(context: object) -> None:
    sys.exit("no room for me")


async def mount_late(context: object) -> None:
    """A mount must not be a coroutine function."""
