"""Random schedules of calls that overlap, end, fail and are left, in the filter and in a model of the ledger."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dragoman import v1
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import Call, CompletionError
from dragoman_service.limits.allowance import Allowances
from dragoman_service.limits.calls.filter import Limiting, Rules
from dragoman_service.limits.calls.reservation import Spending
from dragoman_service.limits.calls.rows import Writer
from dragoman_service.limits.chain import Chain
from dragoman_service.limits.fallback import Fallback
from dragoman_service.limits.prices import Price, Prices, Rates
from dragoman_service.limits.spool import Spool
from dragoman_service.limits.store.opening import MemoryDatabase
from dragoman_service.limits.store.records import UsageFilter, UsageRow
from dragoman_service.limits.store.relational import SqlLimitStore
from dragoman_service.limits.writer import UsageWriter
from dragoman_service.settings.limits import LimitsSettings
from dragoman_service.telemetry.limits import LimitMeter
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.testing import Scripted, delta, usage
from google.rpc import code_pb2
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from limited import asked

REQUESTS, TOKENS, COST = 8, 2500, 60_000
LIMITS = LimitsSettings.model_validate(
    {
        "service": {"requests": {"day": REQUESTS}, "tokens": {"day": TOKENS}},
        "keys": {"a": {"cost": {"day": "0.00006 USD"}}},
    }
)
BROKEN = CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, "The answer broke off.")
END = "end"


@dataclass(slots=True, eq=False)
class Running:
    """A call, and what the model knows of it. `used` is None while its provider has told nothing."""

    id: str
    steps: asyncio.Queue[Any]
    task: asyncio.Task[str]
    begun: bool = False
    used: tuple[int, int] | None = None
    text: int = 0
    """Bytes since then."""
    outcome: str = ""


@dataclass(slots=True)
class Seen:
    """What the model expects in the ledger: calls by their id, and how they ended."""

    outcomes: dict[str, str] = field(default_factory=dict)
    used: dict[str, tuple[int, int] | None] = field(default_factory=dict)


class CallsMachine(RuleBasedStateMachine):
    """Calls that are driven step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(prefix="dragoman-")
        self.loop.run_until_complete(self._open())
        self.calls: list[Running] = []
        self.seen = Seen()
        self.number = 0

    async def _open(self) -> None:
        self.store = SqlLimitStore(MemoryDatabase())
        self.allowances = Allowances(self.store)
        self.writer = UsageWriter(self.store, Spool(Path(self.folder.name)))
        meter = LimitMeter(Metrics())
        chain, prices = Chain(LIMITS, {}), Prices({"vendor/scripted": Price(Rates(1_000_000, 10_000_000))}, {})
        spending = Spending(self.allowances, Fallback(lambda: 1), meter)
        rows = Writer(self.writer, chain, prices, meter)
        catalogue = Catalogue({"vendor": Scripted()}, {})
        self.complete = Limiting(catalogue, chain, prices, spending, rows, Rules())(self._answer)

    def teardown(self) -> None:
        for call in list(self.calls):
            self._end(call, END)
        self._settle()
        self._check_rows()
        found = self.loop.run_until_complete(self.store.check())
        rows = self._rows()

        assert found.reserved == found.granted == 0
        assert found.used == sum(
            row.requests + row.input + row.output + (row.cost or 0) * (row.key == "a") for row in rows
        )
        self.loop.close()
        self.folder.cleanup()

    @rule(key=st.sampled_from("ab"), size=st.integers(1, 900))
    def begin(self, key: str, size: int) -> None:
        self.number += 1
        name, steps = f"c{self.number}", asyncio.Queue[Any]()
        task = self.loop.create_task(self._call(name, key, "x" * size, steps))
        self.calls.append(Running(name, steps, task))
        self._turn()

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), size=st.integers(1, 1500))
    def text(self, data: st.DataObject, size: int) -> None:
        call = data.draw(st.sampled_from(self.calls))
        call.text += size
        self._step(call, delta("x" * size))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), tokens=st.tuples(st.integers(1, 400), st.integers(0, 600)))
    def usage(self, data: st.DataObject, tokens: tuple[int, int]) -> None:
        call = data.draw(st.sampled_from(self.calls))
        call.used, call.text = tokens, 0
        self._step(call, usage(*tokens))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), what=st.sampled_from([END, BROKEN]))
    def end(self, data: st.DataObject, what: Any) -> None:
        self._end(data.draw(st.sampled_from(self.calls)), what)

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self.calls))
        call.task.cancel()
        self._turn()

    @rule()
    def return_idle(self) -> None:
        self.loop.run_until_complete(self.allowances.return_idle(0))

    @rule()
    def settle(self) -> None:
        self._settle()
        self._check_rows()

    @invariant()
    def no_more_calls_are_admitted_than_may_be(self) -> None:
        assert (
            sum(outcome != "refused" for outcome in self.seen.outcomes.values())
            + sum(call.begun for call in self.calls)
            <= REQUESTS
        )

    @invariant()
    def what_is_reserved_is_what_workers_have(self) -> None:
        found = self.loop.run_until_complete(self.store.check())

        assert found.reserved == found.granted >= 0

    async def _call(self, name: str, key: str, text: str, steps: asyncio.Queue[Any]) -> str:
        call = Call(name, key, record=object())
        call.headers["steps"] = steps  # type: ignore[assignment] - how the provider finds them
        try:
            async for _ in self.complete(asked(text=text), call):
                pass
        except CompletionError as error:
            return error.reason_name
        except asyncio.CancelledError:
            return "cancelled"
        return "ok"

    async def _answer(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        """The provider, behind the filter."""
        next(one for one in self.calls if one.id == call.id).begun = True
        yield v1.CompletionEvent(started=v1.Started(provider="vendor", served_model="scripted"))
        while (step := await call.headers["steps"].get()) is not END:  # type: ignore[attr-defined]
            if isinstance(step, CompletionError):
                raise step
            yield step

    def _step(self, call: Running, step: Any) -> None:
        call.steps.put_nowait(step)
        self._turn()

    def _end(self, call: Running, what: Any) -> None:
        self._step(call, what)
        if call in self.calls:  # it reads what came before
            self.loop.run_until_complete(asyncio.wait([call.task], timeout=5))
            self._turn()

        assert call not in self.calls

    def _turn(self) -> None:
        """Lets everybody go on until all wait, and takes the calls that have ended out."""

        async def turns() -> None:
            for _ in range(60):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        for call in [one for one in self.calls if one.task.done()]:
            self.calls.remove(call)
            outcome = {"PROVIDER_STREAM_BROKEN": "failed", "QUOTA_EXHAUSTED": "failed"}.get(
                call.task.result(), call.task.result()
            )
            self.seen.outcomes[call.id] = outcome if call.begun else "refused"
            self.seen.used[call.id] = call.used if not call.text else None

    def _settle(self) -> None:
        while self.writer.unsettled:
            assert self.loop.run_until_complete(self.writer.flush())
        if not self.calls:
            self.loop.run_until_complete(self.allowances.return_idle(0))

    def _rows(self) -> list[UsageRow]:
        found = self.loop.run_until_complete(self.store.list_usage(UsageFilter(), None, 1000))
        return [one.row for one in found]

    def _check_rows(self) -> None:
        rows = {row.call: row for row in self._rows()}

        assert {name: row.outcome for name, row in rows.items()} == {
            name: outcome for name, outcome in self.seen.outcomes.items() if outcome != "refused"
        }
        for name, row in rows.items():
            told = self.seen.used[name]
            assert row.estimated == (told is None)
            assert told is None or told == (row.input, row.output)


TestCallsMachine = CallsMachine.TestCase
# Without shrinking, which would take minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
TestCallsMachine.settings = settings(max_examples=25, stateful_step_count=30, deadline=None, phases=PHASES)
