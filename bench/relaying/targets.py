"""The targets of the benchmark, over HTTP or gRPC. All return the same words for the same order, or the run ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from dragoman import v1
from grpc import aio

from relaying.connections import Pool
from relaying.processes import Program
from relaying.words import Arrivals, Order, delays_in, microseconds, words_in

OPEN = Order("open", 1)
_STREAMS = 100  # streams of a gRPC connection, where thousands are open
_SERVICE = "/dragoman.v1.CompletionService"
_STREAM = f"{_SERVICE}/StreamCompletion"


class BusyError(Exception):
    """The gateway takes no further stream now."""


class Peer(Protocol):
    """A client of one target."""

    async def call(self, order: Order) -> int:
        """Requests a whole answer and returns the number of its words."""
        ...

    async def stream(self, order: Order, delays: list[float]) -> int:
        """Requests a stream and returns the number of its words. Adds the seconds that paced ones were under way."""
        ...

    async def open(self) -> Callable[[], None]:
        """Requests a stream that does not end, and returns when its first word has come. The result closes it.

        Raises BusyError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """A peer with its name in the tables. `program` is the gateway in front of the upstream; None: there is none."""

    name: str
    peer: Peer
    program: Program | None


class HttpPeer:
    """A chat completions API over HTTP."""

    def __init__(
        self,
        port: int,
        model: str,
        path: str = "/v1/chat/completions",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._pool = Pool("127.0.0.1", port, headers)
        self._model = model
        self._path = path
        self._bodies: dict[tuple[Order, bool], bytes] = {}

    async def call(self, order: Order) -> int:
        return await self._ask(order, stream=False)

    async def stream(self, order: Order, delays: list[float]) -> int:
        arrivals: Arrivals | None = [] if order.rate else None
        words = await self._ask(order, stream=True, arrivals=arrivals)
        delays += delays_in(arrivals or ())
        return words

    async def open(self) -> Callable[[], None]:
        status, close = await self._pool.open(self._path, self._body(OPEN, stream=True), b" tok")
        if status != 200:
            close()
            raise BusyError(f"HTTP {status}")
        return close

    async def serves(self) -> bool:
        """Whether the server has this API."""
        status, _ = await self._pool.post(self._path, self._body(Order("packed", 1), stream=False))
        return status not in (404, 405)

    async def _ask(self, order: Order, *, stream: bool, arrivals: Arrivals | None = None) -> int:
        status, body = await self._pool.post(self._path, self._body(order, stream=stream), arrivals)
        if status != 200:
            raise SystemExit(f"{self._model} answered with HTTP {status}: {body[:2000].decode(errors='replace')}")
        return words_in(body)

    def _body(self, order: Order, *, stream: bool) -> bytes:
        if (order, stream) not in self._bodies:
            asked: dict[str, object] = {"model": self._model, "messages": [{"role": "user", "content": order.prompt}]}
            asked["max_tokens"] = order.tokens
            streamed = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
            self._bodies[order, stream] = json.dumps({**asked, **streamed}).encode()
        return self._bodies[order, stream]


class GrpcPeer:
    """A CompletionService. It sends and receives bytes, because building and parsing messages is not measured."""

    def __init__(self, channel: aio.Channel, address: str, model: str) -> None:
        self._address = address
        self._channels: list[aio.Channel] = []  # for streams that stay open
        self._open = 0
        self._unary: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"{_SERVICE}/CreateCompletion")
        self._stream: aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(_STREAM)
        self._model = model
        self._requests: dict[Order, bytes] = {}

    async def call(self, order: Order) -> int:
        with self._failures():
            return words_in(await self._unary(self._request(order)))

    async def stream(self, order: Order, delays: list[float]) -> int:
        """Returns the number of words in a stream, without those that its last event repeats."""
        with self._failures():
            arrivals = [(microseconds(), message) async for message in self._stream(self._request(order))]
        if v1.CompletionEvent.FromString(arrivals[-1][1]).HasField("finished"):
            arrivals.pop()
        if order.rate:
            delays += delays_in(arrivals)
        return sum(words_in(message) for _, message in arrivals)

    async def open(self) -> Callable[[], None]:
        if self._open % _STREAMS == 0:
            alone = [("grpc.use_local_subchannel_pool", 1)]
            self._channels.append(aio.insecure_channel(self._address, alone))
        self._open += 1
        asked: aio.UnaryStreamMultiCallable[bytes, bytes] = self._channels[-1].unary_stream(_STREAM)
        call = asked(self._request(OPEN))
        try:
            async for message in call:
                if words_in(message):
                    break
        except aio.AioRpcError as error:
            raise BusyError(error.details()) from None

        def close() -> None:
            call.cancel()

        return close

    async def close(self) -> None:
        """Closes the connections of the streams that stayed open."""
        for channel in self._channels:
            await channel.close()
        self._channels.clear()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except aio.AioRpcError as error:
            raise SystemExit(f"{self._model} answered with {error.code().name}: {error.details()}") from None

    def _request(self, order: Order) -> bytes:
        if order not in self._requests:
            message = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=order.prompt)])
            config = v1.GenerationConfig(max_output_tokens=order.tokens)
            asked = v1.CompletionRequest(model=self._model, messages=[message], generation_config=config)
            self._requests[order] = asked.SerializeToString()
        return self._requests[order]
