"""Listing: filters, pages and their tokens."""

from __future__ import annotations

import base64

import pytest
from dragoman import v1
from dragoman_service.operations.listing.filter import parse
from dragoman_service.operations.sql.conditions import where
from dragoman_service.testing.operation_laws.replicas.provider import ask
from dragoman_service.testing.operation_laws.replicas.replica import Replica
from dragoman_service.testing.operation_laws.stage import metadata_of
from outcomes import refused


async def listed(worker: Replica, text: str) -> set[str]:
    found = await worker.operations.list("team-a", text)
    return {metadata_of(operation).labels["is"] for operation in found.operations}


@pytest.fixture
async def filled(worker: Replica) -> Replica:
    """`good` and `bad` are done, `stopped` is cancelled, `held` runs; `good` and `held` have a colour."""
    await worker.wait(await worker.start(ask("hello", **{"is": "good", "colour": "red"})))
    await worker.wait(await worker.start(ask("fail", "laws/signing", **{"is": "bad"})))
    stopped = await worker.start_held(ask("hold", **{"is": "stopped"}))
    await worker.operations.cancel(stopped, "team-a")
    await worker.wait(stopped)
    await worker.start_held(ask("hold", **{"is": "held", "colour": "blue"}))
    return worker


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "good bad stopped held"),
        ("  ", "good bad stopped held"),
        ("state = SUCCEEDED", "good"),
        ("state=STATE_SUCCEEDED", "good"),
        ("state != RUNNING", "good bad stopped"),
        ("state:RUNNING", "held"),
        ("state = QUEUED", ""),
        ('model = "signing"', "good stopped held"),
        ("model != signing", "bad"),
        ("model:aws/", "bad"),
        ("model:'%'", ""),
        ("model < signing", "bad"),
        ("labels.colour = red", "good"),
        ("labels.colour:red", "good"),
        ("labels.colour != red", "held"),
        ("NOT labels.colour = red", "bad stopped held"),
        ("-labels.colour:*", "bad stopped"),
        ("labels:colour", "good held"),
        ("labels.colour < c", "held"),
        ("labels.colour >= blue", "good held"),
        ("labels.colour > B", "good held"),  # by code points: capitals sort before small letters
        ("labels.colour < Z", ""),
        ("model:AWS", "bad"),
        (r'labels.colour = "r\ed"', "good"),
        ("create_time > 2020-01-01T00:00:00Z", "good bad stopped held"),
        ('create_time <= "2020-01-01T01:00:00+01:00"', ""),
        ("create_time < 0001-01-01T00:00:00+23:59", ""),
        ("state = SUCCEEDED OR state = FAILED", "good bad"),
        ("model = signing AND state = SUCCEEDED", "good"),
        ("model = signing state = SUCCEEDED", "good"),
        # OR binds more tightly than AND
        ("model = signing AND labels.is = bad OR labels.is = good", "good"),
        ("(model = signing AND labels.is = good) OR labels.is = bad", "good bad"),
        ("NOT (labels.is = good OR labels.is = bad)", "stopped held"),
        ("NOT (NOT (state = RUNNING))", "held"),
    ],
)
async def test_a_filter_finds(filled: Replica, text: str, expected: str) -> None:
    assert await listed(filled, text) == set(expected.split())


