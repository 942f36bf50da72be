"""A gRPC client gets its answers through a session."""

import asyncio

import grpc
from dragoman_http2 import DATA, REQUEST, Session

STATUS_OK = [(b"grpc-status", b"0")]
HEADERS = [(b":status", b"200"), (b"content-type", b"application/grpc")]


class Echo(asyncio.Protocol):
    """Answers each request with its body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.session = Session()
        self.bodies: dict[int, bytearray] = {}
        self.flush()

    def data_received(self, data: bytes) -> None:
        for event in self.session.receive(data):
            if event[0] == REQUEST:
                self.bodies[event[1]] = bytearray()
            elif event[0] == DATA:
                self.bodies[event[1]] += event[2]
                self.session.consume(event[1], len(event[2]))
                if event[3]:
                    self.session.answer(event[1], HEADERS, self.bodies.pop(event[1]), STATUS_OK)
        self.flush()

    def flush(self) -> None:
        while data := self.session.take():
            self.transport.write(data)


async def test_a_grpc_client_gets_its_answers() -> None:
    async with await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with grpc.aio.insecure_channel(address) as channel:
            echo = channel.unary_unary("/any.Service/Echo")
            bodies = [b"", b"short", b"x" * 1_000_000, *(b"%d" % number for number in range(500))]
            assert await asyncio.gather(*(echo(body, timeout=30) for body in bodies)) == bodies
