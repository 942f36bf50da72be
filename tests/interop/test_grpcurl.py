"""grpcurl against the service on the native transport: it needs reflection, which is a stream in both directions."""

from __future__ import annotations

import asyncio
import json

import pytest
from dragoman_service.testing.serving import serving

REQUEST = {"model": "echo", "messages": [{"role": "ROLE_USER", "parts": [{"text": "Hello"}]}]}


@pytest.fixture
async def ask(program):
    async with serving(settings={"server.transport": "native"}) as service:

        async def run(*words: str) -> str:
            options, rest = words[:-1], words[-1].split()
            command = [program("grpcurl"), "-plaintext", *options, service.running.grpc_address, *rest]
            process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
            async with asyncio.timeout(30):
                out, complaint = await process.communicate()
            assert process.returncode == 0, complaint.decode()
            return out.decode()

        yield run


async def test_grpcurl_lists_and_describes(ask):
    listed = (await ask("list")).split()

    assert {"dragoman.v1.CompletionService", "grpc.health.v1.Health"} <= set(listed)
    assert "CreateCompletion" in await ask("describe dragoman.v1.CompletionService")


async def test_grpcurl_completes_and_streams(ask):
    request = json.dumps(REQUEST)
    whole = json.loads(await ask("-d", request, "dragoman.v1.CompletionService/CreateCompletion"))
    streamed = await ask("-d", request, "dragoman.v1.CompletionService/StreamCompletion")

    assert "Hello" in json.dumps(whole)
    assert '"finished"' in streamed
