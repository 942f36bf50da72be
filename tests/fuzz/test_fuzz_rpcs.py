"""Each gRPC method, as reflection lists them, with requests that no program means to send."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import Any

import grpc
from dragoman_service.testing.serving import serving
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message_factory import GetMessageClass
from messages import Messages
from reflected import Rpc, rpcs_of
from service_log import Log
from values import cases
from verdict import LONGEST, is_ours, reason_of, unharmed

WAITING = ("Watch", "WaitOperation")  # what answers only when something happens
OF_THE_CLIENT = "Internal error from Core"  # what grpc.aio makes of a write that comes after the answer
FIRST = 64  # answers that are read of a stream
WORDS: dict[str, list[Any]] = {
    "model": ["echo"],
    "model_uri": ["gpt://folder/echo", "echo"],
    "role": [3, "user"],
    "text": ["one two"],
    "page_size": [1, 2],
    "list_services": ["*"],
}
MESSAGE = {"role": "ROLE_USER", "parts": [{"text": "one two"}]}
TOOL = {"function": {"name": "f", "parameters_json_schema": "{}"}}
CONFIG = {"temperature": 1, "max_output_tokens": 9, "response_format": {"json_object": {}}}
COMPLETION = {
    "model": "echo",
    "messages": [MESSAGE],
    "tools": [TOOL],
    "labels": {"a": "b"},
    "generation_config": CONFIG,
}
FOREIGN = {
    "model_uri": "gpt://f/echo",
    "messages": [{"role": "user", "text": "one two"}],
    "completion_options": {"max_tokens": 9},
}
CONTENT = {"role": "user", "parts": [{"text": "one two"}, {"function_call": {"name": "f", "args": {"a": 1}}}]}
COUNTED = {"model": "models/echo", "contents": [CONTENT]}
GENERATED = {
    **COUNTED,
    "tools": [{"function_declarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}],
    "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}],
    "generation_config": {"temperature": 1, "max_output_tokens": 9, "top_k": 4, "stop_sequences": ["x"]},
}
SOUND: list[dict[str, Any]] = [{"request": COMPLETION}, COMPLETION, FOREIGN, GENERATED, COUNTED, {}]
"""Sound requests, of which each method gets those that are of its type."""


def requests_of(chance: Random, messages: Messages, rpc: Rpc) -> list[bytes]:
    """One request as a rule, and sometimes none or several."""
    found = []
    for _ in range(chance.choice((1, 1, 1, 1, 1, 1, 1, 1, 0, 3))):
        message = messages.random(chance, rpc.request)
        if chance.random() < 0.6:
            message = messages.mutated(chance, sound(rpc))
        found.append(messages.encoded(chance, message))
    return found


def sound(rpc: Rpc) -> Any:
    """The first of the sound requests that has the method's type."""
    for request in SOUND:
        try:
            return ParseDict(request, GetMessageClass(rpc.request)(), descriptor_pool=rpc.request.file.pool)
        except ParseError:
            continue
    raise LookupError(rpc.path)


async def answered(channel: grpc.aio.Channel, rpc: Rpc, requests: list[bytes]) -> tuple[list[bytes], str, str]:
    """The first answers, the code, and the reason of the error."""
    call = channel.stream_stream(rpc.path)(timeout=LONGEST if rpc.name not in WAITING else 0.03)
    answers: list[bytes] = []
    # The method may answer before it has read all.
    with suppress(grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
        for request in requests:
            await call.write(request)
        await call.done_writing()
    try:
        async for answer in call:
            answers.append(answer)
            if len(answers) >= FIRST:
                call.cancel()
                return answers, "OK", ""
    except grpc.aio.AioRpcError as error:
        if error.details() == OF_THE_CLIENT:
            return answers, "OK", ""
        return answers, error.code().name, reason_of(error.trailing_metadata()) or error.details() or ""
    return answers, "OK", ""


async def test_no_request_harms_a_method(logged: Log) -> None:
    async with serving() as served, unharmed(logged, served):
        rpcs, messages = await rpcs_of(served.channel), Messages(WORDS)
        for rpc in rpcs:
            for chance in cases(rpc.path, 24):
                requests = requests_of(chance, messages, rpc)
                answers, code, reason = await answered(served.channel, rpc, requests)

                assert not is_ours(code, reason), (rpc.path, code, reason, requests)
                assert code != "DEADLINE_EXCEEDED" or rpc.name in WAITING, (rpc.path, requests)
                for answer in answers[:3]:
                    messages.learn(GetMessageClass(rpc.answer).FromString(answer))
    assert {rpc.name for rpc in rpcs} > {"CreateCompletion", "ListOperations", "TokenizeCompletion", "Check"}
    assert len(asyncio.all_tasks()) < 10
