"""The stand-in for the upstream: chat completions over HTTP/1.1, whole and streamed, with as little work as possible.

`python -m relaying.standin` prints its port and serves until its standard input ends. It parses each request and
writes chunks prepared in advance, in the way that the prompt orders.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any, cast

import uvloop

from relaying.words import TOKENS, Order, stamped

_HEAD = b"HTTP/1.1 200 OK\r\nserver: standin\r\n"
_STREAM = _HEAD + b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_WHOLE = _HEAD + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
_NOTHING = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_PROMPT_TOKENS = 24


def _named(kind: str, **keys: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-0123456789", "object": kind, "created": 1760000000, "model": "bench", **keys}


def _framed(text: str) -> bytes:
    event = f"data: {text}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(event), event)


def _chunk(delta: dict[str, str], end: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}
    return _framed(json.dumps(_named("chat.completion.chunk", choices=[choice]), separators=(",", ":")))


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": _PROMPT_TOKENS, "completion_tokens": tokens, "total_tokens": _PROMPT_TOKENS + tokens}


def _last(tokens: int) -> bytes:
    last = _named("chat.completion.chunk", choices=[], usage=_usage(tokens))
    return _chunk({}, "stop") + _framed(json.dumps(last, separators=(",", ":"))) + _framed("[DONE]") + b"0\r\n\r\n"


def _whole(tokens: int) -> bytes:
    message = {"role": "assistant", "content": "".join(TOKENS[:tokens])}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = json.dumps(_named("chat.completion", choices=[choice], usage=_usage(tokens))).encode()
    return _WHOLE % len(body) + body


_FIRST = _chunk({"role": "assistant", "content": ""})
_CHUNKS = [_chunk({"content": token}) for token in TOKENS]
_WORD = stamped().encode()
_STAMPED = _chunk({"content": _WORD.decode()})  # with a word that is replaced


class Connection(asyncio.Protocol):
    """One connection: one request at a time, each with a content-length."""

    def __init__(self) -> None:
        self._held = b""
        self._transport: asyncio.WriteTransport
        self._loop = asyncio.get_running_loop()
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, mark, rest = self._held.partition(b"\r\n\r\n")
        if not mark:
            return
        if head[:5] != b"POST ":  # a gateway that checks whether the server is up
            self._held = rest
            self._transport.write(_NOTHING)
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) >= length:
            self._held = rest[length:]
            self._answer(json.loads(rest[:length]))

    def _answer(self, request: dict[str, Any]) -> None:
        content = request["messages"][-1]["content"]
        order = Order.read(content if isinstance(content, str) else content[0]["text"])
        if not request.get("stream"):
            self._transport.write(_whole(order.tokens))
        elif order.way == "packed":
            self._transport.write(b"".join((_STREAM, _FIRST, *_CHUNKS[: order.tokens], _last(order.tokens))))
        elif order.way == "open":
            self._transport.write(b"".join((_STREAM, _FIRST, *_CHUNKS[: order.tokens])))
        else:
            self._transport.write(_STREAM + _FIRST)
            self._begin(order)

    def _begin(self, order: Order) -> None:
        if order.way == "each":
            self._loop.call_soon(self._each, 0, order.tokens)
        else:
            # A random start, because streams of a real upstream are not synchronized.
            begin = self._loop.time() + random.random() / order.rate  # noqa: S311 - not a secret
            self._loop.call_at(begin, self._paced, 0, order, begin)

    def _each(self, number: int, tokens: int) -> None:
        """Writes one token per turn of the loop, because the transport joins the writes of one turn."""
        if self._lost:
            return
        if number == tokens:
            self._transport.write(_last(tokens))
            return
        self._transport.write(_CHUNKS[number])
        self._loop.call_soon(self._each, number + 1, tokens)

    def _paced(self, number: int, order: Order, begin: float) -> None:
        if self._lost:
            return
        if number == order.tokens:
            self._transport.write(_last(order.tokens))
            return
        self._transport.write(_STAMPED.replace(_WORD, stamped().encode()))
        self._loop.call_at(begin + (number + 1) / order.rate, self._paced, number + 1, order, begin)


async def serve() -> None:
    """Serves until standard input ends."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve())
