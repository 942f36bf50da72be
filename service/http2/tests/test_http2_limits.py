"""Floods and oversized input end the connection or the stream, at the limit and not before; time refills the limits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dragoman_http2 import CLOSED, REQUEST, RESET, TRAILERS, Session, SessionError
from http2_peer import HEADERS, OPENING, PREFACE, REQUEST_HEADERS, block, body, frames, head, opened, outcome, written
from http2_peer import TRAILERS as STATUS
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

CALM = 11  # ENHANCE_YOUR_CALM
MOST = 50  # what the sessions below allow of each flood
LIMITS = {"max_resets": MOST, "max_pings": MOST, "max_settings": MOST, "max_empty": MOST}


def rapid_resets(number: int) -> bytes:
    return frames(head(2 * number + 1), RstStreamFrame(2 * number + 1, error_code=8))


def provoked_resets(number: int) -> bytes:
    """The server resets, because the body is longer than it should be (CVE-2025-8671)."""
    fields = [*REQUEST_HEADERS, (b"content-length", b"1")]
    return frames(head(2 * number + 1, end=False, fields=fields), body(2 * number + 1, b"12"))


def headers_that_are_none(number: int) -> bytes:
    return head(2 * number + 1, fields=[*REQUEST_HEADERS, (b"connection", b"close")]).serialize()


def huge_header_lists(number: int) -> bytes:
    return head(2 * number + 1, fields=[*REQUEST_HEADERS, (b"a", b"x" * 4000)]).serialize()


FLOODS: dict[str, Callable[[int], bytes]] = {
    "rapid resets": rapid_resets,
    "provoked resets": provoked_resets,
    "headers that are none": headers_that_are_none,
    "huge header lists": huge_header_lists,
    "pings": lambda number: PingFrame(0, opaque_data=b"12345678").serialize(),
    "answers to no ping": lambda number: PingFrame(0, opaque_data=b"12345678", flags=["ACK"]).serialize(),
    "settings": lambda number: SettingsFrame(0, {4: 65535 + number % 2}).serialize(),
    "empty data": lambda number: (b"" if number else head(1, end=False).serialize()) + DataFrame(1).serialize(),
    "padding alone": lambda number: (b"" if number else head(1, end=False).serialize()) + padded(1),
    "priorities": lambda number: PriorityFrame(1, depends_on=0, stream_weight=1).serialize(),
    "headers for a stream that is over": lambda number: rapid_resets(0) * (number == 0) + head(1).serialize(),
    "window updates": lambda number: WindowUpdateFrame(0, window_increment=1).serialize(),
}


def padded(stream: int) -> bytes:
    return DataFrame(stream, b"", pad_length=3, flags=["PADDED"]).serialize()


def flood(session: Session, kind: str, first: int = 0) -> int:
    """How many of them the session took; the server writes its answers as it goes."""
    for number in range(first, first + 20 * MOST):
        _, error = outcome(session, FLOODS[kind](number))
        if error is not None:
            assert error.code == CALM
            return number - first
        session.take()
    pytest.fail("no limit")


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_the_connection(kind: str):
    session = opened(max_header_list=4000, **LIMITS)

    assert MOST - 2 <= flood(session, kind) <= MOST
    assert written(session)[-1].error_code == CALM  # type: ignore[attr-defined]
    assert session.finished


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_in_one_piece_ends_the_connection(kind: str):
    session = opened(max_header_list=4000, **LIMITS)

    _, error = outcome(session, b"".join(FLOODS[kind](number) for number in range(3 * MOST)))

    assert error is not None
    assert error.code == CALM


@pytest.mark.parametrize("kind", FLOODS)
def test_the_same_over_time_is_none(kind: str):
    session = opened(max_header_list=4000, **LIMITS)
    for second in range(10):
        for number in range(MOST // 2):
            session.receive(FLOODS[kind](second * MOST + number))
            session.take()
        session.tick(0.5)

    assert not session.finished


def test_what_ends_well_makes_up_for_what_is_cancelled():
    session = opened(**LIMITS)
    for number in range(20 * MOST):
        stream = 4 * number + 1
        session.receive(frames(head(stream), head(stream + 2), RstStreamFrame(stream, error_code=8)))
        session.answer(stream + 2, HEADERS, b"12345", STATUS)
        session.take()
        assert session.events() == [(CLOSED, stream + 2, 0)]


def test_pings_between_response_frames_are_no_flood():
    session = opened(**LIMITS)
    session.receive(head(1).serialize())
    session.respond(1, HEADERS)
    for _ in range(5):
        for number in range(MOST - 1):
            session.receive(FLOODS["pings"](number))
        session.send(1, b"12345")
        session.take()


def test_windows_that_open_for_response_frames_are_no_flood():
    session = opened(**LIMITS)
    session.receive(head(1).serialize())
    session.respond(1, HEADERS)
    for number in range(5 * MOST):
        session.send(1, b"12345")
        session.take()
        session.receive(FLOODS["window updates"](number) * 2)
    with pytest.raises(SessionError, match="carry nothing"):
        for number in range(5 * MOST):
            session.send(1, b"12345")
            session.take()
            session.receive(FLOODS["window updates"](number) * 3)


def test_a_peer_that_makes_the_server_reset_gets_no_further_than_one_that_resets():
    session = opened(max_streams=10, max_resets=MOST)
    requests = 0
    with pytest.raises(SessionError):
        for number in range(1000):
            requests += sum(event[0] == REQUEST for event in session.receive(provoked_resets(number)))

    assert requests == MOST


def test_a_header_list_may_be_as_long_as_the_limit():
    size = sum(len(name) + len(value) + 32 for name, value in REQUEST_HEADERS)
    session = opened(max_header_list=size)

    assert session.receive(head(1).serialize()) == [(REQUEST, 1, REQUEST_HEADERS, True)]
    assert session.receive(head(3, fields=[*REQUEST_HEADERS, (b"a", b"")]).serialize()) == []
    assert [(frame.stream_id, frame.error_code) for frame in written(session)] == [(3, CALM)]  # type: ignore[attr-defined]
    assert session.receive(head(5).serialize()) == [(REQUEST, 5, REQUEST_HEADERS, True)]


def test_trailers_over_the_limit_end_the_stream():
    session = opened(max_header_list=1000)
    session.receive(head(1, end=False).serialize())
    events = session.receive(head(1, fields=[(b"a", b"x" * 1000)]).serialize())
    session.take()

    assert [*events, *session.events()] == [(RESET, 1, CALM)]
    assert TRAILERS not in [event[0] for event in events]


def test_a_header_list_that_unpacks_to_much_more_stores_none_of_it():
    """One field of 4,000 bytes in the peer's table, named again by a byte each (CVE-2016-6581)."""
    session = opened(max_header_list=65536)
    packed = block([*REQUEST_HEADERS, (b"a", b"x" * 3900)]) + b"\xbe" * 12_000
    events, error = outcome(session, HeadersFrame(1, packed, flags=["END_HEADERS", "END_STREAM"]).serialize())

    assert (events, error) == ([], None)
    assert [frame.error_code for frame in written(session)] == [CALM]  # type: ignore[attr-defined]


