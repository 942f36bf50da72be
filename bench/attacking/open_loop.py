"""A client that sends gRPC calls at a rate, whether or not they are answered. It writes frames by itself, because a
client library takes longer for a call than the service does."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
MOST_STREAMS = 990  # the service allows 1,000 on a connection
LARGEST_WINDOW = 2**31 - 1
TICK = 0.003  # seconds between two rounds of sending
PROMPT = 1.0  # seconds before which no deadline passes
WORDS = 100  # bytes of trailers that only a refusal with details has


@dataclass(slots=True)
class Outcomes:
    """What became of the calls. Times in seconds."""

    served: list[float] = field(default_factory=list)
    refused: int = 0
    """With an error of the service, which has details."""
    cancelled: int = 0
    """By gRPC, in CANCELLED."""
    late: int = 0
    """At their deadline, or otherwise without an answer."""


@dataclass(slots=True)
class _Sent:
    at: float
    outcomes: Outcomes
    answered: bool = False


class Connection(asyncio.Protocol):
    """One HTTP/2 connection."""

    def __init__(self) -> None:
        self.open: dict[int, _Sent] = {}
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next, self._window, self._rest = 1, 65_535, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        windows = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, LARGEST_WINDOW))
        transport.write(PREFACE + windows + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGEST_WINDOW - 65_535)))

    def send(self, calls: Iterable[tuple[bytes, bytes, Outcomes]]) -> None:
        """Sends calls, each a header block and a message. One for which there is no stream counts as late."""
        assert self._transport is not None
        pieces, now = [], time.perf_counter()
        for block, message, outcomes in calls:
            if len(self.open) >= MOST_STREAMS or self._window < len(message):
                outcomes.late += 1
                continue
            stream, self._next = self._next, self._next + 2
            self._window -= len(message)
            self.open[stream] = _Sent(now, outcomes)
            pieces += [frame(HEADERS, END_HEADERS, stream, block), frame(DATA, END_STREAM, stream, message)]
        self._transport.write(b"".join(pieces))

    def data_received(self, data: bytes) -> None:
        data, at = self._rest + data, 0
        while len(data) - at >= 9:
            size = int.from_bytes(data[at : at + 3], "big")
            if len(data) - at < 9 + size:
                break
            kind, flags = data[at + 3 : at + 5]
            self._received(kind, flags, int.from_bytes(data[at + 5 : at + 9], "big"), data[at + 9 : at + 9 + size])
            at += 9 + size
        self._rest = data[at:]

    def _received(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        assert self._transport is not None
        if kind == DATA and payload and stream in self.open:
            self.open[stream].answered = True
        elif kind == RST_STREAM:
            self._ended(stream, b"")
        elif kind == HEADERS and flags & END_STREAM:
            self._ended(stream, payload)
        elif kind == SETTINGS and not flags & ACK:
            self._transport.write(frame(SETTINGS, ACK, 0, b""))
            if not self.ready.done():
                self.ready.set_result(None)
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE and not stream:
            self._window += int.from_bytes(payload, "big")

    def _ended(self, stream: int, trailers: bytes) -> None:
        sent = self.open.pop(stream, None)
        if sent is None:
            return
        if sent.answered:
            sent.outcomes.served.append(time.perf_counter() - sent.at)
        elif len(trailers) > WORDS:
            sent.outcomes.refused += 1
        elif b"CANCELLED" in trailers:
            sent.outcomes.cancelled += 1
        elif trailers and time.perf_counter() - sent.at < PROMPT:  # its words were sent before, and HPACK repeats them
            sent.outcomes.refused += 1
        else:
            sent.outcomes.late += 1

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


async def connected(address: str, count: int) -> list[Connection]:
    """So many connections to the gRPC listener at `address`."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    made = [(await loop.create_connection(Connection, host, int(port)))[1] for _ in range(count)]
    for connection in made:
        await connection.ready
    return made


async def at_rate(
    connections: Sequence[Connection], block: bytes, message: bytes, rate: float, seconds: float
) -> Outcomes:
    """Sends `rate` calls a second for so long, and returns once all of them have ended."""
    outcomes, sent, begin = Outcomes(), 0, time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds:
        due = int(passed * rate) - sent
        for number, connection in enumerate(connections):
            share = len(range((number - sent) % len(connections), due, len(connections)))
            connection.send([(block, message, outcomes)] * share)
        sent += due
        await asyncio.sleep(TICK)
    await idle(connections)
    return outcomes


async def idle(connections: Sequence[Connection]) -> None:
    """Returns once no call is under way."""
    while any(connection.open for connection in connections):  # noqa: ASYNC110 - frames tell nobody
        await asyncio.sleep(TICK)


async def in_turn(
    connections: Sequence[Connection], block: bytes, message: bytes, at_once: int, seconds: float
) -> Outcomes:
    """Keeps so many calls under way for so long: what is served then is the capacity."""
    outcomes, begin = Outcomes(), time.perf_counter()
    while time.perf_counter() - begin < seconds:
        for connection in connections:
            connection.send([(block, message, outcomes)] * (at_once // len(connections) - len(connection.open)))
        await asyncio.sleep(0.001)
    return outcomes


def head(path: str, deadline: float) -> bytes:
    """The header block of a call. `deadline` is in seconds."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "here",
        "te": "trailers",
        "content-type": "application/grpc",
        "grpc-timeout": f"{deadline * 1000:.0f}m",
    }
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())


def body(message: bytes) -> bytes:
    """A message as gRPC frames it."""
    return b"\0" + struct.pack(">I", len(message)) + message


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame as it is on the wire."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _text(value: str) -> bytes:
    raw = value.encode()
    assert len(raw) < 127, "longer texts have another form"
    return bytes([len(raw)]) + raw
