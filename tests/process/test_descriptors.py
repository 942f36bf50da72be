"""Silent connections take neither listener's descriptors, and the log tells when descriptors run out."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from raw_http import asked
from raw_http2 import PREFACE, SETTINGS, frame
from waiting import until


@asynccontextmanager
async def limited(folder, limit: int):
    """The command with so many descriptors: the process, its addresses and its log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    file = folder / "dragoman.toml"
    file.write_text('[server]\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\ndrain_delay = "0s"\n[providers.echo]\n')
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c"),
            f"import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}));"
            "from dragoman_service.__main__ import main; main()",
            *("serve", "--config", str(file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "DRAGOMAN_SERVER__DATA_DIR": str(folder)},
        )
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        addresses = [(await process.stdout.readline()).decode().split()[1] for _ in range(2)]
        yield process, addresses, folder / "log"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def connected(stack: AsyncExitStack, address: str, number: int, opening: bytes) -> None:
    for _ in range(number):
        with suppress(OSError):
            _, writer = await asyncio.open_connection(*address.rsplit(":", 1))
            stack.callback(writer.close)
            writer.write(opening)


@pytest.mark.parametrize("limit", [64, 96, 256])
async def test_silent_connections_starve_neither_listener(tmp_path, limit: int) -> None:
    async with limited(tmp_path, limit) as (process, (grpc_address, http_address), _), AsyncExitStack() as stack:
        await connected(stack, http_address, 300, b"")
        async with asyncio.timeout(5), asked(http_address, "GET", "/readyz") as ready:
            pass
        async with grpc.aio.insecure_channel(grpc_address) as channel:
            health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        await connected(stack, grpc_address, 300, PREFACE + frame(SETTINGS, 0, 0, b""))
        async with asyncio.timeout(5), asked(http_address, "GET", "/livez") as live:
            pass
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            code = await process.wait()

    assert (ready.status, live.status) == (200, 200)
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert code == 0


async def test_the_log_tells_when_descriptors_run_out(tmp_path) -> None:
    async with limited(tmp_path, 64) as (process, _, log):
        soft = len(os.listdir(f"/proc/{process.pid}/fd")) + 4
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, 64))
        await until(lambda: "descriptors.exhausted" in log.read_text())
        records = [json.loads(line) for line in log.read_text().splitlines()]

    (record,) = [record for record in records if record["event"] == "descriptors.exhausted"]
    assert (record["level"], record["limit"]) == ("error", soft)


def test_too_few_descriptors_are_a_mistake_and_not_a_traceback(tmp_path):
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20));"
        "from dragoman_service.__main__ import main; main()"
    )
    command = [sys.executable, "-c", program, "serve", "--data-dir", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert (
        ended.stderr == "error: ulimit -n: the limit of this user is 20, and the service needs 32 at least: raise it\n"
    )
    assert ended.returncode == 2