@pytest.mark.parametrize("store", ["memory"], indirect=True)  # the service itself reads filters
@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        ("state", 6, "one of = != < <= > >= :"),
        ("state =", 8, "a value"),
        ("state = DONE", 9, "the states are QUEUED"),
        ("state > RUNNING", 7, "states have no order"),
        ("colour = red", 1, "there is no field 'colour'"),
        ("model = a and state = RUNNING", 15, "one of"),
        ("model = a AND", 14, "a field"),
        ("OR model = a", 1, "a field"),
        ("model = a OR OR model = b", 14, "a field"),
        ("(model = a", 11, "the ) for the ( at character 1"),
        ("model = a)", 10, "the end of the filter"),
        ('model = "a', 9, "a value"),
        ("create_time > yesterday", 15, "expected a time as in"),
        ("create_time > 2027-01-31T12:00:00", 15, "expected a time as in"),
        ("create_time:2027-01-31T12:00:00Z", 12, "create_time takes"),
        ("labels = a", 1, "labels:KEY"),
        ('labels:"a\\"b"', 8, "is not a valid label key"),
        ("labels._a = b", 1, "is not a valid label key"),
        ("~", 1, "a field"),
        ('model = "a\0"', 11, "a NUL"),
        ("(" * 40 + "model = a" + ")" * 40, 33, "more than 32 nested parentheses"),
    ],
)
async def test_a_malformed_filter_is_told_with_its_place(worker: Replica, text: str, position: int, told: str) -> None:
    error = await refused(worker.operations.list("team-a", text))

    assert error.reason == v1.ERROR_REASON_INVALID_FIELD
    assert [violation.field for violation in error.fields] == ["filter"]
    assert error.fields[0].description.startswith(f"at character {position}: ")
    assert told in error.fields[0].description


async def test_the_longest_filter_still_runs_and_one_character_more_is_refused(worker: Replica) -> None:
    longest = "model:a " * 256
    await worker.operations.list("team-a", longest)
    error = await refused(worker.operations.list("team-a", longest + " "))

    assert len(longest) == 2048
    assert error.fields[0].description == "at most 2048 characters"


def test_values_never_become_sql() -> None:
    hostile = """model = "'; DROP TABLE operations; --" """

    assert "DROP" not in str(where(parse(hostile)))


async def test_pages_follow_each_other_newest_first_and_without_holes(worker: Replica) -> None:
    names = [await worker.start(ask(n=str(number))) for number in range(7)]
    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        page = await worker.operations.list("team-a", "model = signing", 3, token)
        pages.append([operation.name for operation in page.operations])
        token = page.next_page_token

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [name for page in pages for name in page] == names[::-1]


async def test_the_last_page_has_no_token(worker: Replica) -> None:
    for _ in range(4):
        await worker.start(ask())
    page = await worker.operations.list("team-a", "", 2)
    last = await worker.operations.list("team-a", "", 2, page.next_page_token)

    assert len(last.operations) == 2
    assert not last.next_page_token


async def test_a_page_has_fifty_by_default_and_a_thousand_at_most(worker: Replica) -> None:
    for _ in range(51):
        await worker.start(ask())
    by_default = await worker.operations.list("team-a")
    clamped = await worker.operations.list("team-a", "", 1_000_000)
    error = await refused(worker.operations.list("team-a", "", -1))

    assert len(by_default.operations) == 50
    assert by_default.next_page_token
    assert len(clamped.operations) == 51
    assert error.fields[0].field == "page_size"


async def test_a_page_ends_before_it_is_too_large_for_a_message(worker: Replica) -> None:
    for _ in range(4):
        await worker.wait(await worker.start(ask("long 900000")))
    first = await worker.operations.list("team-a", "", 50)
    second = await worker.operations.list("team-a", "", 50, first.next_page_token)

    assert [len(first.operations), len(second.operations)] == [2, 2]
    assert not second.next_page_token


async def test_a_token_is_good_for_its_caller_and_filter_only(worker: Replica) -> None:
    for _ in range(3):
        await worker.start(ask())
        await worker.start(ask(), "team-b")
    token = (await worker.operations.list("team-a", "model = signing", 1)).next_page_token
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    moved = base64.urlsafe_b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode().rstrip("=")
    errors = [
        await refused(worker.operations.list(caller, text, 1, forged))
        for caller, text, forged in (
            ("team-b", "model = signing", token),
            ("team-a", "", token),
            ("team-a", "model = signing", moved),
            ("team-a", "model = signing", "AAAA"),
            ("team-a", "model = signing", "not a token"),
            ("team-a", "model = signing", "ü" * 100),
        )
    ]

    assert {error.fields[0].field for error in errors} == {"page_token"}
    assert (await worker.operations.list("team-a", "model = signing", 1, token)).operations
