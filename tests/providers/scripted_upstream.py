"""An upstream of OpenAI's dialect that does what a test tells it, on a real socket, and a provider of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError, Provider
from dragoman_service.providers.openai.provider import OpenAIProvider, open_openai
from dragoman_service.providers.openai.settings import OpenAISettings
from local_asking import CALL, request

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
ASKED = request("user: Hi")


def data(**chunk: object) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def piece(text: str, finish: str | None = None) -> bytes:
    return data(choices=[{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}])


def whole(status: int, body: object, *headers: str) -> bytes:
    """A whole answer with its head."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"content-length: {len(text)}", "connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + text


GOOD = piece("Hel") + piece("lo") + piece("", "stop") + b"data: [DONE]\n\n"


class Upstream:
    """Reads one request a connection and does what `serve` does with it."""

    def __init__(self, serve: Act) -> None:
        self.serve = serve
        self.requests: list[tuple[bytes, dict[str, object]]] = []
        self.open = 0
        self.port = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int((head.lower().partition(b"content-length:")[2].split() or [b"0"])[0])
            self.requests.append((head, json.loads(await reader.readexactly(length) or b"{}")))
            serving = asyncio.ensure_future(self.serve(self, writer))
            left = asyncio.ensure_future(reader.read())
            await asyncio.wait({serving, left}, return_when=asyncio.FIRST_COMPLETED)
            serving.cancel()
            left.cancel()
        finally:
            self.open -= 1
            writer.close()


Act = Callable[[Upstream, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(act: Act) -> AsyncIterator[Upstream]:
    upstream = Upstream(act)
    server = await asyncio.start_server(upstream.connected, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()


class Serve:
    """Starts an upstream that does this with each request, and a provider of it with these settings."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def __call__(self, act: Act, **settings: object) -> tuple[OpenAIProvider, Upstream]:
        upstream = await self._stack.enter_async_context(listening(act))
        table = {"base_url": f"http://127.0.0.1:{upstream.port}/v1/", "models": ["m", "n"], "api_key": "sk-test"}
        given = {key: value for key, value in (table | settings).items() if value is not None}
        return await self._stack.enter_async_context(open_openai(OpenAISettings.model_validate(given))), upstream


def answering(*pieces: bytes, wait: float = 0.0) -> Act:
    """Sends these, with a pause after each."""

    async def act(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
        for bytes_ in pieces:
            writer.write(bytes_)
            await writer.drain()
            await asyncio.sleep(wait)

    return act


def then_silent(*pieces: bytes, wait: float = 0.0) -> Act:
    """Sends these, with a pause after each, and then nothing while the connection stays."""

    async def act(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
        await answering(*pieces, wait=wait)(upstream, writer)
        await asyncio.Event().wait()

    return act


async def failure(provider: Provider, asked: v1.CompletionRequest = ASKED) -> tuple[str, CompletionError]:
    """What was delivered, and the error after it."""
    delivered = ""
    with pytest.raises(CompletionError) as failed:
        async with aclosing(provider.complete(asked, CALL)) as events:  # type: ignore[type-var]
            async for event in events:
                delivered += event.delta.text
    return delivered, failed.value
