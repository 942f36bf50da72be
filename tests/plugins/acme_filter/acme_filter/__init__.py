"""Filters of another package: one that works, and others that do not."""

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from dragoman import v1
from google.rpc import code_pb2
from prometheus_client import Counter

NUMBER = 1


@dataclass
class MarkSettings:
    mark: str
    count: bool = False


class MarkError(Exception):
    code = code_pb2.INVALID_ARGUMENT
    reason = v1.ERROR_REASON_PROVIDER_REJECTED
    message = "Nothing is marked twice."


class PretendingError(Exception):
    code = code_pb2.UNAUTHENTICATED
    reason = v1.ERROR_REASON_CREDENTIALS_INVALID
    message = "Your key is wrong."


def make_mark(settings: MarkSettings, context: Any) -> Callable[[Any], Any]:
    """Puts a mark before each answer; fails in two ways if the prompt asks for it."""
    marked = Counter("acme_marks", "Answers marked.", registry=context.registry) if settings.count else None

    def wrap(complete: Any) -> Any:
        async def mark(request: v1.CompletionRequest, call: Any) -> AsyncIterator[v1.CompletionEvent]:
            text = request.messages[-1].parts[0].text
            if text == "refuse":
                raise MarkError
            if text == "quit":
                sys.exit("enough")
            if text == "interrupt":
                raise KeyboardInterrupt
            if text == "pretend":
                raise PretendingError
            if text == "confuse":
                yield "no event"  # type: ignore[misc]
            async with aclosing(complete(request, call)) as events:
                async for event in events:
                    yield event
                    if text == "stumble":
                        raise ValueError("the password is hunter2")
                    if event.HasField("started"):
                        if marked:
                            marked.inc()
                        yield v1.CompletionEvent(delta=v1.Delta(text=settings.mark))

        return mark

    return wrap


def make_unmade(settings: Mapping[str, Any]) -> None:
    raise RuntimeError("the list of words is away")


def make_nothing(settings: Mapping[str, Any]) -> None:
    """Forgets to return the filter."""
