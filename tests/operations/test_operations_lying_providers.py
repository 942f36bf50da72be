"""An operation ends, and soon, whatever its provider raises or reports at its end."""

import asyncio
import math

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.testing import Scripted, choice_finished, delta, serving, usage
from google.longrunning import operations_pb2
from google.rpc import code_pb2, error_details_pb2


def lie(**attributes):
    error = CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, "away")
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (lie(retry_after=math.nan), "PROVIDER_UNAVAILABLE"),
        (lie(retry_after=math.inf), "PROVIDER_UNAVAILABLE"),
        (lie(retry_after=1e300), "PROVIDER_UNAVAILABLE"),
        (lie(message=b"bytes", metadata={1: 2}, fields=(3,)), "PROVIDER_UNAVAILABLE"),
        (lie(message="\ud800" * 1_000_000), "PROVIDER_UNAVAILABLE"),
        (lie(code="x"), "PLUGIN_FAILED"),
        (lie(reason=v1.ERROR_REASON_SHUTTING_DOWN), "PLUGIN_FAILED"),
        (lie(reason=v1.ERROR_REASON_CANCELLED, code=code_pb2.CANCELLED), "PLUGIN_FAILED"),
        (usage(2**62, 1), "PROVIDER_MALFORMED"),
        (usage(-1, 1), "PROVIDER_MALFORMED"),
        (choice_finished(finish_reason=77), "PROVIDER_MALFORMED"),
        (SystemExit("out"), "PLUGIN_FAILED"),
        (KeyboardInterrupt(), "PLUGIN_FAILED"),
        (asyncio.CancelledError(), "PLUGIN_FAILED"),
    ],
    ids=[
        *("NaN", "infinite", "1e300", "wrong types", "surrogates", "wrong code", "shutting down", "cancelled"),
        *("enormous usage", "negative usage", "finish reason", "SystemExit", "KeyboardInterrupt", "CancelledError"),
    ],
)
async def test_an_operation_ends_with_a_sound_error_whatever_its_provider_does(step, reason):
    provider = Scripted(delta("a"), step, choice_finished())
    prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="?")])
    request = v1.CompletionRequest(model="p/scripted", messages=[prompt])
    async with asyncio.timeout(20), serving({"p": provider}) as served:
        started = await served.completions.StartCompletion(v1.StartCompletionRequest(request=request))
        wait = operations_pb2.WaitOperationRequest(name=started.name)
        wait.timeout.FromSeconds(5)
        ended = await served.operations.WaitOperation(wait)

    info = error_details_pb2.ErrorInfo()
    assert ended.done
    assert ended.error.details[0].Unpack(info)
    assert info.reason == reason
    assert info.metadata["provider"] == "p"
