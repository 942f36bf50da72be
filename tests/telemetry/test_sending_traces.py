"""Spans are sent beside the calls: a collector that hangs holds nothing up, and what is kept has limits."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable

import pytest
from collector import collecting
from dragoman import v1
from dragoman_service.contract import Call
from dragoman_service.settings.settings import SettingsError, load
from dragoman_service.telemetry.traces import opening
from dragoman_service.telemetry.traces.kept import MAX_BYTES, Kept
from dragoman_service.telemetry.traces.sender import BATCH, MAX_WAITING, Sender
from dragoman_service.telemetry.traces.spans import AttemptSpan
from dragoman_service.testing import serving
from dragoman_service.testing.scripted import delta
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from waiting import until

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("test")
MODEL = v1.Model(provider="p", provider_model="m")


async def test_a_collector_that_hangs_holds_up_no_call(prompt):
    async with collecting(hanging=True) as collector:
        async with serving(settings={"telemetry.otlp.endpoint": collector.url}) as service:
            await service.completions.CreateCompletion(prompt())
            await until(lambda: collector.requests)
            for _ in range(3):
                await service.completions.CreateCompletion(prompt())

        assert collector.requests == 1
        assert collector.spans == []


async def test_a_collector_that_hangs_holds_up_no_shutdown():
    lost: list[int] = []
    async with collecting(hanging=True) as collector:
        async with opening.open_tracing(collector.url, 1.0, 0, lost.append, flush=0.3) as tracing:
            tracing.attempt(Call("1", "me"), 1, "first", MODEL).end(None, outcome="ok")
            await until(lambda: collector.requests)
            tracing.attempt(Call("2", "me"), 1, "first", MODEL).end(None, outcome="ok")
            tracing.flush_until = math.inf

        assert lost == [1]
        assert collector.spans == []


async def test_the_queue_is_bounded_and_counts_what_it_drops():
    lost: list[int] = []
    async with collecting(hanging=True) as collector:
        async with opening.open_tracing(collector.url, 1.0, 0, lost.append) as tracing:
            tracing.attempt(Call("1", "me"), 1, "first", MODEL).end(None, outcome="ok")
            await until(lambda: collector.requests)
            for _ in range(MAX_WAITING + 7):
                tracing.attempt(Call("1", "me"), 1, "first", MODEL).end(None, outcome="ok")
            assert sum(lost) == 7

        assert sum(lost) == MAX_WAITING + 7


async def test_what_waits_is_sent_in_batches_before_the_end():
    lost: list[int] = []
    async with collecting() as collector:
        async with opening.open_tracing(collector.url, 1.0, 0, lost.append) as tracing:
            for _ in range(BATCH + 1):
                tracing.attempt(Call("1", "me"), 1, "first", MODEL).end(None, outcome="ok")
            tracing.flush_until = math.inf

        assert len(collector.spans) == BATCH + 1
        assert lost == []


class Emptied(deque[ReadableSpan]):
    """A queue that does something when it is found empty after a request, which is the second time."""

    def __init__(self, then: Callable[[], object]) -> None:
        super().__init__()
        self._then, self._times = then, 0

    def popleft(self) -> ReadableSpan:
        if not self:
            self._times += 1
            if self._times == 2:
                self._then()
                raise IndexError
        return super().popleft()


async def test_what_comes_while_the_last_request_ends_is_sent_before_the_end():
    lost: list[int] = []
    exporter = InMemorySpanExporter()
    sender = Sender(exporter, lost.append)
    first, second = TRACER.start_span("first"), TRACER.start_span("second")

    def end() -> None:
        sender.send(second)
        closing.set()
        ended.wait(10)

    closing, ended = threading.Event(), threading.Event()
    sender._waiting = Emptied(end)
    sender.send(first)
    await asyncio.to_thread(closing.wait, 10)
    asyncio.get_running_loop().call_soon(ended.set)
    await sender.close(10)

    assert [span.name for span in exporter.get_finished_spans()] == ["first", "second"]
    assert lost == []


async def test_spans_that_a_collector_refuses_count_as_dropped():
    lost: list[int] = []
    async with (
        collecting() as collector,
        opening.open_tracing(f"{collector.url}/wrong", 1.0, 0, lost.append) as tracing,
    ):
        tracing.attempt(Call("1", "me"), 1, "first", MODEL).end(None, outcome="ok")
        await until(lambda: lost)

    assert lost == [1]


def test_the_spans_of_a_call_are_kept_up_to_a_limit():
    sent, lost = [], []
    kept = Kept(sent.append, lost.append, sampled=False)
    big = TRACER.start_span("big", attributes={"text": "x" * (MAX_BYTES // 2)})
    for _ in range(3):
        kept.add(big, failed=False)
    last = TRACER.start_span("last")
    kept.close(last, failed=True)

    assert sent == [big, last]
    assert lost == [1, 1]


def test_what_ends_after_its_call_is_sent_if_the_call_was():
    for failed in (False, True):
        sent = []
        kept = Kept(sent.append, lambda _: None, sampled=False)
        call, late = TRACER.start_span("call"), TRACER.start_span("late")
        kept.close(call, failed=failed)
        kept.add(late, failed=True)

        assert sent == ([call, late] if failed else [])


async def test_an_answer_that_goes_on_and_on_has_an_event_now_and_then():
    async def events():
        for text in "abc":
            yield delta(text)

    span = TRACER.start_span("chat m")
    attempt = AttemptSpan(span, Kept(print, print, sampled=False), None, alone=True, alive=0.0)
    _ = [event async for event in attempt.watch(events())]

    assert [event.name for event in span.events] == ["first_token", "dragoman.alive", "dragoman.alive"]


def test_without_a_collector_opentelemetry_is_not_even_loaded():
    code = (
        "import asyncio, sys\n"
        "from dragoman_service.testing import serving\n"
        "async def main():\n"
        "    async with serving():\n"
        "        print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


async def test_an_endpoint_without_opentelemetry_is_a_mistake_that_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "dragoman_service.telemetry.traces.opening")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match=r"telemetry\.otlp\.endpoint.*dragoman-service\[otel\]"):
        async with serving(settings={"telemetry.otlp.endpoint": "http://127.0.0.1:4318"}):
            pass


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "ftp://x", "http://x y"])
def test_an_endpoint_that_is_no_url_is_a_mistake(endpoint):
    with pytest.raises(SettingsError, match=r"telemetry\.otlp\.endpoint.*a URL such as"):
        load(overrides={"telemetry.otlp.endpoint": endpoint})
