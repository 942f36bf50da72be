"""Times HTTP/2 sessions without I/O: a unary gRPC call with an echo of 100 bytes, fed from recorded bytes.

Ours against PyPI's h2, in interleaved rounds. The figures are CPU time; the ratio holds on other machines.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Sequence

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
NEEDED = {
    "dragoman_http2": "built by `make dev` where a C compiler and nghttp2's headers are",
    "h2": "of the group dev",
}

Serve = Callable[[bytes], bytes]  # one exchange: the bytes of a request for those of its response


def main() -> None:
    for module, hint in NEEDED.items():
        if importlib.util.find_spec(module) is None:
            print(f"http2_session: skipped, {module} is not installed ({hint})")
            return
    opening, requests = recorded()
    times: dict[str, list[float]] = {"dragoman_http2": [], "h2": []}
    for _ in range(ROUNDS):
        for name, start in (("dragoman_http2", ours), ("h2", peers)):
            times[name].append(timed(start(opening), requests))
    best = {name: min(found) for name, found in times.items()}
    for name, found in times.items():
        spread = f"{min(found):.1f} to {max(found):.1f}, median {statistics.median(found):.1f}"
        print(f"{name:<16}{best[name]:8.1f} µs a call ({spread})")
    print(f"h2 takes {best['h2'] / best['dragoman_http2']:.0f} times as long")


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


def peers(opening: bytes) -> Serve:
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


if __name__ == "__main__":
    main()
