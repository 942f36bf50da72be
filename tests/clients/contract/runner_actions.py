"""The actions of the contract suite, with either client of Python."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from aiohttp import ClientSession
from dragoman import AsyncClient, Client, DragomanError, NotFoundError, v1
from either_client import ask, collect
from grpc_health.v1 import health_pb2, health_pb2_grpc
from runner_checks import Outcome, Transcript

TIMEOUT = 60.0  # seconds
STOPS_WITHIN = 5.0  # seconds


@dataclass(slots=True)
class Run:
    """One case, and what its actions need."""

    client: Client | AsyncClient
    request: v1.CompletionRequest
    options: dict[str, Any]
    target: str
    control: str

    @property
    def timeout(self) -> float:
        return float(self.options.get("timeout", TIMEOUT))

    async def complete(self) -> v1.Completion:
        completion: v1.Completion = await ask(self.client.complete, self.request, timeout=self.timeout)
        return completion

    def stream(self) -> AsyncGenerator[v1.CompletionEvent]:
        return each(self.client.stream(self.request, timeout=self.timeout))

    async def start(self) -> Any:
        return await ask(self.client.start, self.request, timeout=self.timeout)

    async def via(self) -> AsyncGenerator[v1.CompletionEvent]:
        """The events of a stream, or of an operation that is started."""
        if self.options["via"] == "stream":
            return self.stream()
        return each((await self.start()).events(timeout=self.timeout))

    async def post(self, what: str) -> None:
        async with ClientSession() as session, session.post(f"{self.control}/{what}") as answer:
            assert answer.status == 200, await answer.text()

    async def until_running(self, condition: Callable[[int], bool], seconds: float = STOPS_WITHIN) -> None:
        """Returns as soon as `condition` is true of the number of completions at providers."""
        number = -1
        try:
            async with asyncio.timeout(seconds), ClientSession() as session:
                while not condition(number):
                    async with session.get(f"{self.control}/running") as answer:
                        number = int(await answer.text())
        except TimeoutError:
            raise AssertionError(f"{number} completions run after {seconds} s") from None


async def each(events: Any) -> AsyncGenerator[v1.CompletionEvent]:
    """The events of either client, one at a time. Closing this generator closes theirs."""
    if isinstance(events, AsyncIterable):
        async with aclosing(events):  # type: ignore[type-var]
            async for event in events:
                yield event
        return
    try:
        while (event := await asyncio.to_thread(next, events, None)) is not None:
            yield event
    finally:
        events.close()


async def read(
    run: Run, events: AsyncGenerator[v1.CompletionEvent], after: Callable[[int], str | None] = lambda _: None
) -> Outcome:
    """Reads to the end. After each text delta, `after` may name what is to be posted; it gets the number so far."""
    transcript, count, error = Transcript(), 0, None
    try:
        async with aclosing(events):
            async for event in events:
                transcript.add(event)
                count += bool(event.delta.text)
                if event.delta.text and (what := after(count)):
                    await run.post(what)
    except DragomanError as raised:
        error = raised
    transcript.check()
    finished = transcript.events[-1].finished if transcript.events else v1.Finished()
    completion = finished.completion if finished.HasField("completion") else None
    return Outcome(run.request, completion, transcript, error)


async def complete(run: Run) -> Outcome:
    completions = [await run.complete() for _ in range(run.options.get("times", 1))]
    names = {completion.name for completion in completions}
    assert len(names) == 1, f"the same request had the answers {names}"
    return Outcome(run.request, completions[0])


async def stream(run: Run) -> Outcome:
    return await read(run, run.stream())


async def operation(run: Run) -> Outcome:
    handle = await run.start()
    name = handle.name
    await ask(handle.wait, run.timeout)
    assert name.startswith("operations/"), f"the operation is named {name!r}"
    assert handle.name == name, f"the name changed from {name!r} to {handle.name!r}"
    completion = await ask(handle.result, run.timeout)
    if run.options.get("delete"):
        await ask(handle.delete)
        try:
            await ask(run.client.operation(name).wait, run.timeout)
        except NotFoundError:
            pass
        else:
            raise AssertionError("the deleted operation is still there")
    return Outcome(run.request, completion)


async def attach(run: Run) -> Outcome:
    handle = await run.start()
    if not run.options.get("running"):
        await ask(handle.wait, run.timeout)
    outcome = await read(run, each(handle.events(timeout=run.timeout)))
    after = run.options["after_sequence"]
    later = await collect(each(handle.events(after, timeout=run.timeout)))
    assert outcome.transcript is not None
    assert later == outcome.transcript.events[after:], f"other events after number {after}"
    return outcome


async def resume(run: Run) -> Outcome:
    every = run.options["cut_after"]
    cuts = {every * number for number in range(1, run.options.get("cuts", 1) + 1)}
    return await read(run, await run.via(), lambda count: "cut" if count in cuts else None)


async def retracted(run: Run) -> Outcome:
    moment = run.options["kill_after"]
    outcome = await read(run, await run.via(), lambda count: "kill-worker" if count == moment else None)
    assert outcome.transcript is not None
    assert outcome.transcript.is_retracted, "nothing was retracted"
    return outcome


async def cancel(run: Run) -> Outcome:
    ways = {"complete": _cancel_complete, "stream": _cancel_stream, "operation": _cancel_operation}
    outcome = await ways[run.options["via"]](run)
    await run.until_running(lambda number: number == 0)
    return outcome


async def _cancel_complete(run: Run) -> Outcome:
    task = asyncio.create_task(run.complete())
    await run.until_running(lambda number: number >= 1)
    if isinstance(run.client, Client):
        run.client.close()  # a blocking call has no other end
    else:
        task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return Outcome(run.request, error=DragomanError(grpc.StatusCode.CANCELLED, "The task was cancelled."))
    except DragomanError as error:
        return Outcome(run.request, error=error)
    raise AssertionError("the call was not cancelled")


async def _cancel_stream(run: Run) -> Outcome:
    count = 0
    async with aclosing(run.stream()) as events:
        async for event in events:
            count += bool(event.delta.text)
            if count == run.options["cancel_after"]:
                await run.until_running(lambda number: number >= 1)
                break
    return Outcome(run.request)


async def _cancel_operation(run: Run) -> Outcome:
    handle = await run.start()
    await run.until_running(lambda number: number >= 1)
    await ask(handle.cancel)
    return await failing(run, ask(handle.result, run.timeout))


async def deadline(run: Run) -> Outcome:
    outcome = await error(run)
    await run.until_running(lambda number: number == 0)
    return outcome


async def error(run: Run) -> Outcome:
    via = run.options["via"]
    if via == "stream":
        return await read(run, run.stream())
    if via == "operation":
        handle = await run.start()
        return await failing(run, ask(handle.result, run.timeout))
    methods = {
        "complete": run.complete,
        "start": run.start,
        "count_tokens": lambda: ask(run.client.count_tokens, run.request, timeout=run.timeout),
        "tokenize": lambda: ask(run.client.tokenize, run.request, timeout=run.timeout),
    }
    return await failing(run, methods[via]())


async def failing(run: Run, call: Awaitable[object]) -> Outcome:
    """The outcome of a call that has to fail."""
    try:
        await call
    except DragomanError as raised:
        return Outcome(run.request, error=raised)
    raise AssertionError("it did not fail")


async def blocked(run: Run) -> Outcome:
    return await {"complete": complete, "stream": stream, "operation": operation}[run.options["via"]](run)


async def health(run: Run) -> Outcome:
    async with grpc.aio.insecure_channel(run.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=run.options["service"]), timeout=run.timeout)
    return Outcome(run.request, health=health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


async def paging(run: Run) -> Outcome:
    return Outcome(run.request, models=[model.name for model in await ask(run.client.models)])


async def tokens(run: Run) -> Outcome:
    if text := run.options.get("text"):
        found = await ask(run.client.tokenize, text, model=run.request.model, timeout=run.timeout)
        return Outcome(run.request, tokens=[token.text for token in found])
    counted = await ask(run.client.count_tokens, run.request, timeout=run.timeout)
    return Outcome(run.request, input_tokens=counted.input_tokens)


ACTIONS = {
    action.__name__: action
    for action in (
        *(complete, stream, operation, attach, resume, retracted, cancel, deadline, error, blocked),
        *(health, paging, tokens),
    )
}
