"""A gRPC server for tests of clients: prompts script its answers, tests its failures; it records its calls."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from dragoman import v1
from dragoman_service.errors import CompletionError
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from grpc import aio

CALL_ID = "call-1"
FINISHED_LATER = "broken off by the script"


@dataclass
class Seen:
    """One call that reached the server."""

    method: str
    request: Any
    metadata: dict[str, str | bytes]
    remaining: float | None


@dataclass
class Failure:
    """How a call fails: `status` and `trailers` are sent as trailers."""

    code: grpc.StatusCode
    details: str = ""
    status: bytes | None = None
    trailers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, error: CompletionError, *trailers: tuple[str, str]) -> Failure:
        status = error.status(CALL_ID)
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        return cls(code, status.message, status.SerializeToString(), trailers)

    async def abort(self, context: aio.ServicerContext) -> None:
        details = () if self.status is None else (("grpc-status-details-bin", self.status),)
        await context.abort(self.code, self.details, (*details, *self.trailers))


def text_of_request(request: v1.CompletionRequest) -> str:
    return request.messages[-1].parts[0].text


def completion(request: v1.CompletionRequest) -> v1.Completion:
    answer = v1.Message(role=v1.ROLE_ASSISTANT, parts=[v1.Part(text=text_of_request(request))])
    choice = v1.Choice(message=answer, finish_reason=v1.FINISH_REASON_STOP)
    return v1.Completion(name="completions/1", requested_model=request.model, choices=[choice], labels=request.labels)


def sequence_of(*steps: v1.Delta | v1.Retracted | v1.Finished, operation: str = "") -> list[v1.CompletionEvent]:
    """The events of a completion, numbered from 1; each of its attempts begins with `started`."""
    fields = {v1.Started: "started", v1.Delta: "delta", v1.Retracted: "retracted", v1.Finished: "finished"}
    started = v1.Started(completion="completions/1", operation=operation)
    parts: list[Any] = [started]
    for step in steps:
        parts += [step, started] if isinstance(step, v1.Retracted) else [step]
    return [v1.CompletionEvent(sequence=n, **{fields[type(part)]: part}) for n, part in enumerate(parts, 1)]


class ScriptedService(v1.CompletionServiceServicer, v1.ModelServiceServicer, operations_pb2_grpc.OperationsServicer):
    """Echoes prompts, except "endless", "unfinished", "failing" and "slow", whose answers are what the words say.

    Each item of `failures` fails one call, whatever its method. A stream whose request has CONTINUE, and every
    attached stream, replay `log`. Each number in `breaks` interrupts one such stream after the event with that
    number, in the order of the calls: with `broken`, or with status OK if `broken` is None.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.failures: deque[Failure] = deque()
        self.stream_failure: Failure | None = None
        self.log: list[v1.CompletionEvent] = []
        self.breaks: deque[int] = deque()
        self.broken: Failure | None = Failure(grpc.StatusCode.UNAVAILABLE, "gone")
        self.under_way = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.operations: dict[str, operations_pb2.Operation] = {}
        self.operation_changed = asyncio.Condition()

    def calls(self, method: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == method]

    async def _enter(self, method: str, request: Any, context: aio.ServicerContext) -> None:
        metadata = dict(context.invocation_metadata() or ())
        self.seen.append(Seen(method, request, metadata, context.time_remaining()))
        if self.failures:
            await self.failures.popleft().abort(context)

    async def CreateCompletion(self, request, context):
        await self._enter("CreateCompletion", request, context)
        if text_of_request(request) == "slow":
            await self._hang()
        return completion(request)

    async def StreamCompletion(self, request, context):
        await self._enter("StreamCompletion", request, context)
        if request.disconnect_policy == v1.DISCONNECT_POLICY_CONTINUE:
            async for event in self._replay(0, context):
                yield event
            return
        text = text_of_request(request)
        yield v1.CompletionEvent(sequence=1, started=v1.Started(completion="completions/1"))
        if text == "unfinished":
            return
        if text == "failing":
            yield v1.CompletionEvent(
                sequence=2, finished=v1.Finished(error=Status.FromString(self.stream_failure.status))
            )
            await self.stream_failure.abort(context)
        if text == "endless":
            try:
                yield v1.CompletionEvent(sequence=2, delta=v1.Delta(text="on and"))
            except GeneratorExit:  # the caller has left before this went on
                self.hung_up.set()
                raise
            await self._hang()
        for number, word in enumerate(text.split(" ")):
            yield v1.CompletionEvent(sequence=number + 2, delta=v1.Delta(text=f" {word}" if number else word))
        yield v1.CompletionEvent(sequence=number + 3, finished=v1.Finished(completion=completion(request)))

    async def _hang(self) -> None:
        self.under_way.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.hung_up.set()
            raise

    async def AttachCompletion(self, request, context):
        await self._enter("AttachCompletion", request, context)
        async for event in self._replay(request.after_sequence, context):
            yield event

    async def _replay(self, after: int, context: aio.ServicerContext) -> AsyncIterator[v1.CompletionEvent]:
        last = self.breaks.popleft() if self.breaks else len(self.log)
        for event in self.log[after:last]:
            yield event
        if last < len(self.log):
            if self.broken is not None:
                await self.broken.abort(context)
            return
        if self.log[-1].WhichOneof("event") != "finished":
            await self._hang()
        if self.log[-1].finished.HasField("error"):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "as it finished")

    async def StartCompletion(self, request, context):
        await self._enter("StartCompletion", request, context)
        operation = operations_pb2.Operation(name=f"operations/{len(self.operations) + 1}")
        metadata = v1.CompletionOperationMetadata(state=v1.CompletionOperationMetadata.STATE_QUEUED)
        operation.metadata.Pack(metadata)
        self.operations[operation.name] = operation
        return operation

    async def GetCompletionRequest(self, request, context):
        await self._enter("GetCompletionRequest", request, context)
        return v1.CompletionRequest(model="local")

    async def CountTokens(self, request, context):
        await self._enter("CountTokens", request, context)
        return v1.CountTokensResponse(input_tokens=len(text_of_request(request).split()), tokenizer="words")

    async def Tokenize(self, request, context):
        await self._enter("Tokenize", request, context)
        text = request.text or text_of_request(request.request)
        return v1.TokenizeResponse(tokens=[v1.Token(id=i, text=word) for i, word in enumerate(text.split())])

    async def ListModels(self, request, context):
        await self._enter("ListModels", request, context)
        page = int(request.page_token or "1")
        return v1.ListModelsResponse(
            models=[v1.Model(name=f"echo/{page}")], next_page_token="" if page == 3 else str(page + 1)
        )

    async def GetModel(self, request, context):
        await self._enter("GetModel", request, context)
        return v1.Model(name=f"echo/{request.name}")

    async def GetOperation(self, request, context):
        await self._enter("GetOperation", request, context)
        return self.operations[request.name]

    async def ListOperations(self, request, context):
        await self._enter("ListOperations", request, context)
        start = int(request.page_token or "0")
        names = sorted(self.operations)[start : start + request.page_size]
        more = start + request.page_size < len(self.operations)
        return operations_pb2.ListOperationsResponse(
            operations=[self.operations[name] for name in names],
            next_page_token=str(start + request.page_size) if more else "",
        )

    async def WaitOperation(self, request, context):
        await self._enter("WaitOperation", request, context)
        try:
            async with asyncio.timeout(request.timeout.ToTimedelta().total_seconds()), self.operation_changed:
                await self.operation_changed.wait_for(lambda: self.operations[request.name].done)
        except TimeoutError:
            pass
        return self.operations[request.name]

    async def CancelOperation(self, request, context):
        await self._enter("CancelOperation", request, context)
        cancelled = Status(code=code_pb2.CANCELLED, message="The operation was cancelled.")
        await self.finish(request.name, lambda operation: operation.error.CopyFrom(cancelled))
        return Empty()

    async def DeleteOperation(self, request, context):
        await self._enter("DeleteOperation", request, context)
        del self.operations[request.name]
        return Empty()

    async def finish(self, name: str, change: Callable[[operations_pb2.Operation], Any]) -> None:
        """Ends an operation after applying `change`."""
        async with self.operation_changed:
            operation = operations_pb2.Operation()
            operation.CopyFrom(self.operations[name])
            change(operation)
            operation.done = True
            self.operations[name] = operation
            self.operation_changed.notify_all()

    async def answer(self, name: str, text: str) -> None:
        """Ends an operation with the answer `text`."""
        request = v1.CompletionRequest(messages=[v1.Message(parts=[v1.Part(text=text)])])
        await self.finish(name, lambda operation: operation.response.Pack(completion(request)))


@asynccontextmanager
async def serving(
    service: ScriptedService, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[str]:
    """Runs a server with `service` and yields its address."""
    server = aio.server(options=[("grpc.so_reuseport", 0)])
    v1.add_CompletionServiceServicer_to_server(service, server)
    v1.add_ModelServiceServicer_to_server(service, server)
    operations_pb2_grpc.add_OperationsServicer_to_server(service, server)
    host = address.rpartition(":")[0]
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    try:
        yield f"{host}:{port}"
    finally:
        await server.stop(None)
