"""Writes what a call has used into the ledger: a row for each attempt, in the background."""

from __future__ import annotations

import hashlib
import secrets
from itertools import count
from typing import Any

from dragoman import v1

from dragoman_service.catalogue.catalogue import Target
from dragoman_service.contract import Call
from dragoman_service.limits.calls.counting import Count, Used
from dragoman_service.limits.calls.observer import LimitObserver
from dragoman_service.limits.calls.reservation import Reservation
from dragoman_service.limits.chain import Chain
from dragoman_service.limits.prices import Prices
from dragoman_service.limits.store.records import RUN, UsageRow
from dragoman_service.limits.writer import UsageWriter


class Writer:
    """Makes the rows of calls, and gives them to the writer of the ledger."""

    def __init__(self, writer: UsageWriter, chain: Chain, prices: Prices, observer: LimitObserver) -> None:
        self._writer, self._chain, self._prices, self._observer = writer, chain, prices, observer
        self._process, self._number = secrets.token_hex(4), count(0)

    async def write(
        self,
        request: v1.CompletionRequest,
        call: Call,
        target: Target,
        used: Count,
        outcome: str,
        reservation: Reservation,
    ) -> None:
        """Settles every attempt of a call that has ended. It waits only if too many rows are not written yet."""
        attempts = list(used.attempts(outcome)) or [Used(1, "", "", v1.Usage(), outcome)]
        known = {
            # Operations and repeated requests run several times under one id, and each run is counted.
            "call_id": f"{call.id}{RUN}{self._process}{next(self._number):x}",
            "key": call.caller,
            "team": self._chain.team(call.caller),
            "model": target.alias.name if target.alias else request.model,
            "kind": _kind(call),
            "labels_hash": _hash(request),
        }
        settlements = []
        for number, attempt in enumerate(attempts, 1):
            row = self._row(attempt, requests=int(number == len(attempts)), **known)
            settlements.append(reservation.settlement(row, attempt.usage))
            if attempt.provider:
                told = (attempt.provider, attempt.served_model, row.cost)
                self._observer.settled(call, *told, estimated=row.estimated)
        await self._writer.put(*settlements)

    def _row(self, attempt: Used, **known: Any) -> UsageRow:
        usage = attempt.usage
        cost = self._prices.cost(attempt.model, usage) if attempt.provider else None
        return UsageRow(
            attempt=attempt.number,
            provider=attempt.provider,
            served_model=attempt.served_model,
            input=usage.input_tokens,
            cached=usage.cached_input_tokens,
            cache_write=usage.cache_write_tokens,
            output=usage.output_tokens,
            reasoning=usage.reasoning_tokens,
            cost=None if cost is None else cost.nano_usd,
            price_version="" if cost is None else cost.version,
            estimated=usage.estimated,
            outcome=attempt.outcome,
            **known,
        )


def _kind(call: Call) -> str:
    if call.record is None:
        return "operation"
    return "stream" if call.streaming else "complete"


def _hash(request: v1.CompletionRequest) -> bytes:
    """Of the labels, by which calls with the same ones can be found; empty if there are none."""
    if not request.labels:
        return b""
    return hashlib.sha256(repr(sorted(request.labels.items())).encode()).digest()[:8]
