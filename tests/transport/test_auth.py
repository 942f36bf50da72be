"""Authentication: API keys, anonymous callers, the models that a key may use."""

from __future__ import annotations

import hashlib

import grpc
import pytest
from dragoman import v1
from dragoman_service.settings.settings import SettingsError, load
from google.longrunning import operations_pb2, operations_pb2_grpc

KEYS = {"keys": [{"id": name, "sha256": hashlib.sha256(f"key-of-{name}".encode()).hexdigest()} for name in "ab"]}


@pytest.mark.parametrize("scheme", ["Bearer", "Api-Key", "bearer", "API-KEY"])
async def test_a_known_key_is_taken_under_both_schemes(start_service, prompt, scheme):
    service = await start_service(access=KEYS)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        metadata = [("authorization", f"{scheme} key-of-a")]
        completion = await v1.CompletionServiceStub(channel).CreateCompletion(prompt("hi"), metadata=metadata)

    assert completion.choices[0].message.parts[0].text == "hi"


@pytest.mark.parametrize(
    ("metadata", "allowed"),
    [
        ({"x-goog-api-key": "key-of-a"}, True),
        ({"x-api-key": "key-of-a"}, True),
        ({"x-api-key": "wrong"}, False),
        ({"x-goog-api-key": "wrong"}, False),
        ({"x-goog-api-key": "wrong", "authorization": "Bearer key-of-a"}, True),
        ({"x-goog-api-key": "key-of-a", "authorization": "Bearer wrong"}, False),
    ],
)
async def test_a_bare_key_counts_where_there_is_no_authorization(start_service, prompt, metadata, allowed):
    service = await start_service(access=KEYS)
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        call = v1.CompletionServiceStub(channel).CreateCompletion(prompt("hi"), metadata=list(metadata.items()))

        assert (await call.code() is grpc.StatusCode.OK) is allowed


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "CREDENTIALS_MISSING"),
        ("Bearer wrong", "CREDENTIALS_INVALID"),
        ("Basic key-of-a", "CREDENTIALS_INVALID"),
        ("key-of-a", "CREDENTIALS_INVALID"),
        ("Bearer ", "CREDENTIALS_INVALID"),
    ],
)
async def test_every_other_credential_is_refused_with_one_text(start_service, prompt, refused, header, reason):
    service = await start_service(access=KEYS)
    metadata = [("authorization", header)] if header else []
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        refusal = await refused(stub.CreateCompletion(prompt(), metadata=metadata))
        stream = await refused(anext(aiter(stub.StreamCompletion(prompt(), metadata=metadata))))

    for said in (refusal, stream):
        assert (said.code, said.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)
        assert said.message == "Send a valid API key as HTTP header or gRPC metadata: `authorization: Bearer KEY`."


async def test_a_key_is_limited_to_its_models(start_service, prompt, refused):
    limited = {**KEYS["keys"][0], "models": ["b/*"]}
    service = await start_service({"a": {"plugin": "echo"}, "b": {"plugin": "echo"}}, access={"keys": [limited]})
    metadata = [("authorization", "Bearer key-of-a")]
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        allowed = await stub.CreateCompletion(prompt(model="b/echo"), metadata=metadata)
        refusal = await refused(stub.CreateCompletion(prompt(model="a/echo"), metadata=metadata))
        start = v1.StartCompletionRequest(request=prompt(model="a/echo"))
        not_started = await refused(stub.StartCompletion(start, metadata=metadata))
        listed = await v1.ModelServiceStub(channel).ListModels(v1.ListModelsRequest(), metadata=metadata)

    assert allowed.provider == "b"
    for said in (refusal, not_started):
        assert (said.code, said.reason) == (grpc.StatusCode.PERMISSION_DENIED, "MODEL_NOT_ALLOWED")
    assert [model.name for model in listed.models] == ["b/echo"]


@pytest.mark.parametrize("listener", ["grpc", "http", "metrics"])
def test_without_keys_only_loopback_is_listened_on(listener):
    with pytest.raises(SettingsError) as caught:
        load(None, {}, {f"server.{listener}": "0.0.0.0:0"})
    said_so = load(None, {}, {f"server.{listener}": "0.0.0.0:0", "access.anonymous": True})
    with_keys = load(None, {}, {f"server.{listener}": "0.0.0.0:0", "access": KEYS})

    assert "dragoman keys create" in str(caught.value)
    assert said_so.allows_anonymous
    assert not with_keys.allows_anonymous


async def test_callers_without_a_key_know_each_others_operations_by_name_only(start_service, prompt, refused):
    service = await start_service(access={"anonymous": True, "anonymous_listing": False, **KEYS})
    key = [("authorization", "Bearer key-of-a")]
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        operations = operations_pb2_grpc.OperationsStub(channel)
        start = v1.StartCompletionRequest(request=prompt("hi"))
        operation = await v1.CompletionServiceStub(channel).StartCompletion(start)
        read = await operations.GetOperation(operations_pb2.GetOperationRequest(name=operation.name))
        listing = await refused(operations.ListOperations(operations_pb2.ListOperationsRequest()))
        own = await operations.ListOperations(operations_pb2.ListOperationsRequest(), metadata=key)
        get = operations.GetOperation(operations_pb2.GetOperationRequest(name=operation.name), metadata=key)
        foreign = await refused(get)

    assert read.name == operation.name
    assert (listing.code, listing.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
    assert list(own.operations) == []
    assert foreign.reason == "OPERATION_NOT_FOUND"
