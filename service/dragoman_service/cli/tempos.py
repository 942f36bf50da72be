"""The three ways to answer a question on the command line: whole, streamed, by an operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

import typer
from dragoman import AsyncClient, AsyncOperationHandle, DragomanError, v1

from dragoman_service.cli.exits import ExitCode
from dragoman_service.cli.output import note, write, write_json
from dragoman_service.cli.progress import follow
from dragoman_service.cli.wording import answer_text, usage_line


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked on the command line, and how the answer is to be shown."""

    request: v1.CompletionRequest
    timeout: float | None
    as_json: bool
    usage: bool


Tempo = Callable[[AsyncClient, Question], Awaitable[None]]


def tempo(*, operation: bool, stream: bool, as_json: bool) -> Tempo:
    """The function that answers in the way asked for."""
    if operation:
        return by_operation
    if not stream:
        return whole
    return as_events if as_json else as_text


async def whole(client: AsyncClient, question: Question) -> None:
    """Waits for the answer, then shows it."""
    with _told_if_interrupted():
        completion = await client.complete(question.request, timeout=question.timeout)
    _show(completion, question)


async def as_text(client: AsyncClient, question: Question) -> None:
    """Shows each piece of the answer as it comes; whatever is told after it begins on a line of its own."""
    last = "\n"
    with _told_if_interrupted():
        try:
            async with aclosing(client.stream(question.request, timeout=question.timeout)) as events:
                async for event in events:
                    if piece := event.delta.text or event.delta.refusal:
                        write(piece)
                        last = piece
        finally:
            write("" if last.endswith("\n") else "\n")
    _show_usage(event.finished.completion, question)


async def as_events(client: AsyncClient, question: Question) -> None:
    """Shows each event as one line of JSON, an error's `finished` too."""
    with _told_if_interrupted():
        async with aclosing(client.stream(question.request, timeout=question.timeout)) as events:
            async for event in events:
                write_json(event, indent=None)
    _show_usage(event.finished.completion, question)


@contextmanager
def _told_if_interrupted() -> Iterator[None]:
    try:
        yield
    except asyncio.CancelledError:
        note("interrupted: the completion was cancelled")
        raise


async def by_operation(client: AsyncClient, question: Question) -> None:
    """Starts an operation, shows how far it is, then its answer. Being interrupted does not end the operation."""
    handle = await client.start(question.request)
    try:
        await follow(handle, question.timeout)
    except asyncio.CancelledError:
        _tell_how_to_go_on(handle, "goes on")
        raise
    except DragomanError:
        _tell_how_to_go_on(handle, "was started and may go on")
        raise
    if not handle.operation.done:
        _tell_how_to_go_on(handle, "goes on")
        raise typer.Exit(ExitCode.FAILED)
    _show(await handle.result(), question)


def _tell_how_to_go_on(handle: AsyncOperationHandle, what: str) -> None:
    note(f"{handle.name} {what}.")
    for verb in ("wait", "cancel"):
        note(f"  dragoman operations {verb} {handle.name}")


def _show(completion: v1.Completion, question: Question) -> None:
    if question.as_json:
        write_json(completion)
    else:
        text = answer_text(completion)
        write(text if text.endswith("\n") else f"{text}\n")
    _show_usage(completion, question)


def _show_usage(completion: v1.Completion, question: Question) -> None:
    if question.usage:
        note(usage_line(completion))
