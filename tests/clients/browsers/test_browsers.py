"""docs/browsers.md: Envoy translates gRPC-Web for a real browser, which can also call the service itself."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import front
import pytest
from dragoman_service.testing.serving import serving

BUILT = front.ROOT / "build" / "browsers" / "page.js"
BROWSER = (
    *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
HELLO = {"model": "echo", "messages": [{"role": "ROLE_USER", "parts": [{"text": "Hello there!"}]}]}
REPORT = {
    "complete": "Hello there!",
    "stream": ["one", " two", " three", "one two three"],
    "left": "a",
    "operation": ["later", "later"],
    "invalid": {
        "code": "INVALID_ARGUMENT",
        "reason": "INVALID_FIELD",
        "fields": ["generation_config.temperature"],
        "id": True,
    },
    "late": {"code": "DEADLINE_EXCEEDED", "reason": "UNSPECIFIED", "fields": [], "id": False},
    "unreachable": {"code": "UNAVAILABLE", "reason": "UNSPECIFIED", "fields": [], "id": False},
}
"""What the page reports, whatever the way to the service."""
pytestmark = pytest.mark.timeout(300)


class Front(NamedTuple):
    """The addresses of Envoy and of the page, and what the page reports."""

    proxy: str
    origin: str
    report: asyncio.Future[dict[str, object]]


@pytest.fixture(scope="module")
def page() -> Path:
    """The page's script, bundled for browsers."""
    subprocess.run(["make", "--no-print-directory", "typescript", "envoy"], cwd=front.ROOT, check=True)
    esbuild = ("node_modules/.bin/esbuild", "test/page.ts", "--bundle", "--format=esm", "--target=es2022")
    subprocess.run([*esbuild, f"--outfile={BUILT}"], cwd=front.ROOT / "clients/typescript", check=True)
    return BUILT


@pytest.fixture
async def ends(page: Path, tmp_path: Path) -> AsyncIterator[Front]:
    async with AsyncExitStack() as stack:
        front.descriptors(tmp_path)
        upstream = await stack.enter_async_context(front.service(tmp_path))
        origin, report = await stack.enter_async_context(front.pages(page))
        yield Front(await stack.enter_async_context(front.envoy(tmp_path, upstream, origin)), origin, report)


async def curl(url: str, *options: str) -> tuple[str, str]:
    """The head and the body of curl's answer."""
    command = ("curl", "--silent", "--show-error", "--no-buffer", "--max-time", "30", "--include", url, *options)
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    head, _, body = output.decode().partition("\r\n\r\n")
    return head.lower(), body


async def post(front: Front, method: str, request: dict[str, Any]) -> tuple[str, str]:
    url = f"{front.proxy}/dragoman.v1.{method}"
    return await curl(url, "--header", "content-type: application/json", "--data", json.dumps(request))


async def test_json(ends: Front) -> None:
    head, body = await post(ends, "CompletionService/CreateCompletion", HELLO)
    assert head.startswith("http/1.1 200")
    assert json.loads(body)["choices"][0]["message"]["parts"] == [{"text": "Hello there!"}]

    _, body = await post(ends, "CompletionService/StreamCompletion", HELLO)
    events = [json.loads(line) for line in body.splitlines()]
    assert "".join(event.get("delta", {}).get("text", "") for event in events) == "Hello there!"
    assert "completion" in events[-1]["finished"]

    head, body = await post(ends, "CompletionService/CreateCompletion", {**HELLO, "model": "nobody"})
    error = json.loads(body)
    assert head.startswith("http/1.1 404")
    assert (error["code"], error["details"][0]["reason"]) == (5, "MODEL_NOT_FOUND")

    _, body = await post(ends, "ModelService/ListModels", {})
    assert "echo/echo" in [model["name"] for model in json.loads(body)["models"]]


async def test_pages_of_other_origins(ends: Front) -> None:
    url = f"{ends.proxy}/dragoman.v1.CompletionService/CreateCompletion"
    ask = ("--request", "OPTIONS", "--header", "access-control-request-method: POST")
    allowed, _ = await curl(url, *ask, "--header", f"origin: {ends.origin}")
    assert f"access-control-allow-origin: {ends.origin}" in allowed
    refused, _ = await curl(url, *ask, "--header", "origin: http://elsewhere.example")
    assert "access-control-allow-origin" not in refused


async def test_grpc_web_in_a_browser(ends: Front, tmp_path: Path) -> None:
    async with opened(f"{ends.origin}/?proxy={ends.proxy}", tmp_path):
        assert await asyncio.wait_for(ends.report, 90) == REPORT


async def test_the_service_itself_in_a_browser(page: Path, tmp_path: Path) -> None:
    async with (
        front.pages(page) as (origin, report),
        serving(settings={"server.cors_origins": [origin]}) as served,
        opened(f"{origin}/?service=http://{served.running.http_address}", tmp_path),
    ):
        assert await asyncio.wait_for(report, 90) == REPORT


@asynccontextmanager
async def opened(address: str, folder: Path) -> AsyncIterator[None]:
    """A browser that shows a page."""
    if shutil.which("chromium") is None:
        pytest.fail("chromium is not installed. Install it (Debian: chromium), then run `make test-clients` again.")
    command = (*BROWSER, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-port=0")
    async with front.running(*command, address, folder=folder):
        yield
