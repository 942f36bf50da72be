"""Upstreams that send damaged answers: each call ends in time, with an answer or with the error of a provider."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from random import Random
from typing import Any

import grpc
import trees
from dragoman import v1
from dragoman.dialect.yandex import v1 as y
from dragoman_service.dialects.yandex.names import OPERATION_GET, RESPONSE_TYPE
from dragoman_service.testing.serving import Served, serving
from google.protobuf.any_pb2 import Any as Any_
from messages import Messages
from scripted_upstream import Script, upstream_of
from service_log import Log
from upstream_bytes import CHUNKED, DONE, answer, chunk
from values import cases, mutated_bytes
from verdict import LONGEST, is_ours, reason_of, unharmed

CASES = json.loads((Path(__file__).parent.parent / "faults" / "upstream_cases.json").read_text())
STREAMS = ["".join(step for step in case["script"]["send"] if isinstance(step, str)).encode() for case in CASES]
COMPLETE = {
    "id": "1",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "one",
                "reasoning_content": "r",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            "logprobs": {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]},
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 1}},
}
ERRORS = [
    {"error": {"message": "m", "type": "t", "code": "c", "param": None, "metadata": {"raw": "x"}}},
    [{"error": {"code": 429, "message": "m", "status": "S"}}],
    {"base_resp": {"status_code": 1, "status_msg": "m"}},
    {"detail": [{"loc": ["body"], "msg": "m"}]},
]
TIMEOUTS = {"first_token_timeout": "1s", "idle_timeout": "1s"}
ASKED = v1.CompletionRequest(
    model="up/m",
    messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="hi")])],
    tools=[v1.Tool(function=v1.FunctionTool(name="f", parameters_json_schema="{}"))],
)


def script_of(chance: Random) -> Script:
    """A damaged stream, complete answer or error, with any status and content type."""
    kind = chance.choice(("text/event-stream",) * 3 + ("application/json", "text/html; charset=utf-16", "\x80"))
    headers = {"retry_after": chance.choice(("1", "-1", "1e400", "nan", "x" * 300, "Thu, 01 Jan 1970 00:00:00 GMT"))}
    match chance.randint(0, 5):
        case 0:
            return (answer(200, trees.mutated(chance, COMPLETE), kind, **headers),)
        case 1:
            status = chance.choice((200, 204, 302, 400, 404, 418, 429, 500, 529, 599))
            return (answer(status, trees.mutated(chance, chance.choice(ERRORS)), kind, **headers),)
        case 2:
            return (mutated_bytes(chance, CHUNKED), mutated_bytes(chance, chunk(chance.choice(STREAMS))))
    lines = chance.choice(STREAMS).splitlines(keepends=True)
    for at, line in enumerate(lines):
        if line.startswith(b"data: {") and chance.random() < 0.4:
            lines[at] = b"data: " + trees.mutated(chance, json.loads(line[6:])) + b"\n" if is_json(line[6:]) else line
    body = b"".join(lines)
    if chance.random() < 0.3:
        body = mutated_bytes(chance, body)
    size = chance.choice((1, 7, 1000))
    pieces = [chunk(body[at : at + size]) for at in range(0, min(len(body), 4000), max(size, len(body) // 50))]
    return (CHUNKED, *pieces, *((chunk(DONE),) if chance.random() < 0.3 else ()), b"0\r\n\r\n")


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


async def outcomes(served: Served, model: str = "up/m") -> list[tuple[str, str]]:
    """The code and reason of a complete and of a streamed answer."""
    request = v1.CompletionRequest()
    request.CopyFrom(ASKED)
    request.model = model

    async def stream() -> None:
        events = [event async for event in served.completions.StreamCompletion(request, timeout=LONGEST)]
        assert events[-1].HasField("finished")

    return [await outcome(served.completions.CreateCompletion(request, timeout=LONGEST)), await outcome(stream())]


async def outcome(call: Awaitable[Any]) -> tuple[str, str]:
    """The code of a call, and the reason of its error."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code().name, reason_of(error.trailing_metadata())
    return "OK", ""


