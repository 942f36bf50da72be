"""Whatever workers, cancellers and clocks do: one result, written by the newest attempt."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dragoman_service.operations import leases
from dragoman_service.operations.leases import Lease
from dragoman_service.operations.records import FINAL, Ended, Ending, Held, New, Progress, State
from dragoman_service.operations.sqlite import _engine
from dragoman_service.operations.statements import cancel, get, start
from dragoman_service.operations.tables import metadata
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection, make_url

T = TypeVar("T")
ID = "0" * 26
TTL = 3600_000
LIVE, GONE = 60_000, -1  # milliseconds of a lease; the second has run out when it is written
MOST_ATTEMPTS = 4


@dataclass(frozen=True)
class Hold:
    """An attempt that some worker believes to be its own."""

    held: Held
    milliseconds: int


class OneOperation(RuleBasedStateMachine):
    """Workers take one operation up, hold it, lose it, end it and give it back; a caller may cancel it."""

    @initialize(attempts=st.sampled_from([1, 2, MOST_ATTEMPTS]))
    def open(self, attempts: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        place = make_url("sqlite+pysqlite://").set(database=str(Path(self.folder.name) / "operations.db"))
        self.engine = _engine(place, "BEGIN IMMEDIATE")
        self.ended: list[Ended] = []
        self.newest = 0
        self.holds: list[Hold] = []
        self.final: tuple[str, bytes | None] | None = None
        self.do(metadata.create_all)
        self.do(lambda connection: start(connection, New(ID, "a", "m", {}, b"", attempts)))

    def do(self, statement: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            return statement(connection)

    @rule(milliseconds=st.sampled_from([LIVE, GONE, GONE]))
    def claim(self, milliseconds: int) -> None:
        found = self.do(lambda connection: leases.pending(connection, []))
        lease = Lease("w", milliseconds)
        claimed, ended = self.do(lambda connection: leases.claim(connection, lease, 5, [], found, TTL))
        self.ended += ended
        for one in claimed:
            self.newest += 1
            self.holds.append(Hold(one.held, milliseconds))

            assert one.held.attempt == self.newest

    @precondition(lambda self: self.holds)
    @rule(number=st.integers(0, MOST_ATTEMPTS))
    def renew(self, number: int) -> None:
        hold = self.holds[number % len(self.holds)]
        kept = self.do(lambda connection: leases.renew(connection, hold.milliseconds, [hold.held]))

        assert bool(kept) == self.is_ours(hold)

    @precondition(lambda self: self.holds)
    @rule(number=st.integers(0, MOST_ATTEMPTS))
    def tell(self, number: int) -> None:
        hold = self.holds[number % len(self.holds)]
        steps = [(hold.held, Progress("p", hold.held.attempt, 1, None))]
        self.do(lambda connection: leases.tell(connection, steps))

    @precondition(lambda self: self.holds)
    @rule(number=st.integers(0, MOST_ATTEMPTS), state=st.sampled_from(sorted(FINAL)))
    def finish(self, number: int, state: State) -> None:
        hold = self.holds.pop(number % len(self.holds))
        ours = self.is_ours(hold)
        answer = f"answer of {hold.held.attempt}".encode()
        ending = Ending(state, Progress("p", hold.held.attempt, 1, None), response=answer)
        ended = self.do(lambda connection: leases.finish(connection, hold.held, ending, TTL))
        self.ended += [ended] if ended else []

        assert (ended is not None) == ours

    @precondition(lambda self: self.holds)
    @rule(number=st.integers(0, MOST_ATTEMPTS), losses=st.sampled_from([0, 1]))
    def give_back(self, number: int, losses: int) -> None:
        hold = self.holds.pop(number % len(self.holds))
        ours = self.is_ours(hold)

        assert self.do(lambda connection: leases.requeue(connection, hold.held, losses)) == ours

    @precondition(lambda self: self.newest)
    @rule()
    def cancel(self) -> None:
        _, ended = self.do(lambda connection: cancel(connection, "a", ID, b"cancelled", TTL)) or (None, None)
        self.ended += [ended] if ended else []

    def is_ours(self, hold: Hold) -> bool:
        record = self.do(lambda connection: get(connection, "a", ID))
        assert record is not None
        return record.state == State.RUNNING and record.attempt == hold.held.attempt

    @invariant()
    def ends_once_and_for_all(self) -> None:
        record = self.do(lambda connection: get(connection, "a", ID))
        assert record is not None
        outcome = (record.state, record.response)

        assert record.done == bool(self.ended)
        assert len(self.ended) <= 1
        assert record.attempt == self.newest
        assert self.final in (None, outcome)
        self.final = outcome if record.done else None
        assert record.response in (None, f"answer of {record.attempt}".encode())
        assert record.last_sequence in (0, record.attempt)

    def teardown(self) -> None:
        self.engine.dispose()
        self.folder.cleanup()


OneOperation.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestOneOperation = OneOperation.TestCase
