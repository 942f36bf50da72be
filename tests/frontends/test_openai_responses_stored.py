"""Responses in the background: read, followed from any event on, cancelled, deleted, and listed with their input."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from http_asking import post
from raw_http import asked
from responses_asking import PATH, body, create, ended, events, read, show, streamed, text_of
from waiting import until

SLOW = {"delay": "60s"}


def numbers(stream):
    """The numbers and types of events, but those that only a response has which waits."""
    return [(event["sequence_number"], event["type"]) for event in stream if event["type"] != "response.queued"]


async def delete(service, response, **headers):
    async with asked(service.http_address, "DELETE", f"{PATH}/{response}", headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_response_in_the_background_is_an_operation(start_service):
    service = await start_service()
    status, begun = await create(service, body(background=True, metadata={"team": "a"}))
    done = await ended(service, begun["id"])
    name = f"operations/{begun['id'].removeprefix('resp_')}"
    _, operation = await post(service, {"name": name}, "/google.longrunning.Operations/GetOperation")

    assert (status, begun["status"], begun["output"], begun["background"]) == (200, "queued", [], True)
    assert (done["id"], done["status"], text_of(done)) == (begun["id"], "completed", "one two three")
    assert operation["done"]
    assert operation["metadata"]["labels"] == {"team": "a"}


async def test_one_that_runs_is_in_progress_and_can_be_cancelled(start_service):
    service = await start_service()
    echo = service.opened.providers["echo"]
    _, begun = await create(service, body(script=SLOW, background=True))
    await until(lambda: echo.running)
    _, running = await show(service, begun["id"])
    _, cancelled = await post(service, None, f"{PATH}/{begun['id']}/cancel")
    replayed = await events(service, begun["id"])
    _, again = await post(service, None, f"{PATH}/{begun['id']}/cancel")

    assert running["status"] == "in_progress"
    assert cancelled["status"] == again["status"] == "cancelled"
    assert cancelled["error"] is None
    assert (replayed[-1]["type"], replayed[-1]["response"]["status"]) == ("response.failed", "cancelled")
    assert not echo.running


async def test_a_failed_one_says_why_and_its_events_end_with_that(start_service):
    service = await start_service()
    _, begun = await create(service, body(script={"fail_after": 1}, background=True))
    failed = await ended(service, begun["id"])
    replayed = await events(service, begun["id"])
    status, refused = await create(service, body(previous_response_id=begun["id"]))

    assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")
    assert failed["error"]["reason"] == "PROVIDER_UNAVAILABLE"
    assert replayed[-1]["type"] == "response.failed"
    assert (status, refused["error"]["param"]) == (400, "previous_response_id")
    assert "failed" in refused["error"]["message"]


async def test_a_stream_that_was_left_is_resumed_after_any_event(start_service):
    service = await start_service()
    sent = body(script={"delay": "20ms", "reasoning": "Well."}, background=True, stream=True)
    wire = b""
    async with asked(service.http_address, "POST", PATH, sent) as answer:
        while b"output_text.delta" not in wire:
            wire += await answer.piece()
    begun = read(wire)
    name, last = begun[0]["response"]["id"], begun[-1]["sequence_number"]
    rest = await events(service, name, f"&starting_after={last}")
    whole = await events(service, name)

    assert begun[0]["type"] == "response.created"
    assert rest[0]["sequence_number"] > last
    assert numbers([*begun, *rest]) == numbers(whole)
    assert rest == whole[-len(rest) :]
    assert whole[-1]["type"] == "response.completed"
    assert text_of(whole[-1]["response"]) == "one two three"
    for event in whole:
        later = await events(service, name, f"&starting_after={event['sequence_number']}")

        assert later == whole[whole.index(event) + 1 :]


async def test_the_caller_of_a_plain_response_stops_it_by_leaving(start_service):
    service = await start_service()
    echo = service.opened.providers["echo"]
    async with asked(service.http_address, "POST", PATH, body(script=SLOW, stream=True)) as answer:
        name = read(await answer.piece())[0]["response"]["id"]
        await until(lambda: echo.running)
    await until(lambda: not echo.running)

    assert (await ended(service, name))["status"] == "cancelled"


async def test_one_that_is_repeated_by_its_key_goes_on(start_service):
    service = await start_service()
    sent = body(script={"delay": "20ms"})
    async with asked(service.http_address, "POST", PATH, {**sent, "stream": True}, {"Idempotency-Key": "k"}) as answer:
        name = read(await answer.piece())[0]["response"]["id"]
    again = await streamed(service, sent, Idempotency_Key="k")

    assert again[0]["response"]["id"] == name
    assert text_of(again[-1]["response"]) == "one two three"


async def test_a_deleted_one_is_gone(start_service):
    service = await start_service()
    _, response = await create(service, body())
    deleted = await delete(service, response["id"])
    gone = [
        (await show(service, response["id"]))[0],
        (await show(service, response["id"], "/input_items"))[0],
        (await show(service, response["id"], "?stream=true"))[0],
        (await delete(service, response["id"]))[0],
        (await post(service, None, f"{PATH}/{response['id']}/cancel"))[0].status,
    ]

    assert deleted == (200, {"id": response["id"], "object": "response", "deleted": True})
    assert gone == [404] * 5


async def test_items_are_listed_in_pages(start_service):
    service = await start_service()
    items = [{"role": "user", "content": str(number)} for number in range(5)]
    _, response = await create(service, {"model": "echo", "input": items})
    _, first = await show(service, response["id"], "/input_items?limit=2")
    _, second = await show(service, response["id"], f"/input_items?limit=3&after={first['last_id']}")
    wrong = [
        (await show(service, response["id"], f"/input_items?{query}"))[1]["error"]["param"]
        for query in ("limit=0", "limit=x", "order=up", "after=msg_1")
    ]

    assert [item["content"][0]["text"] for item in first["data"]] == ["4", "3"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert [item["content"][0]["text"] for item in second["data"]] == ["2", "1", "0"]
    assert wrong == ["limit", "limit", "order", "after"]


@pytest.mark.parametrize("number", ["-1", "x", "999999", "1e3", "9" * 30])
async def test_a_cursor_that_no_event_has_is_refused(start_service, number):
    service = await start_service()
    _, response = await create(service, body())
    status, reply = await show(service, response["id"], f"?stream=true&starting_after={number}")

    assert (status, reply["error"]["param"]) == (400, "starting_after")


async def test_one_of_another_key_is_not_found(start_service):
    keys = [{"id": who, "sha256": hashlib.sha256(who.encode()).hexdigest()} for who in ("ann", "ben")]
    service = await start_service({"echo": {}}, access={"keys": keys})
    ann, ben = ({"authorization": f"Bearer {who}"} for who in ("ann", "ben"))
    _, response = await create(service, body(), **ann)
    item = {"type": "item_reference", "id": response["output"][0]["id"]}
    refused = [
        (await show(service, response["id"], **ben))[0],
        (await delete(service, response["id"], **ben))[0],
        (await create(service, body(previous_response_id=response["id"]), **ben))[1]["error"]["code"],
        (await create(service, {"model": "echo", "input": [item]}, **ben))[1]["error"]["code"],
    ]

    assert (await show(service, response["id"], **ann))[0] == 200
    assert refused == [404, 404, "previous_response_not_found", "item_not_found"]


async def test_an_operation_of_the_native_api_is_a_response_too(start_service):
    service = await start_service()
    request = {"model": "echo", "messages": [{"role": "ROLE_USER", "parts": [{"text": "one two"}]}]}
    start = {"request": request, "operationId": "native-one"}
    await post(service, start, "/dragoman.v1.CompletionService/StartCompletion")
    done = await ended(service, "resp_native-one")
    _, items = await show(service, "resp_native-one", "/input_items")
    _, refused = await create(service, body(previous_response_id="resp_native-one"))

    assert (text_of(done), done["id"], done["background"]) == ("one two", "resp_native-one", True)
    assert items["error"]["param"] == "response_id"
    assert refused["error"]["code"] == "previous_response_not_found"


async def test_a_caller_who_waits_comes_before_those_who_do_not(start_service):
    service = await start_service(operations={"concurrency": 1})
    echo = service.opened.providers["echo"]
    _, blocking = await create(service, body(script=SLOW, background=True))
    await until(lambda: echo.running)
    _, later = await create(service, body("later", script={"first_delay": "60s"}, background=True))
    waiting = asyncio.create_task(create(service, body("now")))

    async def all_are_there() -> bool:
        return len((await service.operations.list("anonymous")).operations) == 3

    await until(all_are_there)
    await post(service, None, f"{PATH}/{blocking['id']}/cancel")
    async with asyncio.timeout(10):
        _, response = await waiting

    assert text_of(response) == "now"
    assert (await show(service, later["id"]))[1]["status"] in ("queued", "in_progress")
