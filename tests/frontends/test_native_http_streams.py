"""The native API over HTTP: streams as server-sent events and as lines, their errors, and how they are resumed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.connect.envelopes import envelope
from dragoman_service.frontends.native_http import native_http
from dragoman_service.settings.types import Address
from dragoman_service.transport.http.server import HttpServer
from native_asking import COMPLETIONS, OPERATIONS, body, events_of, post, reason_of
from prometheus_client import CollectorRegistry
from raw_http import asked
from service_log import Log
from waiting import until

STREAM, ATTACH, START = (f"{COMPLETIONS}/{name}Completion" for name in ("Stream", "Attach", "Start"))
FAILING = {"text": "a b c d", "fail_after": 2, "delay": "1ms"}
LONG = " ".join(f"word{number}" for number in range(60))


def text_in(events: list[Any]) -> str:
    return "".join(event.get("delta", {}).get("text", "") for event in events)


async def test_events_are_sent_with_their_numbers_as_ids(start_service):
    service = await start_service()
    async with asked(service.http_address, "POST", STREAM, body(), {"accept": "text/event-stream"}) as answer:
        events = [event async for event in events_of(answer)]
    sent = [data for _, _, data in events]

    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert [number for number, _, _ in events] == [data["sequence"] for data in sent]
    assert sent[0]["started"]["provider"] == "echo"
    assert text_in(sent) == "one two three"
    assert sent[-1]["finished"]["completion"]["choices"][0]["finishReason"] == "FINISH_REASON_STOP"


async def test_each_event_is_a_line_for_callers_that_prefer_lines(start_service):
    service = await start_service()
    async with asked(service.http_address, "POST", STREAM, body(), {"accept": "application/x-ndjson"}) as answer:
        lines = (await answer.whole()).splitlines()
    events = [json.loads(line) for line in lines]

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [event["sequence"] for event in events] == [str(number) for number in range(1, len(events) + 1)]
    assert "completion" in events[-1]["finished"]


async def test_a_refused_request_has_a_status_of_its_own(start_service):
    service = await start_service()
    unknown = await post(service, STREAM, body(model="nobody"))
    missing = await post(service, ATTACH, {"name": "operations/none"})

    assert [(status, reason_of(error)) for status, error in (unknown, missing)] == [
        (404, "MODEL_NOT_FOUND"),
        (404, "OPERATION_NOT_FOUND"),
    ]


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
async def test_a_stream_that_fails_ends_with_its_error(start_service, logged: Log, accept):
    service = await start_service()
    async with asked(service.http_address, "POST", STREAM, body(script=FAILING), {"accept": accept}) as answer:
        if accept == "text/event-stream":
            events = [(name, data) async for _, name, data in events_of(answer)]
            (kind, error), before = events[-1], [data for _, data in events[:-1]]
        else:
            *before, last = [json.loads(line) for line in (await answer.whole()).splitlines()]
            ((kind, error),) = last.items()
    await until(lambda: logged.records("rpc.done"))

    assert (kind, error["code"], reason_of(error)) == ("error", "unavailable", "PROVIDER_UNAVAILABLE")
    assert before[-1]["finished"]["error"]["message"] == error["message"]
    assert text_in(before) == "a b"
    assert logged.records("rpc.done")[0]["code"] == "Unavailable"


async def test_a_reader_whose_connections_are_cut_has_the_text_of_the_operation(start_service):
    service = await start_service()
    _, started = await post(service, START, {"request": body(LONG, {"delay": "2ms"})})
    events: list[Any] = []
    cuts = 0
    while not events or "finished" not in events[-1]:
        resumed = {"last-event-id": events[-1]["sequence"]} if events else {}
        async with asked(service.http_address, "POST", ATTACH, {"name": started["name"]}, resumed) as answer:
            async for number, _, data in events_of(answer):
                assert number == data["sequence"] == str(len(events) + 1), "nothing is missing, nothing is sent twice"
                events.append(data)
                if len(events) % 2 == 0:
                    break
        cuts += 1
    _, operation = await post(service, f"{OPERATIONS}/GetOperation", {"name": started["name"]})

    assert cuts > 2
    assert text_in(events) == operation["response"]["choices"][0]["message"]["parts"][0]["text"] == LONG


async def test_an_operation_that_failed_can_be_read_to_its_end(start_service):
    service = await start_service()
    _, started = await post(service, START, {"request": body(script=FAILING)})
    named = {"name": started["name"]}
    _, ended = await post(service, f"{OPERATIONS}/WaitOperation", named)
    last = int(ended["metadata"]["lastSequence"])
    async with asked(service.http_address, "POST", ATTACH, named, {"last-event-id": str(last - 1)}) as answer:
        events = [(number, name) async for number, name, _ in events_of(answer)]

    assert answer.status == 200
    assert events == [(str(last), ""), ("", "error")]


async def test_a_stream_of_its_own_cannot_be_resumed(start_service):
    service = await start_service()
    status, error = await post(service, STREAM, body(), last_event_id="3")
    wrong, _ = await post(service, ATTACH, {"name": "operations/abcd"}, last_event_id="x")

    assert (status, wrong) == (400, 400)
    assert "last-event-id: resumes AttachCompletion only" in error["message"]


@pytest.mark.parametrize(("accept", "sign"), [("", b": \n\n"), ("application/x-ndjson", b'{"heartbeat":{}}\n')])
async def test_a_reader_that_waits_gets_signs_of_life(start_service, accept, sign):
    service = await start_service()
    context = service._context
    server = HttpServer(Address("127.0.0.1", 0), lambda: "", CollectorRegistry(), context.http._guard)
    server.serve(native_http(context, keep_alive=0.02))
    address = str(await server.start())
    _, started = await post(service, START, {"request": body(script={"text": "late", "first_delay": "20s"})})
    async with asked(address, "POST", ATTACH, {"name": started["name"]}, {"accept": accept}) as answer:
        pieces = [await answer.piece(), await answer.piece()]
    await server.stop()

    assert pieces == [sign, sign]


async def test_the_upstream_is_left_when_the_caller_leaves(start_service, logged: Log):
    service = await start_service()
    async with asked(service.http_address, "POST", STREAM, body(LONG, {"delay": "5ms"})) as answer:
        await answer.piece()
    await until(lambda: logged.records("rpc.done"))

    assert logged.records("rpc.done")[0]["cancelled_by"] == "caller"


async def test_a_server_that_ends_says_so_in_the_stream(start_service):
    service = await start_service()
    async with asked(service.http_address, "POST", STREAM, body(LONG, {"delay": "50ms"})) as answer:
        first = await answer.piece()
        service._context.http._guard._in_flight.end_all()
        *_, (_, name, error) = [event async for event in events_of(answer)]

    assert b'"started"' in first
    assert (name, error["code"], reason_of(error)) == ("error", "unavailable", "SHUTTING_DOWN")


async def test_limits_hold_and_are_told(start_service):
    service = await start_service(limits={"service": {"requests": {"minute": 2}}})
    answers = []
    for path in (STREAM, f"{COMPLETIONS}/CreateCompletion", STREAM):
        async with asked(service.http_address, "POST", path, body()) as answer:
            answers.append((answer.status, answer.headers.get("x-ratelimit-remaining-requests")))
            told = await answer.whole()

    assert answers[:2] == [(200, "1"), (200, "0")]
    assert answers[2][0] == 429
    assert reason_of(json.loads(told)) == "RATE_LIMITED"


async def test_envelopes_hold_messages_and_the_end(start_service, prompt):
    service = await start_service()
    binary = {"content-type": "application/connect+proto"}
    sent = envelope(prompt().SerializeToString())
    async with asked(service.http_address, "POST", STREAM, sent, binary) as answer:
        *messages, (flags, end) = opened(await answer.whole())
    refused = []
    for wrong in (sent[:-1], b"\0\0\0\0\1" + sent[5:], b"\1" + sent[1:], b"", envelope(b"{}")):
        async with asked(service.http_address, "POST", STREAM, wrong, binary) as broken:
            ((failed, told),) = opened(await broken.whole())
            refused.append((broken.status, failed, reason_of(json.loads(told)["error"])))
    many = envelope(b'{"messages":[' + b"{}," * 70_000 + b"{}]}")
    async with asked(service.http_address, "POST", STREAM, many, {"content-type": "application/connect+json"}) as large:
        ((_, told),) = opened(await large.whole())

    assert answer.headers["content-type"] == broken.headers["content-type"] == "application/connect+proto"
    assert v1.CompletionEvent.FromString(messages[-1][1]).finished.HasField("completion")
    assert ({flag for flag, _ in messages}, flags, json.loads(end)) == ({0}, 2, {})
    malformed = (200, 2, "MALFORMED_REQUEST")
    assert refused == [malformed, malformed, (200, 2, "CAPABILITY_MISSING"), malformed, malformed]
    assert reason_of(json.loads(told)["error"]) == "REQUEST_TOO_LARGE"


def opened(wire: bytes) -> list[tuple[int, bytes]]:
    """The flags and the contents of envelopes."""
    found = []
    while wire:
        size = int.from_bytes(wire[1:5])
        found.append((wire[0], wire[5 : 5 + size]))
        wire = wire[5 + size :]
    return found
