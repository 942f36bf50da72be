"""Small reads that are held: what waits, what never does, and how often anything wakes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.providers.upstream.http1.exchange import FULL
from dragoman_service.timing.holding import Holding
from dragoman_service.timing.load import Load
from raw_upstream import CHUNKED, raw_upstream
from scripted_upstream import End, Step, paused
from waiting import LIMIT, until

HOUR = 3600.0  # seconds: what is held so long does not come by itself
MOMENT = 0.005  # seconds between two writes, so that they come in two reads
END = b"0\r\n\r\n"


def chunks(text: str) -> list[bytes]:
    return [b"1\r\n%c\r\n" % letter for letter in text.encode()]


async def reads(*script: Step) -> tuple[list[bytes], HttpError | None]:
    """What a reader of the answer gets after its first read, from when on small reads are held."""
    go, got = asyncio.Event(), list[bytes]()
    async with (
        asyncio.timeout(LIMIT),
        raw_upstream((CHUNKED + b"1\r\n.\r\n", go, *script)) as upstream,
        open_http(upstream.url) as http,
        http.stream("/", b"{}") as response,
    ):
        assert await anext(response.chunks) == b"."
        response.hold(Holding(HOUR))
        go.set()
        try:
            async for chunk in response.chunks:
                got.append(chunk)
        except HttpError as failure:
            return got, failure
    return got, None


async def test_small_reads_come_together_and_the_end_does_not_wait() -> None:
    assert await reads(*paused(MOMENT, *chunks("abcdef")), END) == ([b"abcdef"], None)


@pytest.mark.parametrize("end", [End.FIN, End.RST], ids=["closed", "reset"])
async def test_a_failure_does_not_wait_and_takes_nothing_from_what_came_before(end: End) -> None:
    got, failure = await reads(*paused(MOMENT, *chunks("abc")), end)

    assert b"".join(got) == b"abc"
    assert failure is not None
    assert failure.connected


async def test_a_full_read_does_not_wait() -> None:
    full = b"%x\r\n%s\r\n" % (FULL, b"x" * FULL)
    go = asyncio.Event()
    async with (
        asyncio.timeout(LIMIT),
        raw_upstream((CHUNKED + b"1\r\n.\r\n", go, *paused(MOMENT, *chunks("ab")), full, End.HANG)) as upstream,
        open_http(upstream.url) as http,
        http.stream("/", b"{}") as response,
    ):
        await anext(response.chunks)
        response.hold(Holding(HOUR))
        go.set()
        assert await anext(response.chunks) == b"ab" + b"x" * FULL


async def test_a_reader_that_leaves_while_reads_are_held_closes_the_connection() -> None:
    script = (CHUNKED + b"1\r\n.\r\n", *paused(MOMENT, *chunks("abc")), End.HANG)
    async with raw_upstream(script) as upstream, open_http(upstream.url) as http:

        async def read() -> None:
            async with http.stream("/", b"{}") as response:
                await anext(response.chunks)
                response.hold(Holding(HOUR))
                await anext(response.chunks)

        reader = asyncio.create_task(read())
        await until(lambda: upstream.links and upstream.links[0].acted)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await until(lambda: not upstream.open)


async def test_what_is_due_comes_though_nothing_follows() -> None:
    script = (CHUNKED + b"1\r\n.\r\n", *paused(MOMENT, *chunks("abc")), End.HANG)
    async with (
        raw_upstream(script) as upstream,
        open_http(upstream.url) as http,
        http.stream("/", b"{}") as response,
    ):
        got = await anext(response.chunks)
        response.hold(Holding(0.05))
        async with asyncio.timeout(LIMIT):
            while len(got) < 4:
                got += await anext(response.chunks)
    assert got == b".abc"


class Clock(asyncio.AbstractEventLoop):
    """The loop's time and its timers, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[asyncio.TimerHandle] = []
        self.most = self.fired = 0

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def call_at(self, when: float, callback: Callable[..., object], *args: object, context: object = None):
        timer = asyncio.TimerHandle(when, callback, args, self)
        self.timers.append(timer)
        self.most = max(self.most, sum(not one.cancelled() for one in self.timers))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.timers.remove(handle)

    def to(self, when: float) -> None:
        """Fires all timers until then."""
        while due := [timer for timer in self.timers if timer.when() <= when]:
            first = min(due, key=lambda timer: timer.when())
            self.timers.remove(first)
            self.now = max(self.now, first.when())
            self.fired += 1
            first._run()
        self.now = when


