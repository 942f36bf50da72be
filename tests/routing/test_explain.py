"""Where a request would be sent, as operators see it: by RPC and on the command line."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys

import pytest
from dragoman import AsyncClient, PermissionDeniedError, v1

ECHO = {"plugin": "echo"}
OTHER = {"plugin": "openai", "base_url": "http://127.0.0.1:1", "models": ["echo2"], "api_key": "k"}


def best(**changes):
    targets = [
        {"model": "a/echo", "when": {"labels": {"tier": "free"}, "callers": ["batch-*"]}},
        {"model": "b/echo", "weight": 3},
        {"model": "c/echo2", "priority": 1, "when": {"input_tokens_under": 100}},
    ]
    return {"best": {"targets": targets, **changes}}


async def test_every_target_has_a_verdict(start_service):
    service = await start_service({"a": ECHO, "b": ECHO, "c": OTHER}, models=best())
    async with AsyncClient(service.grpc_address) as client:
        request = v1.CompletionRequest(model="best", labels={"tier": "free"})
        found = await client.explain_route(request, caller="batch-7", input_tokens=50)
        other = await client.explain_route(v1.CompletionRequest(model="best"), input_tokens=100)

    assert [(each.model, each.verdict) for each in found.targets] == [
        ("a/echo", "chosen"),
        ("b/echo", "chosen"),
        ("c/echo2", "chosen"),
    ]
    assert (found.entry, found.input_tokens) == ("best", 50)
    assert {each.model: each.verdict for each in other.targets} == {
        "b/echo": "chosen",
        "a/echo": "condition",
        "c/echo2": "condition",
    }


async def test_a_key_without_the_scope_sees_no_routes(start_service):
    keys = [
        {"id": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": scopes}
        for name, scopes in (("plain", []), ("admin", ["admin.read"]))
    ]
    service = await start_service({"a": ECHO}, access={"keys": keys})
    request = v1.CompletionRequest(model="a/echo")
    async with AsyncClient(service.grpc_address, api_key="plain") as client:
        with pytest.raises(PermissionDeniedError) as refused:
            await client.explain_route(request)
    async with AsyncClient(service.grpc_address, api_key="admin") as client:
        found = await client.explain_route(request)

    assert refused.value.reason == "SCOPE_MISSING"
    assert [each.verdict for each in found.targets] == ["chosen"]


async def test_the_command_prints_a_table_or_json(start_service):
    service = await start_service({"a": ECHO, "b": ECHO, "c": OTHER}, models=best())
    command = [sys.executable, "-m", "dragoman_service", "route", "explain", "best", "--target", service.grpc_address]
    table = await _run(*command, "--facts", "input_tokens=5", "--facts", "label.tier=free", "--facts", "caller=batch-1")
    plain = await _run(*command, "--json")
    wrong = await _run(*command, "--facts", "colour=red")

    assert [line.split()[:2] for line in table.stdout.splitlines()[1:4]] == [
        ["a/echo", "chosen"],
        ["b/echo", "chosen"],
        ["c/echo2", "chosen"],
    ]
    assert json.loads(plain.stdout)["entry"] == "best"
    assert wrong.returncode == 2
    assert "input_tokens=N" in wrong.stderr


async def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
