"""Requests and responses between a session and an independent client."""

from __future__ import annotations

import pytest
from dragoman_http2 import CLOSED, DATA, REQUEST, RESET, TRAILERS, WRITABLE, Session
from h2.events import DataReceived, ResponseReceived, StreamEnded, TrailersReceived
from http2_peer import HEADERS, REQUEST_HEADERS, Client, head, opened, written
from http2_peer import TRAILERS as STATUS


@pytest.fixture
def client() -> Client:
    return Client(Session())


def received(client: Client, stream: int) -> bytes:
    return b"".join(event.data for event in client.of(DataReceived, stream))


def test_a_request_and_its_answer(client: Client):
    stream = client.unary(b"hello")
    asked = client.exchange()
    client.session.answer(stream, HEADERS, b"world", STATUS)
    ended = client.exchange()

    assert asked == [(REQUEST, stream, REQUEST_HEADERS, False), (DATA, stream, b"hello", True)]
    assert [event.headers for event in client.of(ResponseReceived, stream)] == [HEADERS]
    assert received(client, stream) == b"world"
    assert [event.headers for event in client.of(TrailersReceived, stream)] == [STATUS]
    assert client.of(StreamEnded, stream)
    assert ended == [(CLOSED, stream, 0)]
    assert client.session.streams == 0


def test_a_request_without_a_body_and_a_response_of_headers_alone(client: Client):
    stream = client.open(end=True)
    asked = client.exchange()
    client.session.fail(stream, [*HEADERS, (b"grpc-status", b"5")])
    ended = client.exchange()

    assert asked == [(REQUEST, stream, REQUEST_HEADERS, True)]
    assert client.of(StreamEnded, stream)
    assert not client.of(DataReceived, stream)
    assert ended == [(CLOSED, stream, 0)]


def test_a_request_in_pieces_with_trailers(client: Client):
    stream = client.open()
    asked = client.exchange()
    client.h2.send_data(stream, b"one")
    first = client.exchange()
    client.h2.send_data(stream, b"")
    client.h2.send_data(stream, b"two")
    second = client.exchange()
    client.h2.send_headers(stream, [(b"checksum", b"1")], end_stream=True)

    assert asked == [(REQUEST, stream, REQUEST_HEADERS, False)]
    assert first == [(DATA, stream, b"one", False)]
    assert second == [(DATA, stream, b"two", False)]
    assert client.exchange() == [(TRAILERS, stream, [(b"checksum", b"1")])]


@pytest.mark.parametrize(
    "more", [[(b"a", b"x" * 65_300)], [(b"a%d" % number, b"") for number in range(1780)]], ids=["one", "many"]
)
def test_response_headers_may_be_as_long_as_the_limit(client: Client, more: list[tuple[bytes, bytes]]):
    client.h2.decoder.max_header_list_size = 2**20
    stream = client.open(end=True)
    client.exchange()
    client.session.fail(stream, [*HEADERS, *more])

    assert client.exchange() == [(CLOSED, stream, 0)]
    assert [event.headers for event in client.of(ResponseReceived, stream)] == [[*HEADERS, *more]]


def test_an_end_that_comes_after_the_data_is_an_empty_piece(client: Client):
    stream = client.open()
    client.h2.send_data(stream, b"all")
    client.exchange()
    client.h2.end_stream(stream)

    assert client.exchange() == [(DATA, stream, b"", True)]


def test_a_response_in_pieces(client: Client):
    stream = client.unary()
    client.exchange()
    session = client.session
    session.respond(stream, HEADERS)
    client.exchange()
    waiting = [session.send(stream, piece) for piece in (b"a", bytearray(b"bc"), memoryview(b"def"), b"")]
    client.exchange()
    again = session.send(stream, b"g")
    session.end(stream)

    assert waiting == [1, 3, 6, 6]
    assert again == 1
    assert client.exchange() == [(CLOSED, stream, 0)]
    assert received(client, stream) == b"abcdefg"
    assert not client.of(TrailersReceived, stream)
    assert client.of(StreamEnded, stream)


def test_an_end_after_all_has_been_written_still_has_its_trailers(client: Client):
    stream = client.unary()
    client.exchange()
    client.session.respond(stream, HEADERS)
    client.session.send(stream, b"all")
    client.exchange()
    client.session.end(stream, STATUS)

    assert client.exchange() == [(CLOSED, stream, 0)]
    assert [event.headers for event in client.of(TrailersReceived, stream)] == [STATUS]


