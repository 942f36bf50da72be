"""The three ways to answer a question on the command line: whole, streamed, by an operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from dragoman import AsyncClient, v1

from dragoman_service.cli.attach import attach
from dragoman_service.cli.options.cursor import Cursor, tell_that_it_goes_on, told_how_to_go_on
from dragoman_service.cli.terminal.live_text import LiveEvents, LiveText
from dragoman_service.cli.terminal.output import note, write, write_json
from dragoman_service.cli.terminal.progress import follow
from dragoman_service.cli.terminal.wording import answer_text, usage_line


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked on the command line, and how the answer is to be shown."""

    request: v1.CompletionRequest
    timeout: float | None
    as_json: bool
    usage: bool

    def live(self) -> LiveText | LiveEvents:
        """What shows the answer as it comes."""
        return LiveEvents() if self.as_json else LiveText()


Tempo = Callable[[AsyncClient, Question], Awaitable[None]]


def tempo(*, operation: bool, stream: bool) -> Tempo:
    """The function that answers in the way asked for."""
    if operation:
        return by_events if stream else by_operation
    return streamed if stream else whole


async def whole(client: AsyncClient, question: Question) -> None:
    """Waits for the answer, then shows it."""
    with told_how_to_go_on(Cursor(), question.request):
        completion = await client.complete(question.request, timeout=question.timeout)
    _show(completion, question)


async def streamed(client: AsyncClient, question: Question) -> None:
    """Shows each piece of the answer as it comes; as JSON each event, an error's `finished` too."""
    cursor, live = Cursor(), question.live()
    with told_how_to_go_on(cursor, question.request):
        try:
            async with aclosing(client.stream(question.request, timeout=question.timeout)) as events:
                async for event in events:
                    live.show(event)
                    cursor.see(event)
        finally:
            live.end()
    _show_usage(event.finished.completion, question)


async def by_events(client: AsyncClient, question: Question) -> None:
    """Starts an operation and shows its answer as it comes, and how far it is."""
    handle = await client.start(question.request)
    _show_usage(await attach(handle, 0, question.timeout, question.live()), question)


async def by_operation(client: AsyncClient, question: Question) -> None:
    """Starts an operation, shows how far it is, then its answer. Being interrupted does not end the operation."""
    handle = await client.start(question.request)
    with told_how_to_go_on(cursor := Cursor(handle.name)):
        await follow(handle, question.timeout)
    if not handle.operation.done:
        tell_that_it_goes_on(cursor)
    _show(await handle.result(), question)


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
