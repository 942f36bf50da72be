"""The units that one call holds: reserved before it begins, grown ahead of its answer, charged at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dragoman import v1

from dragoman_service.contract import Call, CompletionError
from dragoman_service.limits.allowance import Allowances, Hold
from dragoman_service.limits.calls.observer import LimitObserver
from dragoman_service.limits.calls.refusals import refusal_of, used_up_meanwhile
from dragoman_service.limits.chain import kind_of
from dragoman_service.limits.fallback import Fallback
from dragoman_service.limits.store.interface import Charge, Limit, Refusal, Settlement
from dragoman_service.limits.store.records import UsageRow
from dragoman_service.limits.store.windows import window

BLOCK = 256  # output tokens that a reservation begins with, and grows by, unless a limit is small
PARTS = 8  # blocks in such a limit: with larger ones it would refuse calls while much of it is left

Cost = Callable[[v1.Usage], int]
"""What so much usage may cost, in billionths of a US dollar."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What the reservations of all calls share. `serves_without_store`: calls with a budget too."""

    allowances: Allowances
    fallback: Fallback
    observer: LimitObserver
    serves_without_store: bool = False


class Reservation:
    """What one call holds of `limits`. `input` and `output` are tokens that are reserved."""

    def __init__(self, spending: Spending, call: Call, limits: Sequence[Limit], cost: Cost) -> None:
        self._spending, self._call, self._limits, self._cost = spending, call, limits, cost
        self._hold: Hold | None = None
        self._grows = any(kind_of(limit).unit != "requests" for limit in limits)
        caps = [limit.cap for limit in limits if limit.enforced and kind_of(limit).unit == "tokens"]
        self.block = max(1, min([BLOCK, *(cap // PARTS for cap in caps)]))
        """Output tokens that it begins with, and grows by."""
        self.input = self.output = 0

    async def begin(self, input_tokens: int, output: int) -> None:
        """Reserves the prompt and the first tokens of the answer. An operation waits for rates, until its deadline.

        Raises RATE_LIMITED, TOKENS_LIMITED, QUOTA_EXHAUSTED and LIMITS_UNAVAILABLE.
        """
        self.input, self.output = input_tokens, output
        if self._limits:
            while refused := await self._reserve(self._units(self.output)):
                await self._wait(refused)
        self._spending.observer.reserved(self._call, input_tokens + self.output)

    async def grow(self, output: int) -> None:
        """Reserves for so many tokens of output in all, in whole blocks. Raises QUOTA_EXHAUSTED."""
        more = -(-(output - self.output) // self.block) * self.block
        if self._hold is not None and self._grows and more > 0:
            before, after = self._units(self.output), self._units(self.output + more)
            wanted = {limit: after[limit] - before[limit] for limit in self._limits}
            if refused := await self._grown(self._hold, {limit: units for limit, units in wanted.items() if units}):
                raise used_up_meanwhile(refused)
        self.output += max(0, more)

    def settlement(self, row: UsageRow, usage: v1.Usage) -> Settlement:
        """An attempt at its end, which is charged with what it used."""
        used = self._amounts(row.requests, usage.input_tokens + usage.output_tokens, row.cost or 0)
        if self._hold is not None:
            return self._hold.charge(row, used)
        now = self._spending.fallback.now()
        return Settlement(
            row, tuple(Charge(limit, window(limit, now)[0], units) for limit, units in used.items() if units)
        )

    def close(self) -> None:
        """Returns what was not used."""
        if self._hold is not None:
            self._hold.close()

    def _units(self, output: int) -> dict[Limit, int]:
        usage = v1.Usage(input_tokens=self.input, output_tokens=output)
        return self._amounts(1, self.input + output, self._cost(usage))

    def _amounts(self, requests: int, tokens: int, cost: int) -> dict[Limit, int]:
        amounts = {"requests": requests, "tokens": tokens, "cost": cost}
        return {limit: amounts[kind_of(limit).unit] for limit in self._limits}

    async def _reserve(self, units: Mapping[Limit, int]) -> Sequence[Refusal]:
        """Empty: everything is reserved."""
        try:
            outcome = await self._spending.allowances.reserve(units)
        except CompletionError as error:
            if error.reason != v1.ERROR_REASON_LIMITS_UNAVAILABLE:
                raise
            return self._without_store(units, error)
        self._hold = outcome.hold
        self._tell(outcome.shadow)
        return outcome.refusals

    def _without_store(self, units: Mapping[Limit, int], error: CompletionError) -> Sequence[Refusal]:
        needs = any(limit.period and limit.enforced for limit in units)
        if needs and not self._spending.serves_without_store:
            self._spending.observer.unavailable(self._call)
            raise error
        return self._spending.fallback.reserve(units)

    async def _grown(self, hold: Hold, units: Mapping[Limit, int]) -> Sequence[Refusal]:
        """Without the store an answer that has begun goes on: what it uses is settled later."""
        try:
            outcome = await self._spending.allowances.grow(hold, units)
        except CompletionError as error:
            if error.reason != v1.ERROR_REASON_LIMITS_UNAVAILABLE:
                raise
            return ()
        self._tell(outcome.shadow)
        self._refuse(outcome.refusals)
        return outcome.refusals

    async def _wait(self, refused: Sequence[Refusal]) -> None:
        error, call = refusal_of(refused), self._call
        is_operation, delay = call.record is None, error.retry_after or 0.0
        late = call.deadline is not None and asyncio.get_running_loop().time() + delay >= call.deadline
        if not (is_operation and error.retryable) or late:
            self._refuse(refused)
            raise error
        await asyncio.sleep(delay)

    def _refuse(self, refused: Sequence[Refusal]) -> None:
        for one in refused[:1]:
            self._spending.observer.refused(self._call, *_names(one.limit))

    def _tell(self, shadow: Sequence[Refusal]) -> None:
        for one in shadow:
            self._spending.observer.shadowed(self._call, *_names(one.limit))


def _names(limit: Limit) -> tuple[str, str]:
    return kind_of(limit).unit, f"{limit.scope} {limit.kind}"
