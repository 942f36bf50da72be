"""Two workers that do a little of everything, so that all metrics have something to show."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import grpc
import trustme
from dragoman import v1
from google.longrunning import operations_pb2, operations_pb2_grpc
from supervised import Supervised, supervised

SETTINGS = """
[access]
open_metrics = true
{keys}
[providers.echo]
delay = "2ms"
[providers.slow]
plugin = "echo"
first_delay = "300ms"
[providers.weak]
plugin = "echo"
fail_after = 0
fail_retry_after = "10ms"
[providers.closed]
plugin = "echo"
fail_after = 0
fail_code = "FAILED_PRECONDITION"
fail_reason = "PROVIDER_CREDENTIALS"
[providers.local]
[models.best]
targets = ["closed/echo", "echo/echo"]
choose = "first"
[models.hedged]
targets = ["slow/echo", "echo/echo"]
choose = "first"
hedge = {{ after = "50ms", extra = 1.0 }}
[models.narrow]
targets = ["slow/echo"]
concurrency = 2
queue = {{ length = 4, wait = "10s" }}
[routing]
breaker = {{ failures = 20 }}
[prices."echo/*"]
input = "2.50"
output = "10"
[limits.teams.search]
cost = {{ month = "1 USD" }}
[limits.keys.shadow]
enforce = false
requests = {{ minute = 1, burst = 1 }}
[limits.keys.rated]
requests = {{ minute = 1, burst = 1 }}
"""
KEYS = ("search", "shadow", "rated")


class Busy:
    """The running service, and calls of it."""

    def __init__(self, service: Supervised, channel: grpc.aio.Channel) -> None:
        self.service = service
        self._completions = v1.CompletionServiceStub(channel)
        self._operations = operations_pb2_grpc.OperationsStub(channel)

    async def round(self) -> None:
        """One of each kind of call, several at a time."""
        await asyncio.gather(
            *(self._call("search", model) for model in ("echo", "best", "best", "hedged", "local", "nothing")),
            *(self._call("search", "narrow") for _ in range(12)),
            *(self._call(key, "echo") for key in ("shadow", "rated") for _ in range(3)),
            *(self._call("search", "weak/echo") for _ in range(8)),
            self._stream(),
            self._operation(),
            self._http("echo", stream=False),
            self._http("echo", stream=True),
            self._http("nothing", stream=False),
        )

    async def _call(self, key: str, model: str) -> None:
        with suppress(grpc.aio.AioRpcError):
            await self._completions.CreateCompletion(_request(model), metadata=_metadata(key), timeout=30)

    async def _stream(self) -> None:
        async for _ in self._completions.StreamCompletion(_request("echo"), metadata=_metadata("search")):
            pass

    async def _operation(self) -> None:
        start, metadata = v1.StartCompletionRequest(request=_request("echo")), _metadata("search")
        operation = await self._completions.StartCompletion(start, metadata=metadata)
        await self._operations.WaitOperation(
            operations_pb2.WaitOperationRequest(name=operation.name), metadata=metadata
        )

    async def _http(self, model: str, *, stream: bool) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": "one two"}], "stream": stream}
        url, headers = f"http://{self.service.http}/v1/chat/completions", dict(_metadata("search"))
        async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as answer:
            await answer.read()


def _request(model: str) -> v1.CompletionRequest:
    request = v1.CompletionRequest(model=model)
    request.messages.add(role=v1.ROLE_USER).parts.add(text="one two three")
    request.generation_config.max_output_tokens = 8
    return request


def _metadata(key: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {key}")]


def _key(name: str) -> str:
    team = 'team = "search"\n' if name == "search" else ""
    return f'[[access.keys]]\nid = "{name}"\nsha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\n{team}'


@asynccontextmanager
async def busy_service(folder: Path) -> AsyncIterator[Busy]:
    """Starts it, with TLS for gRPC."""
    ca = trustme.CA()
    pair = ca.issue_cert("127.0.0.1")
    pair.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    pair.private_key_pem.write_to_path(str(folder / "server.key"))
    tls = f'tls = {{certificate="{folder}/server.pem", key="{folder}/server.key"}}'
    settings = SETTINGS.format(keys="".join(map(_key, KEYS)))
    async with supervised(folder, settings, tls) as service:
        await service.wait_until_serving()
        credentials = grpc.ssl_channel_credentials(ca.cert_pem.bytes())
        async with grpc.aio.secure_channel(service.grpc, credentials) as channel:
            yield Busy(service, channel)
