"""An upstream that sends one kind of noise as fast as it can; the model that is asked for names the kind."""

from __future__ import annotations

import asyncio
import json

CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "%b"}}]}\n\n'
LONG = CHUNK % (b"abcdefgh" * 4000)
LAST = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
ENTRY = '{"token": "abcdefgh", "logprob": -1, "top_logprobs": [%s]}'
TOP = ENTRY % ", ".join(['{"token": "abcdefgh", "logprob": -1}'] * 20)
CHOICE = '{"index": %d, "delta": {"content": "abcdefgh"}, "logprobs": {"content": [%s]}}'
NOISE = {
    "blank": b"\n" * 65536,
    "comment": b": x\n" * 16384,
    "id": b"id: 1\n\n" * 8192,
    "character": CHUNK % b"a" * 1000,
    "text": CHUNK % (b"abcdefgh" * 12) * 500,
    "logprobs": f'data: {{"choices": [{", ".join(CHOICE % (index, TOP) for index in range(8))}]}}\n\n'.encode() * 4,
}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r")[0] or 0)
        model = json.loads(await reader.readexactly(length))["model"]
        writer.write(HEAD + CHUNK % b"go")
        pieces = [LONG] * 220 + [LAST] if model == "long" else None  # 7 MB
        while pieces is None or pieces:
            writer.write(NOISE[model] if pieces is None else pieces.pop(0))
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
