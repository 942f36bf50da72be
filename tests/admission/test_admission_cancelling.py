"""Callers that leave at any moment: no slot is lost, and the next one in the queue gets it."""

import asyncio

import pytest
from dragoman_service.admission.gate import Gate
from dragoman_service.admission.pools import Group, Pool
from dragoman_service.admission.queue import Band, Bounds, Entry
from dragoman_service.admission.slots import Range, Slots
from dragoman_service.contract import Call, CompletionError
from dragoman_service.dialects.upstream_errors import RATE_LIMITED, UNAVAILABLE

STEPS = range(12)  # turns of the loop after which a caller leaves


class Silent:
    """An observer that counts what it is told of waits."""

    def __init__(self):
        self.waiting = 0

    def queued(self, *_):
        self.waiting += 1

    def left(self, *_):
        self.waiting -= 1

    def refused(self, *_): ...
    def caller_refused(self, *_): ...
    def used(self, *_): ...


class Place:
    def __init__(self, slots=1, own=None, length=10):
        self.group = Group("service", Slots(slots))
        self.pool = self.group.add(Pool("m", own, Bounds(length=length)))
        self.observer, self.positions = Silent(), {}
        self.gate = Gate(self.group, self.observer, self.positions)
        self.served = []

    async def call(self, name, turns=3, error=None):
        def entry(now):
            return Entry(name, Band.NORMAL, now)

        async with self.gate.hold(self.pool, Call(name, name), entry):
            self.served.append(name)
            for _ in range(turns):
                await asyncio.sleep(0)
            if error is not None:
                raise error

    @property
    def idle(self):
        counts = (self.group.shared.used, self.pool.under_way, len(self.pool.queue), self.observer.waiting)
        return not any(counts) and not self.positions


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("who", range(4))
async def test_a_caller_that_leaves_at_any_step_keeps_no_slot(who, step):
    place = Place()
    tasks = [asyncio.ensure_future(place.call(str(number))) for number in range(4)]
    for _ in range(step):
        await asyncio.sleep(0)
    tasks[who].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert place.idle
    assert len(place.served) >= 3


async def test_a_slot_goes_to_the_next_if_its_waiter_leaves_in_the_same_turn():
    place, go = Place(), asyncio.Event()

    async def first():
        async with place.gate.hold(place.pool, Call("1", "1"), lambda now: Entry("1", Band.NORMAL, now)):
            await go.wait()

    holder = asyncio.ensure_future(first())
    await asyncio.sleep(0)
    waiters = [asyncio.ensure_future(place.call(name)) for name in ("2", "3")]
    await asyncio.sleep(0)
    waiters[0].cancel()  # the entry is still in the queue when the slot is given back
    place.group.end(place.pool, asyncio.get_running_loop().time())
    place.group.begin(place.pool)  # nothing is free: the slot is the second's
    await asyncio.gather(*waiters, return_exceptions=True)
    place.group.shared.take()
    place.pool.under_way += 1
    go.set()
    await holder

    assert place.served == ["3"]
    assert place.idle


async def test_leaving_all_at_once_leaves_nothing_behind():
    place = Place(slots=3, length=1000)
    tasks = [asyncio.ensure_future(place.call(str(number), turns=1000)) for number in range(200)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert place.idle


@pytest.mark.parametrize(
    ("error", "limit"),
    [(RATE_LIMITED.error("429"), 5), (UNAVAILABLE.error("529"), 5), (UNAVAILABLE.error("500"), 8), (None, 9)],
)
async def test_the_error_of_an_attempt_moves_a_limit_found_by_trial(error, limit):
    own = Slots(Range(1, 16))
    own.limit = 8
    place = Place(slots=100, own=own)
    holders = [asyncio.ensure_future(place.call(str(number), turns=9)) for number in range(4)]
    await asyncio.sleep(0)
    results = await asyncio.gather(place.call("x", error=error), return_exceptions=True)

    assert own.limit == limit
    assert results == [error]
    assert isinstance(error, CompletionError | None)
    await asyncio.gather(*holders)
