"""Flow control: nobody can make the session hold more than its windows, and no stream can starve another."""

from __future__ import annotations

import pytest
from dragoman_http2 import CLOSED, DATA, Session
from h2.events import DataReceived, WindowUpdated
from http2_peer import HEADERS, TRAILERS, Client, body, frames, head, opened, outcome, written
from hyperframe.frame import DataFrame, GoAwayFrame, WindowUpdateFrame


def test_the_windows_open_only_by_what_is_consumed():
    client = Client(Session(stream_window=100_000, connection_window=150_000))
    stream = client.open()
    client.exchange()
    sent = 0
    while room := min(client.h2.local_flow_control_window(stream), 16384):
        client.h2.send_data(stream, b"x" * room)
        sent += room
    client.exchange()
    assert sent == 100_000
    assert client.h2.local_flow_control_window(stream) == 0

    client.session.consume(stream, 100_000)
    client.exchange()

    assert client.h2.local_flow_control_window(stream) == 100_000
    assert {event.stream_id for event in client.seen if isinstance(event, WindowUpdated)} == {0, stream}


def test_a_complete_request_opens_only_the_window_of_the_connection():
    session = opened(stream_window=65535, connection_window=65535)
    session.receive(frames(head(1, end=False), *(body(1, b"x" * 16384, end=last) for last in (False, False, True))))
    session.consume(1, 3 * 16384)

    assert [frame.stream_id for frame in written(session)] == [0]


def test_the_peer_is_told_of_the_limits():
    settings, window = written(
        Session(max_streams=7, max_header_list=9000, stream_window=70_000, connection_window=90_000)
    )

    assert settings.settings == {3: 7, 4: 70_000, 6: 9000, 9: 1}  # type: ignore[attr-defined]
    assert window.window_increment == 90_000 - 65_535  # type: ignore[attr-defined]


def test_more_than_was_received_cannot_be_consumed():
    client = Client(Session(stream_window=65535, connection_window=65535))
    stream = client.open()
    client.h2.send_data(stream, b"x" * 16384)
    client.exchange()
    client.session.consume(stream, 10**15)
    client.session.consume(stream, 40_000)
    client.exchange()
    while room := min(client.h2.local_flow_control_window(stream), 16384):
        client.h2.send_data(stream, b"x" * room)

    assert client.exchange()[-1][0] == DATA


@pytest.mark.parametrize("ending", ["peer resets", "caller resets", "answered early"])
def test_what_a_stream_leaves_behind_does_not_shrink_the_window_of_the_connection(ending: str):
    client = Client(Session(connection_window=65535))
    for _ in range(20):
        stream = client.open()
        client.h2.send_data(stream, b"x" * 16384)
        client.exchange()
        if ending == "peer resets":
            client.h2.reset_stream(stream)
        elif ending == "caller resets":
            client.session.reset(stream, 8)
        else:
            client.session.fail(stream, HEADERS)
        client.exchange()

    assert client.h2.outbound_flow_control_window >= 65535 - 2 * 16384


def test_what_comes_of_a_frame_after_a_reset_does_not_shrink_the_window_either():
    session = opened(connection_window=65535)
    for stream in range(1, 41, 2):
        piece = body(stream, b"x" * 16384).serialize()
        session.receive(head(stream, end=False).serialize() + piece[:1000])
        session.reset(stream, 8)
        session.receive(piece[1000:])
        session.take()

    assert session.receive(frames(head(41, end=False), body(41, b"x" * 16384)))[-1][0] == DATA


def test_a_body_over_the_window_breaks_the_protocol():
    session = opened(stream_window=65535, connection_window=65535)
    sent = frames(head(1, end=False), *(body(1, b"x" * 16384, end=False) for _ in range(5)))

    _, error = outcome(session, sent)

    assert error is not None
    assert error.code == 3  # FLOW_CONTROL_ERROR
    session.respond(1, HEADERS)
    assert session.send(1, b"to nobody") == 0
    assert [type(frame) for frame in written(session)] == [GoAwayFrame]


def test_a_long_answer_arrives_as_the_client_reads():
    client = Client(Session())
    stream = client.unary()
    client.exchange()
    data = bytes(range(256)) * 4096
    client.session.answer(stream, HEADERS, data, TRAILERS)
    read = 0
    while (CLOSED, stream, 0) not in client.events:
        client.exchange(limit=1000)
        pieces = client.of(DataReceived, stream)[read:]
        read += len(pieces)
        for piece in pieces:
            client.h2.acknowledge_received_data(piece.flow_controlled_length, stream)

    assert b"".join(event.data for event in client.of(DataReceived, stream)) == data


def test_take_gives_about_as_much_as_was_asked_for():
    session = opened()
    session.receive(
        frames(head(1), WindowUpdateFrame(0, window_increment=10**6), WindowUpdateFrame(1, window_increment=10**6))
    )
    session.answer(1, HEADERS, b"x" * 500_000, TRAILERS)
    sizes = [len(piece) for piece in iter(lambda: session.take(20_000), b"")]

    assert len(sizes) > 10
    assert all(20_000 <= size <= 20_000 + 16_384 + 18 for size in sizes[:-1])
    assert sum(sizes) > 500_000


def test_streams_take_turns():
    session = opened()
    session.receive(frames(*(WindowUpdateFrame(0, window_increment=10**6), head(1), head(3), head(5))))
    for stream in (1, 3, 5):
        session.answer(stream, HEADERS, b"x" * 60_000, TRAILERS)
    order = [frame.stream_id for frame in written(session) if isinstance(frame, DataFrame)]

    assert len(order) == 12
    assert all(set(order[place : place + 3]) == {1, 3, 5} for place in range(0, 12, 3))
