"""Times HTTP/2 sessions without I/O: a unary gRPC call with an echo of 100 bytes, fed from recorded bytes.

Ours against PyPI's h2, in interleaved rounds. The figures are CPU time; the ratio holds on other machines.
"""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

CALLS, ROUNDS = 2000, 5
BODY = b"\0\0\0\0\x5f" + b"x" * 95
REQUEST = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/dragoman.v1.CompletionService/CreateCompletion"),
    (b":authority", b"127.0.0.1:50051"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"grpc-python-asyncio/1.85.1 grpc-c/58.0.0 (linux; chttp2)"),
    (b"grpc-accept-encoding", b"identity, deflate, gzip"),
    (b"grpc-timeout", b"30S"),
]
HEADERS = [(b":status", b"200"), (b"content-type", b"application/grpc")]
TRAILERS = [(b"grpc-status", b"0")]
HINTS = {
    "dragoman_http2": "`make dev` builds it where a C compiler and nghttp2's headers are",
    "h2": "it is of the group dev",
    "ngh2": "it is no dependency; `.venv/bin/pip install ngh2` adds it",
}

Serve = Callable[[bytes], bytes]  # one exchange: the bytes of a request for those of its response


def main() -> None:
    for name, hint in HINTS.items():
        if not installed(name):
            print(f"{name} is not installed ({hint}): skipped")
    if not installed("dragoman_http2") or not installed("h2"):
        return
    opening, requests = recorded()
    starts = {"dragoman_http2": ours, "h2": pure_python, **({"ngh2": wrapper} if installed("ngh2") else {})}
    times: dict[str, list[float]] = {name: [] for name in starts}
    for _ in range(ROUNDS):
        for name, start in starts.items():
            times[name].append(timed(start(opening), requests))
    best = min(times["dragoman_http2"])
    for name, found in times.items():
        spread = f"to {max(found):.1f}, median {statistics.median(found):.1f}"
        print(f"{name:<16}{min(found):8.1f} µs a call ({spread}), {min(found) / best:.1f} times ours")


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def recorded() -> tuple[bytes, Sequence[bytes]]:
    """What a client sends: its opening, then a request at a time. Repeated headers are indexes of its table."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from hpack import Encoder
    from hyperframe.frame import DataFrame, HeadersFrame, WindowUpdateFrame

    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    opening = client.data_to_send() + WindowUpdateFrame(0, window_increment=2**30).serialize()
    encoder = Encoder()
    requests = []
    for stream in range(1, 2 * CALLS, 2):
        head = HeadersFrame(stream, encoder.encode(REQUEST), flags=["END_HEADERS"])
        requests.append(head.serialize() + DataFrame(stream, BODY, flags=["END_STREAM"]).serialize())
    return opening, requests


def timed(serve: Serve, requests: Sequence[bytes]) -> float:
    """Microseconds of CPU an exchange."""
    began = time.process_time()
    for request in requests:
        if len(serve(request)) < len(BODY):
            sys.exit("an answer is missing")
    return (time.process_time() - began) / len(requests) * 1e6


def ours(opening: bytes) -> Serve:
    from dragoman_http2 import DATA, Session

    session = Session()
    session.receive(opening)
    session.take()
    receive, take, answer, consume, events = (
        session.receive,
        session.take,
        session.answer,
        session.consume,
        session.events,
    )

    def serve(data: bytes) -> bytes:
        for event in receive(data):
            if event[0] == DATA:
                consume(event[1], len(event[2]))
                answer(event[1], HEADERS, event[2], TRAILERS)
        answered = take()
        events()
        return answered

    return serve


def pure_python(opening: bytes) -> Serve:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import DataReceived

    connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    connection.initiate_connection()
    connection.receive_data(opening)
    connection.data_to_send()

    def serve(data: bytes) -> bytes:
        for event in connection.receive_data(data):
            if isinstance(event, DataReceived):
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                connection.send_headers(event.stream_id, HEADERS)
                connection.send_data(event.stream_id, event.data)
                connection.send_headers(event.stream_id, TRAILERS, end_stream=True)
        return connection.data_to_send()

    return serve


def wrapper(opening: bytes) -> Serve:
    ngh2: Any = importlib.import_module("ngh2")
    connection = ngh2.Connection(ngh2.Role.SERVER, ngh2.Configuration(auto_window_update=False))
    connection.initiate_connection()
    connection.receive_data(opening)
    connection.events()
    connection.data_to_send()

    def serve(data: bytes) -> bytes:
        connection.receive_data(data)
        for event in connection.events():
            if isinstance(event, ngh2.DataReceived):
                connection.acknowledge_received_data(len(event.data), event.stream_id)
                connection.send_response(event.stream_id, HEADERS)
                connection.send_data(event.stream_id, event.data)
                connection.send_trailers(event.stream_id, TRAILERS)
        return bytes(connection.data_to_send())

    return serve


if __name__ == "__main__":
    main()
