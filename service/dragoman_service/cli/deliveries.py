"""The deliveries of `dragoman complete`: complete, stream, or start an operation and attach to it or wait for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from dragoman import AsyncClient, v1

from dragoman_service.cli.attach import attach
from dragoman_service.cli.options.cursor import Cursor, exit_on_timeout, explaining_interruption
from dragoman_service.cli.terminal.live_text import LiveEvents, LiveText
from dragoman_service.cli.terminal.output import note, write, write_json
from dragoman_service.cli.terminal.progress import follow
from dragoman_service.cli.terminal.wording import answer_text, usage_line, withheld_line


@dataclass(frozen=True, slots=True)
class Invocation:
    """The request of a command line, and how to show its answer."""

    request: v1.CompletionRequest
    timeout: float | None
    as_json: bool
    usage: bool

    def live(self) -> LiveText | LiveEvents:
        """Shows the answer as it arrives."""
        return LiveEvents() if self.as_json else LiveText()


Delivery = Callable[[AsyncClient, Invocation], Awaitable[None]]


def choose_delivery(*, operation: bool, stream: bool) -> Delivery:
    """The function that delivers the answer as the options ask."""
    if operation:
        return start_and_attach if stream else start_and_wait
    return stream_completion if stream else complete


async def complete(client: AsyncClient, invocation: Invocation) -> None:
    """Waits for the answer, then shows it."""
    with explaining_interruption(Cursor(), invocation.request):
        completion = await client.complete(invocation.request, timeout=invocation.timeout)
    _show(completion, invocation)


async def stream_completion(client: AsyncClient, invocation: Invocation) -> None:
    """Shows each piece of the answer as it arrives; as JSON each event, including the `finished` of an error."""
    cursor, live = Cursor(), invocation.live()
    with explaining_interruption(cursor, invocation.request):
        try:
            async with aclosing(client.stream(invocation.request, timeout=invocation.timeout)) as events:
                async for event in events:
                    live.show(event)
                    cursor.record(event)
        finally:
            live.end()
    _show_usage(event.finished.completion, invocation)


async def start_and_attach(client: AsyncClient, invocation: Invocation) -> None:
    """Starts an operation and shows its progress, and its answer as it arrives."""
    handle = await client.start(invocation.request)
    _show_usage(await attach(handle, 0, invocation.timeout, invocation.live()), invocation)


async def start_and_wait(client: AsyncClient, invocation: Invocation) -> None:
    """Starts an operation and shows its progress, then its answer. The operation survives an interruption."""
    handle = await client.start(invocation.request)
    with explaining_interruption(cursor := Cursor(handle.name)):
        await follow(handle, invocation.timeout)
    if not handle.operation.done:
        exit_on_timeout(cursor)
    _show(await handle.result(), invocation)


def _show(completion: v1.Completion, invocation: Invocation) -> None:
    if invocation.as_json:
        write_json(completion)
    else:
        text = answer_text(completion)
        write(text if text.endswith("\n") else f"{text}\n")
    _show_usage(completion, invocation)


def _show_usage(completion: v1.Completion, invocation: Invocation) -> None:
    if not invocation.as_json and (withheld := withheld_line(completion)):
        note(withheld)
    if invocation.usage:
        note(usage_line(completion))
