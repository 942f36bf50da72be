"""Fault case 21: an upstream dies in mid-stream. Its text is delivered, followed by an error, never by OK."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from deliveries import DELIVERIES, grpc_stream, http_stream, request_of
from fault import Fault
from proxy import Harm, proxy_to
from scripted_upstream import End, Step
from upstream_bytes import CHUNKED, DONE, GOOD, HEL, STREAM, answer, chunk, event, piece

HALF_CHARACTER = piece("é").partition("é".encode())[0] + "é".encode()[:1]


def broken(name: str, *script: Step) -> Fault:
    return Fault(name, script, "UNAVAILABLE", "PROVIDER_STREAM_BROKEN", delivered="Hel")


def failed(name: str, *script: Step) -> Fault:
    """Fails before the first text."""
    return Fault(name, script, "UNAVAILABLE", "PROVIDER_UNAVAILABLE", True, (0.001, 60.0))


CALL = event(
    choices=[{"index": 0, "delta": {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}}]
)
ROWS = [
    broken("FIN", STREAM, HEL),
    broken("RST", STREAM, HEL, End.RST),
    broken("FIN with the first piece", STREAM + HEL),
    broken("RST with the first piece", STREAM + HEL, End.RST),
    broken("half a JSON line", STREAM, HEL, piece("lo")[:30]),
    broken("half a character", STREAM, HEL, HALF_CHARACTER),
    broken("half a chunk", CHUNKED, chunk(HEL), chunk(piece("lo"))[:40]),
    broken("chunks without the last", CHUNKED, chunk(HEL)),
    broken("chunks without the last, at once", CHUNKED + chunk(HEL)),
    broken("chunks whose size is no number", CHUNKED, chunk(HEL), b"zz\r\n" + piece("lo"), End.HANG),
    broken("fewer bytes than promised", answer(200, HEL + b" " * 99, "text/event-stream")[:-99]),
    broken("[DONE] in the middle of a call", STREAM, HEL, CALL, DONE),
    broken("an error in mid-stream", STREAM, HEL, event(error={"code": 500, "message": "boom"})),
    broken("an error of another type", STREAM, HEL, event(error={"type": "overloaded_error", "message": "boom"})),
    broken("an error without any detail", STREAM, HEL, event(error="boom")),
    failed("nothing at all"),
    failed("an RST for an answer", End.RST),
    failed("half a head", STREAM[:40]),
    failed("a head alone", STREAM),
    failed("a head and an RST", STREAM, End.RST),
    failed("an error before the first piece", STREAM, event(error={"code": 500, "message": "boom"})),
    failed("half of a whole answer", answer(200, b'{"choices": [' + b" " * 99)[:-99]),
]


@pytest.mark.parametrize("fault", [pytest.param(row, id=row.name) for row in ROWS])
@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_that_breaks_off_is_never_ok(fault: Fault, standing: Any) -> None:
    upstream, door = standing
    upstream.script = fault.script
    for delivery, ask in DELIVERIES.items():
        fault.check(delivery, await ask(door, "m"))

    assert len(upstream.requests) == len(DELIVERIES)


WHOLE = b"".join(GOOD)
FINISHED = len((STREAM + b"".join(GOOD[:-1])).rstrip())  # bytes up to and including the finish reason


@pytest.mark.parametrize("rst", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("ask", [grpc_stream, http_stream])
async def test_wherever_an_answer_is_cut_it_is_ok_only_with_its_finish_reason(
    rst: bool, ask: Any, upstream: Any, serve: Any
) -> None:
    upstream.script = (STREAM + WHOLE,)
    async with proxy_to(upstream.port) as proxy:
        door = await serve(proxy.url)
        for cut in range(1, len(STREAM + WHOLE) + 1, 13):
            proxy.harm = Harm(cut_at=cut, rst=rst)
            outcome = await ask(door, "m")
            ok = not outcome.reason

            assert "Hello".startswith(outcome.delivered)
            assert ok is (cut >= FINISHED) or (rst and not ok)  # an RST may overtake the bytes before it
            assert ok or outcome.reason == f"PROVIDER_{'STREAM_BROKEN' if outcome.delivered else 'UNAVAILABLE'}"
    assert proxy.seen > 30


async def test_a_slow_connection_is_no_fault(upstream: Any, serve: Any) -> None:
    upstream.script = (STREAM, *GOOD)
    async with proxy_to(upstream.port, Harm(bytes_a_tick=7)) as proxy:
        door = await serve(proxy.url)
        slow = [await ask(door, "m") for ask in DELIVERIES.values()]
        proxy.harm = Harm(latency=0.05)
        late = await asyncio.gather(*(ask(door, "m") for ask in DELIVERIES.values()))

    assert {(outcome.delivered, outcome.code) for outcome in (*slow, *late)} == {("Hello", "OK")}


async def test_an_inverted_byte_is_never_taken_for_an_answer(upstream: Any, serve: Any) -> None:
    upstream.script = (STREAM + WHOLE,)
    inside = STREAM + HEL[: len(b'data: {"obj')]
    async with proxy_to(upstream.port, Harm(corrupt_at=len(inside))) as proxy:
        door = await serve(proxy.url)
        outcomes = [await ask(door, "m") for ask in DELIVERIES.values()]

    assert {outcome.reason for outcome in outcomes} == {"PROVIDER_MALFORMED"}


async def test_text_before_a_break_is_delivered_to_a_slow_caller_too(upstream: Any, serve: Any) -> None:
    pieces = [piece(f"{number:04}" * 512) for number in range(1000)]
    upstream.script = (CHUNKED, *map(chunk, pieces))
    door = await serve(upstream.url)
    call = door.completions.StreamCompletion(request_of("m"), timeout=20)
    events = aiter(call)
    text = (await anext(events)).delta.text
    while not upstream.connections[0].ended:
        await asyncio.sleep(0.01)
    with pytest.raises(grpc.aio.AioRpcError):
        async for event in events:
            text += event.delta.text
            await asyncio.sleep(0.001)

    assert text[-4:] == "0999"
    assert len(text) == 1000 * 4 * 512
