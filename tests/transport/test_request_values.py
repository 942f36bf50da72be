"""Requests of very many values are refused before they are converted, and large ones are converted beside the loop."""

from __future__ import annotations

import asyncio
import json
import threading
from itertools import pairwise
from typing import Any

import grpc
import pytest
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.contract import CompletionError
from dragoman_service.transport.http.body import JsonValues
from dragoman_service.transport.http.call import HttpCall
from dragoman_service.transport.status import MAX_VALUES
from dragoman_service.transport.values import parse_counted
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_http import asked

ODD_TEXT = st.text(st.sampled_from('a,[{}]"\\\n\u00e9 '), max_size=8)
JSON = st.recursive(
    st.none() | st.integers(-99, 99) | ODD_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXT, inner, max_size=4),
    max_leaves=20,
)
EMPTY_MESSAGE = b"\x12\x00"  # of the field `messages`, or of any field with the number 2


def begun(value: Any) -> int:
    """The brackets and commas of a JSON text."""
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return max(1, len(value)) + sum(map(begun, inner))


@settings(max_examples=200)
@given(value=JSON, cuts=st.lists(st.integers(0, 60), max_size=6), ascii_only=st.booleans())
def test_the_values_of_a_json_text_are_counted_however_it_is_cut(value, cuts, ascii_only) -> None:
    text, values = json.dumps(value, ensure_ascii=ascii_only).encode(), JsonValues()
    edges = [0, *sorted(cuts), len(text)]
    for begin, end in pairwise(edges):
        values.feed(text[begin:end])

    assert values.count == begun(value)


def reason(parse: Any, raw: bytes, most: int) -> str:
    try:
        parse_counted(parse, raw, most)
    except CompletionError as error:
        return error.reason_name
    return ""


def test_the_fields_of_a_message_are_counted_at_every_depth() -> None:
    request = v1.CompletionRequest(model="m", labels={"a": "b"}, messages=[{"role": v1.ROLE_USER}])
    request.messages[0].parts.add(text="x")
    request.generation_config.temperature = 0.5
    raw = request.SerializeToString()  # model, label with 2, message with 2 and a part with 1, config with 1
    parse = v1.CompletionRequest.FromString

    assert parse_counted(parse, raw, 10) == request
    assert reason(parse, raw, 9) == "REQUEST_TOO_LARGE"


def test_the_fields_of_a_struct_are_counted() -> None:
    request = y.CompletionRequest()
    request.tools.add().function.parameters.update({"a": {"b": [1, 2]}})
    counts = range(1, 40)
    needed = next(n for n in counts if not reason(y.CompletionRequest.FromString, request.SerializeToString(), n))

    assert needed == 15


@pytest.mark.parametrize("raw", [b"\x12\x05\x12", b"\xff" * 12, b"\x0b\x0b\x0b", b"\x12\xff\xff\xff\xff\x0f"])
def test_bytes_that_are_no_message_are_left_to_the_parser(raw) -> None:
    with pytest.raises(Exception, match="Error parsing"):
        parse_counted(v1.CompletionRequest.FromString, raw, 10)


async def test_a_message_of_very_many_empty_ones_is_refused(start_service, refused) -> None:
    service = await start_service({"echo": {}})
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        call = channel.unary_unary("/dragoman.v1.CompletionService/CreateCompletion")
        refusals = [await refused(call(EMPTY_MESSAGE * count)) for count in (MAX_VALUES, MAX_VALUES + 1)]

    assert [refusal.reason for refusal in refusals] == ["INVALID_FIELD", "REQUEST_TOO_LARGE"]
    assert refusals[1].code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refusals[1].info.metadata["limit"] == str(MAX_VALUES)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/foundationModels/v1/completion"])
async def test_a_body_of_very_many_values_is_refused(start_service, path) -> None:
    service = await start_service({"echo": {}})
    async with asked(service.http_address, "POST", path, b'{"x":[%b0]}' % (b"0," * MAX_VALUES)) as answer:
        said = await answer.whole()

    assert answer.status == 413
    assert f"more than {MAX_VALUES} values" in said.decode()


async def test_a_large_body_is_decoded_while_the_loop_goes_on(serving) -> None:
    threads: list[threading.Thread] = []

    def decode(body: bytes) -> bytes:
        threads.append(threading.current_thread())
        return body[:1]

    async def serve(call: HttpCall) -> None:
        call.body *= 1 if len(call.body) < 9 else 20_000
        call.accept()
        await call.reply(await call.decoded(decode))

    served = await serving(serve)
    for body in (b"[1]", b"[1,2,3,4,5]"):
        async with asked(served.address, "POST", "/ask", body) as answer:
            await answer.whole()

    assert [thread is threading.main_thread() for thread in threads] == [True, False]


async def test_one_large_conversion_runs_at_a_time_and_a_caller_who_leaves_does_not_start_the_next() -> None:
    from dragoman_service.timing.off_loop import INLINE, OffLoop

    off_loop, begun, release = OffLoop(), threading.Semaphore(0), threading.Event()

    def slow(name: str) -> str:
        begun.release()
        release.wait(10)
        return name

    first = asyncio.create_task(off_loop.run(INLINE + 1, slow, "first"))
    await asyncio.to_thread(begun.acquire)
    second = asyncio.create_task(off_loop.run(INLINE + 1, slow, "second"))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    for _ in range(10):
        await asyncio.sleep(0)

    assert not begun.acquire(blocking=False)

    release.set()

    assert await second == "second"
