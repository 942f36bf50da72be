"""A process with too much to do refuses new work, that of low priority first, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping

import grpc
import pytest
from dragoman_service.transport.pressure import INTERVAL, LAG, REFUSALS, WAIT, WINDOW, Pressure, is_essential, is_low
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from raw_http import asked
from waiting import until

STEP = INTERVAL / 2
LOW = {"x-dragoman-priority": "-34"}


@pytest.fixture(autouse=True)
def patient() -> None:
    """The lag of the product counts here."""


class Measured:
    """A pressure, and a clock that moves with each measurement."""

    def __init__(self, max_memory: int = 0) -> None:
        self.time, self.refused = 100.0, 0
        self.pressure = Pressure(max_memory, refused=self._count, now=lambda: self.time)

    def _count(self) -> None:
        self.refused += 1

    def report(self, lag: float = 0.0, wait: float = 0.0, memory: int | None = None, times: int = 1) -> None:
        for _ in range(times):
            self.time += STEP
            self.pressure.report(lag, wait, memory)

    def refuses(self) -> tuple[bool, bool]:
        """Calls of low priority, and the others."""
        return self.pressure.refusal(low=True) is not None, self.pressure.refusal(low=False) is not None


@pytest.mark.parametrize(
    ("lag", "refuses"), [(LAG, (False, False)), (1.1 * LAG, (True, False)), (2.1 * LAG, (True, True))]
)
def test_a_late_loop_refuses_low_priorities_first(lag: float, refuses: tuple[bool, bool]) -> None:
    measured = Measured()
    measured.report(times=20)
    measured.report(lag, times=2)

    assert measured.refuses() == refuses
    assert measured.pressure.high == refuses[0]


def test_one_hiccup_of_the_loop_refuses_nobody_and_two_only_for_a_second() -> None:
    measured = Measured()
    measured.report(times=20)
    measured.report(2.0)
    once = measured.refuses()
    measured.report(2.0)
    twice = measured.refuses()
    measured.report(times=round(WINDOW / STEP) + 1)

    assert (once, twice, measured.refuses()) == ((False, False), (True, True), (False, False))


def test_a_hiccup_that_is_longer_than_the_window_refuses_nobody_and_another_after_it_does() -> None:
    measured = Measured()
    measured.report(2.0)
    found = [measured.refuses()]
    measured.report(times=20)
    for _ in range(2):
        measured.time += 2.0
        measured.report(2.0)
        found.append(measured.refuses())

    assert found == [(False, False), (False, False), (True, True)]


@pytest.mark.parametrize(("memory", "refuses"), [(79, (False, False)), (81, (True, False)), (101, (True, True))])
def test_memory_refuses_low_priorities_first(memory: int, refuses: tuple[bool, bool]) -> None:
    measured = Measured(max_memory=100)
    measured.report(memory=memory)

    assert measured.refuses() == refuses


def test_a_burst_that_is_served_within_a_second_refuses_nobody() -> None:
    measured = Measured()
    for _ in range(5):
        measured.report(wait=10.0, times=15)
        measured.report(wait=0.0)

        assert measured.refuses() == (False, False)


@pytest.mark.parametrize(
    ("wait", "refuses"), [(WAIT, (False, False)), (1.1 * WAIT, (True, False)), (2.1 * WAIT, (True, True))]
)
def test_calls_that_have_waited_for_a_second_are_refused(wait: float, refuses: tuple[bool, bool]) -> None:
    measured = Measured()
    measured.report(wait=wait, times=25)

    assert measured.refuses() == refuses


def test_refusing_calls_that_wait_takes_a_bounded_part_of_the_time() -> None:
    measured = Measured()
    measured.report(wait=1.0, times=25)
    refused = 0
    for _ in range(100):
        measured.report(wait=1.0)
        refused += sum(measured.pressure.refusal(low=False) is not None for _ in range(1000))

    assert refused == pytest.approx(100 * STEP * REFUSALS, rel=0.02)
    assert measured.refused == refused


@pytest.mark.parametrize(
    ("headers", "low"),
    [({}, False), ({"x-dragoman-priority": "-33"}, False), (LOW, True), ({"x-dragoman-priority": "low"}, False)],
)
def test_the_priority_is_read_from_the_header(headers: Mapping[str, str], low: bool) -> None:
    assert is_low(headers) is low


@pytest.mark.parametrize(
    ("method", "essential"),
    [("GetOperation", True), ("AttachCompletion", True), ("CreateCompletion", False), ("StartCompletion", False)],
)
def test_what_starts_no_work_is_known_by_its_name(method: str, essential: bool) -> None:
    assert is_essential(method) is essential


async def test_a_service_whose_loop_is_late_refuses_low_priorities_and_says_when_to_come_back(
    start_service, prompt, refused
) -> None:
    service = await start_service()
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        create = channel.unary_unary("/dragoman.v1.CompletionService/CreateCompletion")
        request = prompt("x").SerializeToString()
        await create(request)
        for _ in range(2):
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            time.sleep(LAG + 1.5 * INTERVAL)  # noqa: ASYNC251 - the loop is to be late
        await create(request, timeout=5)
        refusal = await refused(create(request, metadata=tuple(LOW.items())))
        async with asked(service.http_address, "POST", "/v1/chat/completions", b"{}", LOW) as answer:
            await answer.whole()
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), metadata=LOW.items())
        listed = await operations_pb2_grpc.OperationsStub(channel).ListOperations(
            operations_pb2.ListOperationsRequest(name="operations"), metadata=tuple(LOW.items())
        )
        async with asked(service.http_address, "GET", "/metrics") as page:
            metrics = (await page.whole()).decode()

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
    assert refusal.retry.retry_delay.ToSeconds() >= 1
    assert (answer.status, int(answer.headers["retry-after"]) >= 1) == (503, True)
    assert (health.status, list(listed.operations)) == (health_pb2.HealthCheckResponse.SERVING, [])
    assert 'dragoman_rejected_total{reason="overloaded"} 2.0' in metrics


async def test_a_low_priority_may_use_half_of_the_places(start_service, prompt, refused) -> None:
    service = await start_service({"echo": {"first_delay": "1h"}}, server={"max_calls": 4})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        create = channel.unary_unary("/dragoman.v1.CompletionService/CreateCompletion")
        request = prompt("x").SerializeToString()
        held = [create(request) for _ in range(2)]
        await until(lambda: service.opened.providers["echo"].running == 2)
        refusal = await refused(create(request, metadata=tuple(LOW.items())))
        normal = create(request, timeout=0.2)
        with pytest.raises(grpc.aio.AioRpcError) as waited:
            await normal
        for call in held:
            call.cancel()

    assert refusal.reason == "OVERLOADED"
    assert waited.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