class Reader:
    """Holds one piece."""

    def __init__(self, clock: asyncio.AbstractEventLoop) -> None:
        self._clock = clock
        self.number = 0
        self.released: list[float] = []

    def release(self, number: int) -> None:
        if number == self.number:
            self.number = 0
            self.released.append(self._clock.time())


def test_two_hundred_readers_share_one_timer_and_eight_wake_ups_a_hold() -> None:
    clock = Clock()
    holding, began = Holding(0.1, loop=clock), clock.now
    readers = [Reader(clock) for _ in range(200)]
    last = dict.fromkeys(readers, began)
    for step in range(1000):  # a piece of some reader every millisecond, for a second
        clock.to(began + step / 1000)
        reader = readers[step * 7 % 200]
        last[reader] = reader.released[-1] if reader.released else last[reader]
        if not reader.number:
            reader.number = holding.take(reader, last[reader])
    clock.to(clock.now + 1)

    assert clock.most == 1
    assert clock.fired <= 8 * 10 + 8
    assert not any(reader.number for reader in readers)
    assert not clock.timers


def test_a_piece_is_held_from_the_last_delivery_on_and_never_longer() -> None:
    clock = Clock()
    holding, reader = Holding(0.1, loop=clock), Reader(clock)
    for age in (0.0, 0.01, 0.05, 0.086):
        delivered = clock.now
        clock.to(delivered + age)
        reader.number = holding.take(reader, delivered)
        clock.to(clock.now + 0.2)
        assert delivered + 0.0875 - 1e-6 <= reader.released.pop() <= delivered + 0.1 + 1e-6


def test_a_piece_that_comes_later_than_it_could_be_held_is_not_held() -> None:
    clock = Clock()

    assert Holding(0.1, loop=clock).take(Reader(clock), clock.now - 0.1) == 0
    assert not clock.timers


async def test_what_is_due_at_once_is_released_on_every_loop() -> None:
    """A loop may run what is due within its resolution without a timer."""
    loop = asyncio.get_running_loop()
    holding, readers = Holding(0.0048), [Reader(loop) for _ in range(50)]
    for reader in readers:
        reader.number = holding.take(reader, loop.time() - 0.0043)
        other = Reader(loop)
        other.number = holding.take(other, loop.time())
        await until(lambda: not (reader.number or other.number))  # noqa: B023

    assert any(reader.released for reader in readers)


def test_a_loop_is_busy_from_a_high_load_to_a_low_one() -> None:
    now = used = 0.0
    load = Load(lambda: now, lambda: used)
    seen = []
    for share in (0.6, 0.75, 0.5, 0.35, 0.25, 0.6):
        now, used = now + 1, used + share
        seen.append(load.busy())

    assert seen == [False, True, True, True, False, False]


def test_load_is_not_judged_by_less_than_a_second() -> None:
    now = used = 0.0
    load = Load(lambda: now, lambda: used)
    now, used = 0.5, 0.5

    assert not load.busy()


def test_nothing_is_held_while_the_load_is_low() -> None:
    clock = Clock()
    now = used = 0.0
    holding = Holding(0.1, Load(lambda: now, lambda: used), clock)

    assert holding.take(Reader(clock), clock.now) == 0
    now, used = 1.0, 0.9
    assert holding.take(Reader(clock), clock.now) > 0
