"""Shares of bands and callers, limits found by trial, and queues under load, on a clock that the test moves."""

import heapq
import itertools
import math
import random
from collections import Counter

from dragoman_service.admission.pools import Group, Pool
from dragoman_service.admission.queue import Band, Bounds, Entry, Queue
from dragoman_service.admission.slots import Range, Slots, shared_out

SERVICE_TIME = 1.0  # seconds of each request


class Simulation:
    """One pool with requests that take `SERVICE_TIME`. Arrivals are (time, band, patience)."""

    def __init__(self, slots, bounds):
        self.group, self.now, self.number = Group("m"), 0.0, itertools.count()
        self.pool = self.group.add(Pool("m", Slots(slots), bounds))
        self.pool.measure_held(SERVICE_TIME)
        self.events, self.waits, self.shed = [], {band: [] for band in Band}, Counter()

    def run(self, arrivals):
        for at, band in arrivals:
            heapq.heappush(self.events, (at, next(self.number), "arrive", band))
        while self.events:
            self.now, _, what, band = heapq.heappop(self.events)
            if what == "end":
                self.group.end(self.pool, self.now)
                continue
            self.group.admit(self.now)
            if what == "arrive":
                self.arrive(band)
        return self

    def arrive(self, band):
        if self.group.begin(self.pool):
            return self.begin(band, 0.0)
        entry = Entry("a", band, self.now)
        entry.decided = lambda outcome: self.decide(entry, outcome)
        if not self.group.wait(self.pool, entry):
            self.shed[band] += 1
        return None

    def decide(self, entry, outcome):
        if outcome == "admitted":
            self.begin(entry.band, self.now - entry.since)
        else:
            self.shed[entry.band] += 1

    def begin(self, band, waited):
        self.waits[band].append(waited)
        heapq.heappush(self.events, (self.now + SERVICE_TIME, next(self.number), "end", band))


def poisson(rate, seconds, band, seed):
    chance, at = random.Random(seed), 0.0  # noqa: S311 - the same in each run
    while (at := at + chance.expovariate(rate)) < seconds:
        yield at, band


def test_interactive_requests_hardly_wait_behind_bulk_and_bulk_still_moves():
    bulk = [(0.001 * number, Band.LOW) for number in range(1000)] + list(poisson(20, 100, Band.LOW, 1))
    simulation = Simulation(10, Bounds(length=2000, wait=60.0)).run([*bulk, *poisson(1, 100, Band.HIGH, 2)])
    waits = sorted(simulation.waits[Band.HIGH])

    assert not simulation.shed[Band.HIGH]
    assert waits[int(len(waits) * 0.99)] < 2 * SERVICE_TIME
    assert len(simulation.waits[Band.LOW]) > 0.5 * 10 * 100


def test_low_requests_get_their_share_beside_as_many_high_ones_as_come():
    high, low = poisson(20, 200, Band.HIGH, 3), poisson(20, 200, Band.LOW, 4)
    simulation = Simulation(10, Bounds(length=200, wait=10.0)).run([*high, *low])
    served = {band: len(waits) for band, waits in simulation.waits.items()}

    assert served[Band.LOW] >= 0.04 * (served[Band.LOW] + served[Band.HIGH])
    assert served[Band.HIGH] >= 0.8 * 10 * 200


def test_three_times_the_capacity_yields_no_less_than_the_capacity():
    served = {}
    for load in (1, 3):
        simulation = Simulation(10, Bounds(length=100, wait=2.0)).run(poisson(10 * load, 200, Band.NORMAL, 5))
        served[load] = len(simulation.waits[Band.NORMAL])

    assert served[3] >= 0.9 * served[1]


def filled(entries, bounds=None):
    queue = Queue(bounds or Bounds(length=10_000, wait=math.inf))
    for entry in entries:
        assert queue.push(entry) is not None
    return queue


def test_callers_share_a_band_by_tokens_and_weight():
    callers = {"short": (100, 1.0), "long": (1000, 1.0), "heavy": (100, 2.0)}
    queue = filled(
        Entry(name, Band.NORMAL, 0.0, tokens, weight) for name, (tokens, weight) in callers.items() for _ in range(1000)
    )
    served = Counter(queue.pop(Band.NORMAL).caller for _ in range(620))

    assert abs(served["short"] - 200) <= 4
    assert abs(served["heavy"] - 400) <= 4
    assert abs(served["long"] - 20) <= 2


def test_the_earliest_deadline_of_a_caller_is_first():
    entries = [Entry("a", Band.NORMAL, 0.0, deadline=deadline) for deadline in (9.0, 3.0, math.inf, 5.0)]
    queue = filled(entries)

    assert [queue.pop(Band.NORMAL).deadline for _ in range(4)] == [3.0, 5.0, 9.0, math.inf]


def test_a_full_queue_gives_up_the_newest_of_the_lowest_band():
    low = [Entry("a", Band.LOW, float(number)) for number in range(2)]
    normal = [Entry("a", Band.NORMAL, float(number)) for number in range(2)]
    queue = filled([*low, *normal], Bounds(length=4))

    assert queue.push(Entry("a", Band.LOW, 5.0)) is None
    assert queue.push(Entry("b", Band.NORMAL, 5.0)) == [low[1]]
    assert queue.push(Entry("b", Band.HIGH, 6.0)) == [low[0]]
    assert len(queue) == 4


def test_tokens_are_bounded_as_well():
    queue = filled([Entry("a", Band.LOW, 0.0, 60), Entry("a", Band.LOW, 0.0, 30)], Bounds(tokens=100))

    assert queue.push(Entry("b", Band.LOW, 1.0, 20)) is None
    assert len(queue.push(Entry("b", Band.HIGH, 1.0, 80)) or ()) == 2
    assert queue.tokens == 80


def settled(capacity, concurrency, answers):
    """A limit before an upstream that refuses what is over its capacity: the limits seen, and the share refused."""
    slots, now, running, refused, seen = Slots(Range(4, 64)), 0.0, [], 0, []
    chance = random.Random(6)  # noqa: S311 - the same in each run
    for number in range(answers):
        while slots.free and len(running) < concurrency:
            slots.take()
            if len(running) >= capacity:
                refused += 1
                slots.overloaded(now, now + 0.01)
                slots.give_back()
                now += 0.01
            else:
                heapq.heappush(running, (now + chance.uniform(0.5, 1.5), now))
        now, _ = heapq.heappop(running)
        slots.answered()
        slots.give_back()
        if number > answers // 4:
            seen.append(slots.limit)
    return seen, refused / answers


def test_a_limit_found_by_trial_settles_at_what_the_upstream_takes():
    limits, refused = settled(capacity=20, concurrency=1000, answers=4000)

    assert 0.8 * 20 <= sum(limits) / len(limits) <= 1.2 * 20
    assert refused < 0.02


def test_a_limit_does_not_grow_while_it_does_not_matter():
    limits, _ = settled(capacity=1000, concurrency=2, answers=1000)

    assert set(limits) == {4}


def test_workers_share_a_limit_out():
    assert [shared_out(10, 4, number) for number in range(4)] == [3, 3, 2, 2]
    assert [shared_out(2, 4, number) for number in range(4)] == [1, 1, 1, 1]
