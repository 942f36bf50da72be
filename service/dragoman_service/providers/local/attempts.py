"""An answer of an engine that may die meanwhile: who is asked again, and who is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import CompletionError, FieldViolation
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.providers.local.engine.client import Engine, life_of, successor
from dragoman_service.providers.upstream.connection import HttpError

_STEP = 1.0  # seconds; a request that came so long after the engine fell silent cannot be what silenced it
_FORMAT = "generation_config.response_format"


async def attempts(
    prepare: Callable[[], Awaitable[v1.CompletionRequest]],
    complete: Callable[[v1.CompletionRequest], AsyncIterator[v1.CompletionEvent]],
    engine: Engine,
) -> AsyncGenerator[v1.CompletionEvent]:
    """The events of the answer to what `prepare` returns, asked once more if the engine dies before any text came.

    A request that may have killed the engine is not repeated, because it would kill the next one, too.
    """
    request = await prepare()
    clock = asyncio.get_running_loop().time
    repeated = False
    while True:
        sent, life, begun = clock(), life_of(engine), False
        try:
            async with aclosing(complete(request)) as events:  # type: ignore[type-var]
                async for event in events:
                    begun = begun or not event.HasField("usage")
                    yield event
        except CompletionError as error:
            if begun and _died(error) and not _constrained(request):
                error.repeatable = not repeated
            if begun or not _died(error):
                raise
            silent = engine.silent_since
            if _constrained(request) and (silent is None or sent < silent + _STEP):
                raise _suspected(request) from error
            if repeated:
                raise _died_twice() from error
        else:
            return
        repeated = True
        await successor(engine, life)


def _died(error: CompletionError) -> bool:
    """The engine ended while it had the request."""
    cause = error.__cause__
    return isinstance(cause, IncompleteAnswerError) or (
        isinstance(cause, HttpError) and cause.connected and not cause.malformed
    )


def _constrained(request: v1.CompletionRequest) -> bool:
    """The engine has to follow a grammar of the caller's, which is the one thing that is known to kill it."""
    kind = request.generation_config.response_format.WhichOneof("format")
    return kind in ("json_schema", "grammar") or bool(request.tools)


def _suspected(request: v1.CompletionRequest) -> CompletionError:
    kind = request.generation_config.response_format.WhichOneof("format")
    field = f"{_FORMAT}.{kind}" if kind else "tools"
    message = (
        f"The model's engine ended or stood still while it worked on this request, probably because of {field}. "
        "Make that simpler. Do not send the request again as it is."
    )
    description = "is probably what the engine cannot cope with: make it simpler"
    return CompletionError(
        code_pb2.INVALID_ARGUMENT,
        v1.ERROR_REASON_PROVIDER_REJECTED,
        message,
        fields=(FieldViolation(field, description),),
    )


def _died_twice() -> CompletionError:
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_STREAM_BROKEN,
        "The model's engine ended twice while it worked on this request, which may be the cause. Do not repeat it.",
    )