def test_trailers_do_not_wait_for_the_window(client: Client):
    stream = client.unary()
    client.exchange()
    client.session.respond(stream, HEADERS)
    client.session.send(stream, b"x" * 65535)  # as much as the client's window takes
    client.exchange()
    client.session.end(stream, STATUS)

    assert client.exchange() == [(CLOSED, stream, 0)]
    assert client.of(TrailersReceived, stream)


def test_an_answer_before_the_request_is_complete_refuses_the_rest(client: Client):
    stream = client.open()
    client.exchange()
    client.session.fail(stream, [*HEADERS, (b"grpc-status", b"7")])

    assert client.exchange() == [(CLOSED, stream, 0)]
    assert client.resets() == [stream]
    assert client.session.streams == 0


def test_a_peer_that_resets_ends_the_stream(client: Client):
    stream = client.unary()
    client.exchange()
    client.session.respond(stream, HEADERS)
    client.session.send(stream, b"never read")
    client.h2.reset_stream(stream, 8)
    events = client.session.receive(client.h2.data_to_send())

    assert events == [(RESET, stream, 8)]
    assert client.session.send(stream, b"more") == 0
    client.session.end(stream, STATUS)
    client.session.consume(stream, 5)
    client.session.reset(stream, 0)
    assert client.exchange() == []


def test_a_stream_that_the_caller_resets_gives_no_more_events(client: Client):
    stream = client.open()
    client.exchange()
    client.session.respond(stream, HEADERS)
    client.session.send(stream, b"x")
    client.session.reset(stream, 2)
    client.h2.send_data(stream, b"late")

    assert client.session.send(stream, b"y") == 0
    client.session.fail(stream, HEADERS)
    assert client.exchange() == []
    assert client.resets() == [stream]
    assert client.session.streams == 0


def test_a_stream_whose_headers_are_not_complete_is_none_yet():
    session = opened()
    request = head(1).serialize()
    assert session.receive(request[:-1]) == []
    session.fail(1, HEADERS)
    assert session.send(1, b"") == 0
    assert session.streams == 0

    assert session.receive(request[-1:]) == [(REQUEST, 1, REQUEST_HEADERS, True)]
    assert written(session) == []
    assert session.streams == 1


def test_calls_that_no_protocol_allows_are_refused(client: Client):
    stream = client.unary()
    client.exchange()
    session = client.session
    for call in (lambda: session.send(stream, b""), lambda: session.end(stream, STATUS)):
        with pytest.raises(RuntimeError, match="no response headers"):
            call()
    for name, value in ((b"a", b"1\n2"), (b"A", b""), (b"a b", b""), (b"", b"")):
        with pytest.raises(ValueError, match="HTTP/2 does not allow"):
            session.respond(stream, [*HEADERS, (name, value)])
    for headers in ([(b"a", "b")], [(b"a",)], [b"ab"], None, 1, [(b"a", b"b", b"c")]):
        with pytest.raises(TypeError):
            session.respond(stream, headers)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="65536"):
        session.respond(stream, [*HEADERS, (b"a", b"x" * 65536)])
    session.respond(stream, HEADERS)
    with pytest.raises(RuntimeError, match="already"):
        session.fail(stream, HEADERS)
    with pytest.raises(TypeError):
        session.send(stream, "text")  # type: ignore[arg-type]
    session.end(stream, STATUS)
    with pytest.raises(RuntimeError, match="ended"):
        session.send(stream, b"")

    assert client.exchange() == [(CLOSED, stream, 0)]


def test_options_that_cannot_be_are_refused():
    for options in ({"low_water": 2, "high_water": 1}, {"connection_window": 65534}, {"stream_window": 2**31}):
        with pytest.raises(ValueError, match=r"window|water"):
            Session(**options)
    with pytest.raises(TypeError):
        Session(1)  # type: ignore[misc]


def test_the_water_marks_tell_when_to_send_on():
    client = Client(Session(high_water=50_000, low_water=10_000))
    stream = client.unary()
    client.exchange()
    session = client.session
    session.respond(stream, HEADERS)
    assert session.send(stream, b"x" * 50_000) == 50_000
    client.exchange()
    assert (WRITABLE, stream, 0) not in client.events
    client.h2.acknowledge_received_data(50_000, stream)
    client.exchange()

    assert session.send(stream, b"x" * 50_001) == 50_001
    waiting = [session.send(stream, b"") for _ in iter(lambda: session.take(1) and not session.events(), False)]
    assert session.send(stream, b"") <= 10_000 < waiting[-1]
    assert WRITABLE not in [event[0] for event in client.exchange()]