def test_a_priority_of_the_connection_breaks_the_protocol():
    _, error = outcome(opened(), b"\0\0\5\x02\0\0\0\0\0\0\0\0\1\1")

    assert error is not None
    assert error.code == 1


def test_a_window_that_overflows_ends_no_more_than_the_resets_allow():
    """Older releases of nghttp2 end the stream for it, newer ones the connection."""
    session = opened(max_resets=MOST)
    requests = 0
    with pytest.raises(SessionError) as caught:
        for stream in range(1, 1000, 2):
            overflow = [WindowUpdateFrame(stream, window_increment=2**31 - 1)] * 2
            requests += sum(event[0] == REQUEST for event in session.receive(frames(head(stream), *overflow)))

    assert requests <= MOST
    assert caught.value.code in (3, CALM)


def test_a_window_update_of_nothing_breaks_the_protocol():
    session = opened()
    _, error = outcome(session, frames(head(1), b"\0\0\4\x08\0\0\0\0\1\0\0\0\0"))

    assert error is not None
    assert error.code == 1


@pytest.mark.parametrize("size", [0, 1, 16_000])
def test_a_header_list_in_endless_pieces_ends_the_connection(size: int):
    """CVE-2024-28182; the pieces are a field that is never complete, or fields."""
    session = opened(max_empty=1000)
    session.receive(HeadersFrame(1, block(REQUEST_HEADERS), flags=["END_STREAM"]).serialize())
    piece = ContinuationFrame(1, b"\0\x01a\0" * (size // 4) or b"\x40"[:size]).serialize()
    with pytest.raises(SessionError) as caught:
        for _ in range(20):
            session.receive(piece)

    assert caught.value.code == CALM


def test_more_streams_than_allowed_are_refused_and_the_rest_live():
    session = opened(max_streams=5)
    events, error = outcome(session, frames(*(head(number) for number in range(1, 31, 2))))

    assert error is None
    assert [event[1] for event in events] == [1, 3, 5, 7, 9]
    assert session.streams == 5
    refused = written(session)
    assert {frame.error_code for frame in refused if frame.stream_id} == {7}  # type: ignore[attr-defined]
    assert len(refused) == 10


def test_more_streams_than_the_peer_has_agreed_to_break_the_protocol():
    session = opened(max_streams=5)
    session.receive(SettingsFrame(0, flags=["ACK"]).serialize())
    events, error = outcome(session, frames(*(head(number) for number in range(1, 31, 2))))

    assert len(events) == 5
    assert error is not None
    assert error.code == 1


def test_answers_that_nobody_takes_are_bounded():
    """A peer that asks at the allowed rate, and does not read."""
    session = opened()
    ping = PingFrame(0, opaque_data=b"12345678").serialize()
    with pytest.raises(SessionError, match="does not read"):
        for _ in range(200_000):
            session.receive(ping)
            session.tick(1)

    assert 10**6 < sum(map(len, iter(session.take, b""))) < 1.1 * 10**6


def test_settings_with_too_many_entries_end_the_connection():
    entry = b"\0\x04\0\0\xff\xff"
    settings = (600).to_bytes(3, "big") + b"\x04\0\0\0\0\0" + entry * 100
    _, error = outcome(Session(), PREFACE + settings)

    assert error is not None
    assert error.code == CALM


def test_the_defaults_take_what_clients_do():
    """A burst of 1,000 calls which are all cancelled, and the next."""
    session = Session()
    session.receive(OPENING)
    for burst in range(2):
        streams = range(2000 * burst + 1, 2000 * burst + 2001, 2)
        sent: list[Frame] = [head(stream) for stream in streams]
        sent += [RstStreamFrame(stream, error_code=8) for stream in streams]
        assert len(session.receive(frames(*sent))) == 2000
        session.tick(1)
