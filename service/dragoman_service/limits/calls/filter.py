"""The filter that reserves what a call may use, counts what it does use, and writes that into the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from dragoman import v1

from dragoman_service.catalogue.catalogue import Catalogue, Target
from dragoman_service.catalogue.estimates import prompt_bytes
from dragoman_service.contract import Call, Complete, CompletionError
from dragoman_service.limits.calls.counting import Count
from dragoman_service.limits.calls.estimates import Estimates
from dragoman_service.limits.calls.headers import as_drafted, as_vendors_do
from dragoman_service.limits.calls.refusals import unpriced
from dragoman_service.limits.calls.reservation import Reservation, Spending
from dragoman_service.limits.calls.rows import Writer
from dragoman_service.limits.chain import Chain, kind_of
from dragoman_service.limits.pots import Left
from dragoman_service.limits.prices import Price, Prices
from dragoman_service.limits.store.interface import Limit

_HEADERS: Mapping[str, Callable[[Sequence[Left]], Iterable[tuple[str, str]]]] = {
    "x-ratelimit": as_vendors_do,
    "draft": as_drafted,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """`stops`: an answer in which a limit is reached ends there. `headers` is as in the settings."""

    stops: bool = True
    refuses_unpriced: bool = False
    headers: str = "x-ratelimit"


class Limiting:
    """A `Filter`. It stands outside admission, so that a request that is refused takes no place in a queue."""

    def __init__(
        self, catalogue: Catalogue, chain: Chain, prices: Prices, spending: Spending, writer: Writer, rules: Rules
    ) -> None:
        self._catalogue, self._chain, self._prices = catalogue, chain, prices
        self._spending, self._writer, self._rules = spending, writer, rules
        self._estimates = Estimates()

    def __call__(self, complete: Complete) -> Complete:
        def limited(request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
            target = self._catalogue.asked(request, call)  # what is not found is refused further inside
            return complete(request, call) if target is None else self._events(complete, request, call, target)

        return limited

    async def _events(
        self, complete: Complete, request: v1.CompletionRequest, call: Call, target: Target
    ) -> AsyncIterator[v1.CompletionEvent]:
        limits = self._chain.of(call.caller, (request.model, target.model.name))
        reservation = Reservation(self._spending, call, limits, self._cost_of(target, limits))
        size = prompt_bytes(request)
        count, outcome = Count(self._estimates.tokens(size, target.model.name)), "cancelled"
        await self._begin(reservation, request, call, limits, count.input)
        try:
            async with aclosing(complete(request, call)) as events:  # type: ignore[type-var]
                async for event in events:
                    count.add(event)
                    if count.output > reservation.output and not event.HasField("usage"):
                        await self._grow(reservation, count.output)
                    yield self._priced(event, count) if event.HasField("usage") else event
            outcome = "ok"
            self._learn(count, size)
            if (missing := self._missing(count)) is not None:
                yield missing
        except CompletionError:
            outcome = "failed"
            if (missing := self._missing(count)) is not None:
                yield missing
            raise
        finally:
            if outcome != "failed" or count.anything:
                await self._writer.write(request, call, target, count, outcome, reservation)
            reservation.close()

    async def _begin(
        self,
        reservation: Reservation,
        request: v1.CompletionRequest,
        call: Call,
        limits: Sequence[Limit],
        prompt: int,
    ) -> None:
        config = request.generation_config
        block = reservation.block
        longest = min(block, config.max_output_tokens) if config.HasField("max_output_tokens") else block
        try:
            await reservation.begin(prompt, longest * max(1, config.choice_count))
        finally:
            if limits and (tell := _HEADERS.get(self._rules.headers)):
                call.headers.update(tell(self._spending.allowances.left(limits)))

    async def _grow(self, reservation: Reservation, output: int) -> None:
        try:
            await reservation.grow(output)
        except CompletionError:
            if self._rules.stops:
                raise
            reservation.output = output

    def _cost_of(self, target: Target, limits: Sequence[Limit]) -> Callable[[v1.Usage], int]:
        """What usage may cost at the dearest of the targets. Raises MODEL_NOT_ALLOWED if none has a price and it must.

        A model without a price reserves the least there is, so that it is refused once the budget is used up.
        """
        if not any(kind_of(limit).unit == "cost" for limit in limits):
            return lambda usage: 0
        prices = [self._prices.of(one.model.name) for one in self._catalogue.route(target)]
        known: list[Price] = [price for price in prices if price is not None]
        if len(known) < len(prices) and self._rules.refuses_unpriced:
            raise unpriced(target.model.name)
        return lambda usage: max((price.cost(usage) for price in known), default=1)

    def _learn(self, count: Count, size: int) -> None:
        """What a provider told of a prompt makes the next estimates better."""
        if count.usage is not None and not count.usage.estimated:
            self._estimates.learn(count.model, size, count.usage.input_tokens)

    def _priced(self, event: v1.CompletionEvent, count: Count) -> v1.CompletionEvent:
        """The event of usage with its cost, if a price is known."""
        cost = self._prices.cost(count.model, event.usage) if count.started is not None else None
        if cost is None or (event.usage.HasField("cost_nano_usd") and event.usage.cost_nano_usd == cost.nano_usd):
            return event
        priced = v1.CompletionEvent()
        priced.CopyFrom(event)
        priced.usage.cost_nano_usd = cost.nano_usd
        return priced

    def _missing(self, count: Count) -> v1.CompletionEvent | None:
        """The usage that the provider did not tell, with its cost; None if there is nothing to add."""
        if count.started is None or not count.is_estimated:
            return None
        return self._priced(v1.CompletionEvent(usage=count.answered()), count)
