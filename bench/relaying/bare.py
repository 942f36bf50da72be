"""The minimum for a Python gRPC server with the same answers: no upstream, one message per token.

`python -m relaying.bare` prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import grpc
import uvloop
from dragoman import v1
from grpc import aio

from relaying.words import TOKENS, Order, stamped


async def answer(request: v1.CompletionRequest, context: object) -> v1.Completion:
    """Returns all words at once."""
    order = Order.read(request.messages[-1].parts[0].text)
    message = v1.Message(role=v1.ROLE_ASSISTANT, parts=[v1.Part(text="".join(TOKENS[: order.tokens]))])
    return v1.Completion(choices=[v1.Choice(message=message)])


async def stream(request: v1.CompletionRequest, context: object) -> AsyncIterator[v1.CompletionEvent]:
    """Sends one message per word, as fast as the client reads or at the rate of the order."""
    order = Order.read(request.messages[-1].parts[0].text)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for number in range(order.tokens):
        if order.rate:
            await asyncio.sleep(begin + (number + 1) / order.rate - loop.time())
        word = stamped() if order.rate else TOKENS[number]
        yield v1.CompletionEvent(sequence=number, delta=v1.Delta(text=word))


async def serve() -> None:
    """Serves until standard input ends."""
    server = aio.server()
    read, methods = v1.CompletionRequest.FromString, {}
    methods["CreateCompletion"] = grpc.unary_unary_rpc_method_handler(answer, read, v1.Completion.SerializeToString)
    methods["StreamCompletion"] = grpc.unary_stream_rpc_method_handler(
        stream, read, v1.CompletionEvent.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("dragoman.v1.CompletionService", methods),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    uvloop.run(serve())
