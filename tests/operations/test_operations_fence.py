"""Whatever workers, callers and clocks do: one result, written by the newest attempt, and a log without gaps."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from dragoman_service.operations.model.claims import ClaimRequest
from dragoman_service.operations.model.records import (
    FINAL,
    Chunk,
    Ended,
    Ending,
    Held,
    New,
    Progress,
    State,
    Step,
    View,
)
from dragoman_service.operations.store.interface import OperationStore
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

T = TypeVar("T")
ID = "0" * 26
TTL = 3600_000
LIVE, GONE = 60_000, -1  # milliseconds of a lease; the second one has expired as soon as it is written
MOST_ATTEMPTS = 4


@dataclass
class Hold:
    """An attempt that a worker believes it holds, and where it believes that the log ends."""

    held: Held
    milliseconds: int
    last: int

    def chunk(self, events: int) -> Chunk:
        text = b"".join(b"%d:%d " % (number, self.held.attempt) for number in self._next(events))
        return Chunk(self.last + 1, self.last + events, text)

    def _next(self, events: int) -> range:
        return range(self.last + 1, self.last + events + 1)


class OneOperation(RuleBasedStateMachine):
    """Workers claim one operation, renew it, lose it, end it and give it back; a caller may cancel it."""

    def __init__(self, store: OperationStore, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.store, self.loop = store, loop
        self.ended: list[Ended] = []
        self.newest = self.logged = 0
        self.holds: list[Hold] = []
        self.final: tuple[str, bytes | None] | None = None

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(20)

    @initialize(attempts=st.sampled_from([1, 2, MOST_ATTEMPTS]))
    def open(self, attempts: int) -> None:
        new = New(ID, "a", "m", "p/m", {}, b"", attempts, None, 0, None, None)
        self.do(self.store.start(new))

    @rule(milliseconds=st.sampled_from([LIVE, GONE, GONE]))
    def claim(self, milliseconds: int) -> None:
        found = self.do(self.store.pending([]))
        claimed, ended = self.do(self.store.claim(ClaimRequest("w", milliseconds, 5, found, TTL)))
        self.ended += ended
        for one in claimed:
            self.newest += 1
            self.holds.append(Hold(one.held, milliseconds, one.last_sequence))

            assert one.held.attempt == self.newest
            assert one.last_sequence == self.logged

    @precondition(lambda self: self.holds)
    @rule(number=st.integers(0, MOST_ATTEMPTS))
    def renew(self, number: int) -> None:
        hold = self.holds[number % len(self.holds)]
        kept = self.do(self.store.renew(hold.milliseconds, [hold.held]))

        assert bool(kept) == self.is_ours(hold)

    @precondition(lambda self: self.holds)
    @rule(number=st.integers(0, MOST_ATTEMPTS), events=st.integers(0, 3), twice=st.booleans())
    def append(self, number: int, events: int, twice: bool) -> None:
        hold = self.holds[number % len(self.holds)]
        chunk = hold.chunk(events) if events else None
        steps = [Step(hold.held, Progress("p", hold.last + events, 1, None), chunk)]
        for _ in range(1 + twice):  # a write whose answer was lost is repeated
            ours = self.do(self.store.append(steps))

            assert bool(ours) == self.is_ours(hold)
        if ours:
            hold.last += events
            self.logged = hold.last

    @precondition(lambda self: self.holds)
    @rule(number=st.integers(0, MOST_ATTEMPTS), state=st.sampled_from(sorted(FINAL)), events=st.integers(0, 2))
    def finish(self, number: int, state: State, events: int) -> None:
        hold = self.holds.pop(number % len(self.holds))
        ours = self.is_ours(hold)
        answer = f"answer of {hold.held.attempt}".encode()
        progress, chunk = Progress("p", hold.last + events, 1, None), hold.chunk(events) if events else None
        ending = Ending(state, progress, response=answer, chunk=chunk)
        ended = self.do(self.store.finish(hold.held, ending, TTL))
        self.ended += [ended] if ended else []

        assert (ended is not None) == ours
        if ours:
            self.logged = hold.last + events

    @precondition(lambda self: self.holds)
    @rule(number=st.integers(0, MOST_ATTEMPTS), losses=st.sampled_from([0, 1]))
    def give_back(self, number: int, losses: int) -> None:
        hold = self.holds.pop(number % len(self.holds))
        ours = self.is_ours(hold)

        assert self.do(self.store.requeue(hold.held, losses)) == ours

    @precondition(lambda self: self.newest)
    @rule()
    def cancel(self) -> None:
        _, ended = self.do(self.store.cancel("a", ID, b"cancelled", TTL)) or (None, None)
        self.ended += [ended] if ended else []

    @precondition(lambda self: self.ended)
    @rule()
    def compact(self) -> None:
        before = self.view()
        self.do(self.store.compact(ID))

        assert len(self.view().chunks) <= max(1, len(before.chunks))

    def is_ours(self, hold: Hold) -> bool:
        record = self.view().record
        return record.state == State.RUNNING and record.attempt == hold.held.attempt

    def view(self) -> View:
        seen = self.do(self.store.view("a", ID, 0, 1 << 20))
        assert seen is not None
        return seen

    @invariant()
    def ends_once_and_for_all(self) -> None:
        seen = self.view()
        record = seen.record
        outcome = (record.state, record.response)

        assert record.done == bool(self.ended)
        assert len(self.ended) <= 1
        assert record.attempt == self.newest
        assert self.final in (None, outcome)
        self.final = outcome if record.done else None
        assert record.response in (None, f"answer of {record.attempt}".encode())
        assert record.last_sequence == self.logged

        events = b"".join(chunk.events for chunk in seen.chunks).split()
        assert [int(event.partition(b":")[0]) for event in events] == list(range(1, self.logged + 1))
        assert sum(chunk.last - chunk.first + 1 for chunk in seen.chunks) == len(events)
        authors = [int(event.partition(b":")[2]) for event in events]
        assert authors == sorted(authors)

    def teardown(self) -> None:
        self.do(self.store.delete("a", ID))


async def test_only_the_newest_attempt_writes(opened: OperationStore) -> None:
    loop = asyncio.get_running_loop()

    few = settings(max_examples=30, stateful_step_count=20, deadline=None)
    await asyncio.to_thread(run_state_machine_as_test, lambda: OneOperation(opened, loop), settings=few)