async def test_no_bytes_of_an_openai_upstream_harm_the_service(logged: Log) -> None:
    async with upstream_of() as upstream:
        table = {"plugin": "openai", "base_url": upstream.url, "models": ["m"], **TIMEOUTS}
        async with serving(None, {"providers": {"up": table}}) as served, unharmed(logged, served):
            for chance in cases("openai", 150):
                upstream.script = script_of(chance)
                for code, reason in await outcomes(served):
                    assert not is_ours(code, reason), (code, reason, upstream.script)
                    assert code != "DEADLINE_EXCEEDED", upstream.script


def sound_pieces() -> list[Any]:
    """A growing answer, and one with a tool call."""
    status = y.Alternative.AlternativeStatus
    usage = y.ContentUsage(input_text_tokens=1, completion_tokens=2, total_tokens=3)
    call = y.ToolCall(function_call=y.FunctionCall(name="f", arguments={"a": 1.5, "b": [None, "x"]}))
    message = y.Message(role="assistant", tool_call_list=y.ToolCallList(tool_calls=[call]))
    texts = [
        y.Alternative(message=y.Message(role="assistant", text=text), status=status.Value(f"ALTERNATIVE_STATUS_{name}"))
        for text, name in (("one", "PARTIAL"), ("one two", "PARTIAL"), ("one two", "FINAL"))
    ]
    called = y.Alternative(message=message, status=status.Value("ALTERNATIVE_STATUS_TOOL_CALLS"))
    return [y.CompletionResponse(alternatives=[one], usage=usage, model_version="1") for one in (*texts, called)]


class DamagedYandex(grpc.GenericRpcHandler):
    """Answers each call with `pieces`, and then, if there is one, with the error `code`. Operations end when polled."""

    pieces: tuple[bytes, ...] = ()
    code: grpc.StatusCode | None = None

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        polled = handler_call_details.method == OPERATION_GET
        return grpc.unary_stream_rpc_method_handler(self._polled if polled else self._answer)

    async def _answer(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.code is not None:
            await context.abort(self.code, "words", (("grpc-status-details-bin", b"\xff\x08\x03"),))

    async def _polled(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield y.Operation(id="1", done=True, error={"code": 8}).SerializeToString()


def sound_answers(way: str) -> list[Any]:
    """The messages of a sound answer to a call of that kind."""
    if way == "tokenize":
        return [y.TokenizeResponse(tokens=[y.Token(id=7, text="one", special=True)], model_version="1")]
    if way == "later":
        response = Any_(type_url=RESPONSE_TYPE, value=sound_pieces()[2].SerializeToString())
        return [y.Operation(id="1", done=True, response=response)]
    return sound_pieces()[:3] if way == "text" else sound_pieces()[3:]


async def asked(served: Served, way: str) -> list[tuple[str, str]]:
    if way != "tokenize":
        return await outcomes(served, "later/m" if way == "later" else "up/m")
    return [await outcome(served.completions.Tokenize(v1.TokenizeRequest(model="up/m", text="one"), timeout=LONGEST))]


async def test_no_messages_of_a_yandex_upstream_harm_the_service(logged: Log) -> None:
    damaged, server = DamagedYandex(), grpc.aio.server()
    server.add_generic_rpc_handlers((damaged,))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    table = {"plugin": "yandex", "endpoint": address, "operations_endpoint": address, "tls": False, "folder_id": "f"}
    table |= {"models": ["m"], "attempts": 1, **TIMEOUTS}
    providers = {"up": table, "later": table | {"asynchronous": True}}
    try:
        async with serving(None, {"providers": providers}) as served, unharmed(logged, served):
            messages = Messages({})
            for chance in cases("yandex", 120):
                way = chance.choice(("text", "text", "calls", "tokenize", "later"))
                pieces = [messages.mutated(chance, one) if chance.random() < 0.5 else one for one in sound_answers(way)]
                damaged.pieces = tuple(messages.encoded(chance, one) for one in pieces)
                damaged.code = chance.choice((None, None, *(code for code in grpc.StatusCode if code.value[0])))
                for code, reason in await asked(served, way):
                    assert not is_ours(code, reason), (code, reason, damaged.pieces)
                    assert code != "DEADLINE_EXCEEDED" or reason, damaged.pieces
    finally:
        await server.stop(None)
