"""Questions to the tokenizer of a provider: each in a task of its own, which the deadline of its call ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.boundary import MAX_TOKENS, is_cancellation
from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call, CompletionError, Tokenizer
from dragoman_service.engine.plugin_errors import provider_error
from dragoman_service.engine.relay import deadline_exceeded
from dragoman_service.errors import malformed_answer

R = TypeVar("R", v1.CountTokensResponse, v1.TokenizeResponse)


def tokenizer_of(target: Target, capability: v1.Capability.ValueType) -> Tokenizer:
    """The target's provider. Raises CAPABILITY_MISSING."""
    if capability in target.model.capabilities and isinstance(target.provider, Tokenizer):
        return target.provider
    raise CompletionError(
        code_pb2.UNIMPLEMENTED,
        v1.ERROR_REASON_CAPABILITY_MISSING,
        f"{target.model.name} has no tokenizer. ModelService.ListModels shows the capabilities of each model.",
        metadata={"model": target.model.name, "provider": target.model.provider},
    )


async def ask(target: Target, call: Call, kind: type[R], question: Callable[[], Awaitable[R]]) -> R:
    """The provider's answer, which must be of `kind`. Raises DEADLINE and the errors of the provider.

    The call ends at its deadline even if the provider goes on, because it only stops waiting for the provider's task.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(_answer(target, kind, question), name=f"tokenizer {call.id}")
    try:
        timeout = None if call.deadline is None else max(call.deadline - loop.time(), 0.0)
        done, _ = await asyncio.wait((task,), timeout=timeout)
    finally:
        if not task.done():
            task.add_done_callback(_retrieve)
            task.cancel()
    if not done:
        raise deadline_exceeded()
    return task.result()


async def _answer(target: Target, kind: type[R], question: Callable[[], Awaitable[R]]) -> R:
    try:
        answer = await question()
        if not isinstance(answer, kind):
            raise malformed_answer(f"sent an object of type {type(answer).__name__[:64]} instead of tokens")
        if isinstance(answer, v1.CountTokensResponse) and not 0 <= answer.input_tokens <= MAX_TOKENS:
            raise malformed_answer(f"counted {answer.input_tokens} tokens")
    except BaseException as fault:
        if is_cancellation(fault):
            raise
        raise provider_error(target, fault) from fault
    return answer


def _retrieve(task: asyncio.Task[R]) -> None:
    """Takes the exception of a task that nobody waits for, so that it is not reported as lost."""
    if not task.cancelled():
        task.exception()
