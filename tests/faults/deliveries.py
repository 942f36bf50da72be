"""Calls a service in four ways, over gRPC and HTTP, complete and streamed, with outcomes of one shape."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
from dragoman import v1
from dragoman_service.testing.serving import Served
from google.rpc import code_pb2, error_details_pb2
from google.rpc.status_pb2 import Status

TIMEOUT = 10.0  # seconds
KNOWN_AS = {"rate_limit_exceeded": "PROVIDER_RATE_LIMITED", "insufficient_quota": "PROVIDER_QUOTA"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a caller received."""

    delivered: str
    """The text up to the end or the error."""
    code: str
    """The name of the status, `OK` for a complete answer."""
    reason: str = ""
    retryable: bool = False
    retry_after: float | None = None
    http: int = 0
    """The HTTP status, 0 for gRPC. It is 200 for a stream that had begun."""
    seen: str = ""
    """All bytes that reached the caller, as text."""


@dataclass(frozen=True, slots=True)
class Door:
    """A service as its callers see it: a stub and the addresses of its listeners."""

    completions: Any
    grpc: str
    http: str


def door_of(served: Served) -> Door:
    """The door of a service in this process."""
    return Door(served.completions, served.running.grpc_address, served.running.http_address)


Delivery = Callable[[Door, str], Awaitable[Outcome]]


def request_of(model: str) -> v1.CompletionRequest:
    return v1.CompletionRequest(model=model, messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hi")])])


async def grpc_complete(door: Door, model: str) -> Outcome:
    try:
        completion = await door.completions.CreateCompletion(request_of(model), timeout=TIMEOUT)
    except grpc.aio.AioRpcError as error:
        return _failed(error, "")
    return Outcome(_text(completion), "OK")


async def grpc_stream(door: Door, model: str) -> Outcome:
    """The RPC's status, which must agree with the event `finished`."""
    delivered, finished, failure = "", v1.Finished(), None
    try:
        async for event in door.completions.StreamCompletion(request_of(model), timeout=TIMEOUT):
            delivered += event.delta.text
            finished = event.finished
    except grpc.aio.AioRpcError as error:
        failure = error
    if failure is None:
        assert _text(finished.completion) == delivered
        return Outcome(delivered, "OK")
    assert finished.error == _status(failure)
    return _failed(failure, delivered)


def _text(completion: v1.Completion) -> str:
    return "".join(part.text for choice in completion.choices for part in choice.message.parts)


def _status(error: grpc.aio.AioRpcError) -> Status:
    return Status.FromString(dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b""))


def _failed(error: grpc.aio.AioRpcError, delivered: str) -> Outcome:
    status = _status(error)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        for message in (info, retry):
            detail.Unpack(message)
    waits = any(detail.Is(retry.DESCRIPTOR) for detail in status.details)
    assert status.code == error.code().value[0], "the status and its details disagree"
    return Outcome(
        delivered,
        code_pb2.Code.Name(status.code),
        info.reason,
        retryable=info.metadata["retryable"] == "true",
        retry_after=retry.retry_delay.ToMilliseconds() / 1000 if waits else None,
        seen=f"{error.details()} {status} {error.trailing_metadata()}",
    )


async def http_complete(door: Door, model: str) -> Outcome:
    async with aiohttp.ClientSession() as session, session.post(url_of(door), json=body_of(model)) as response:
        raw = await response.read()
        answer = json.loads(raw)
        if response.status == 200:
            return Outcome(answer["choices"][0]["message"]["content"], "OK", http=200)
        return _refused(response, answer, raw)


async def http_stream(door: Door, model: str) -> Outcome:
    """An error in mid-stream must come as an event, after which the connection must break."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url_of(door), json=body_of(model) | {"stream": True}) as response,
    ):
        if response.status != 200:
            raw = await response.read()
            return _refused(response, json.loads(raw), raw)
        raw, broken = await _until_the_end(response)
    events = [line.removeprefix("data: ") for line in raw.decode().split("\n") if line.startswith("data: ")]
    delivered, error = _read(events)
    if error is None:
        assert (events[-1], broken) == ("[DONE]", False)
        return Outcome(delivered, "OK", http=200)
    assert (broken, "[DONE]" in events) == (True, False)
    return Outcome(delivered, "", reason_of(error), http=200, seen=raw.decode())


def url_of(door: Door) -> str:
    return f"http://{door.http}/v1/chat/completions"


def body_of(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hi"}]}


def reason_of(error: dict[str, Any]) -> str:
    """The reason that the code of an error object stands for."""
    return KNOWN_AS.get(error["code"], error["code"].upper())


def _refused(response: aiohttp.ClientResponse, answer: dict[str, Any], raw: bytes) -> Outcome:
    wait = response.headers.get("retry-after")
    again = response.headers.get("x-should-retry") != "false" and response.status in (408, 409, 429, 500, 503, 504)
    return Outcome(
        "",
        "",
        reason_of(answer["error"]),
        retryable=again,
        retry_after=float(wait) if wait else None,
        http=response.status,
        seen=f"{response.headers} {raw.decode()}",
    )


async def _until_the_end(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """All bytes, and whether the connection broke after them."""
    raw = bytearray()
    try:
        async for data in response.content.iter_any():
            raw += data
    except aiohttp.ClientPayloadError:
        return bytes(raw), True
    return bytes(raw), False


def _read(events: list[str]) -> tuple[str, dict[str, Any] | None]:
    delivered = ""
    for event in events:
        told = {} if event == "[DONE]" else json.loads(event)
        if "error" in told:
            return delivered, told["error"]
        for choice in told.get("choices", ()):
            delivered += choice["delta"].get("content") or ""
    return delivered, None


DELIVERIES: dict[str, Delivery] = {
    "gRPC complete": grpc_complete,
    "gRPC stream": grpc_stream,
    "HTTP complete": http_complete,
    "HTTP stream": http_stream,
}
