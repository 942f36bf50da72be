"""The log line of a call says which attempts were made, and why targets were left out."""

from __future__ import annotations

import grpc
from dragoman import v1
from structlog.testing import capture_logs


async def test_a_log_line_has_the_attempts_the_skipped_targets_and_the_session(start_service):
    failing = {"plugin": "echo", "fail_after": 0, "fail_code": "FAILED_PRECONDITION", "fail_reason": "PROVIDER_QUOTA"}
    models = {"best": {"targets": ["a/echo", "b/echo"]}}
    service = await start_service({"a": failing, "b": {"plugin": "echo"}}, models=models)
    request = v1.CompletionRequest(model="best", prompt="one two")
    lines = []
    with capture_logs() as captured:
        async with grpc.aio.insecure_channel(service.grpc_address) as channel:
            stub = v1.CompletionServiceStub(channel)
            await stub.CreateCompletion(request, timeout=20)
            request.routing.session = "a secret session"
            await stub.CreateCompletion(request, timeout=20)
        lines = [line for line in captured if line["event"] == "rpc.done"]

    assert [attempt[:3] for attempt in lines[0]["attempts"]] == [
        ("a", "first", "PROVIDER_QUOTA"),
        ("b", "fallback", ""),
    ]
    assert lines[1]["skipped"] == ["a/echo: breaker"]
    assert len(lines[1]["session"]) == 8
    assert "secret" not in str(lines)
