"""Pings, drains, and the ends of connections."""

from __future__ import annotations

import pytest
from dragoman_http2 import CLOSED, GOAWAY, PONG, REQUEST, Session, SessionError
from h2.events import ConnectionTerminated, PingReceived
from http2_peer import HEADERS, REQUEST_HEADERS, Client
from http2_peer import TRAILERS as STATUS


@pytest.fixture
def client() -> Client:
    return Client(Session())


def test_a_ping_has_its_answer_both_ways(client: Client):
    client.session.ping(b"12345678")
    client.h2.ping(b"abcdefgh")

    assert client.exchange() == [(PONG, 0, b"12345678")]
    assert [event.ping_data for event in client.seen if isinstance(event, PingReceived)] == [b"12345678"]


def test_a_drain_in_two_steps_finishes_after_the_last_stream(client: Client):
    session = client.session
    first = client.unary()
    client.exchange()
    session.notice()
    late = client.unary()  # on its way while the notice is
    assert (REQUEST, late, REQUEST_HEADERS, False) in client.exchange()
    session.goaway()
    client.exchange()
    ends = [event.last_stream_id for event in client.seen if isinstance(event, ConnectionTerminated)]

    assert ends == [2**31 - 1, late]
    for stream in (first, late):
        assert not session.finished
        session.answer(stream, HEADERS, b"", STATUS)
        assert (CLOSED, stream, 0) in [(kind, number, code) for kind, number, code in _sent(client)]
    assert session.finished


def _sent(client: Client) -> list[tuple[int, int, int]]:
    client.session.take()  # the client's library reads no more after a GOAWAY
    return client.session.events()  # type: ignore[return-value]


def test_a_goodbye_with_an_error_of_our_own_is_no_error_of_the_peer(client: Client):
    client.session.goaway(2)
    client.h2.ping(b"abcdefgh")
    client.session.receive(client.h2.data_to_send())
    client.see(client.session.take())

    assert [event.error_code for event in client.seen if isinstance(event, ConnectionTerminated)] == [2]
    assert client.session.finished


def test_a_peer_that_goes_away_says_so(client: Client):
    stream = client.unary()
    client.exchange()
    client.h2.close_connection(error_code=0)

    assert client.session.receive(client.h2.data_to_send()) == [(GOAWAY, 0, 0)]
    assert not client.session.finished
    client.session.answer(stream, HEADERS, b"", STATUS)
    client.session.take()
    assert client.session.finished


def test_a_session_of_another_protocol_fails_and_says_goodbye():
    session = Session()
    with pytest.raises(SessionError, match="magic") as caught:
        session.receive(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")

    assert caught.value.code == 1
    assert caught.value.reason == str(caught.value)
    assert not session.finished
    assert session.take().endswith(b"\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01")  # GOAWAY, PROTOCOL_ERROR
    assert session.take() == b""
    assert session.finished
    with pytest.raises(SessionError, match="magic"):
        session.receive(b"")
