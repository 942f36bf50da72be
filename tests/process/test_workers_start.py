"""The start of several workers: what they share, what prevents it, and which secrets stay hidden."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import grpc
import pytest
import trustme
from dragoman import v1
from supervised import ECHO, children, supervised
from waiting import until

CANARY = "canary-4e1b"


def engines(service) -> dict[int, str]:
    return {pid: line for pid, line in children(service.process.pid).items() if "local.engine.main" in line}


async def test_all_workers_share_one_engine_which_is_restarted(tmp_path, weights, prompt):
    async with supervised(tmp_path, "[providers.local]\nslots = 2\ncontext_tokens = 256\n") as service:
        await service.wait_until_serving()
        (first,) = engines(service)
        async with service.channels(20) as channels:
            stubs = [v1.CompletionServiceStub(channel) for channel in channels]
            ask = prompt("Hello", model="local", max_output_tokens=1)
            await asyncio.gather(*(stub.CountTokens(ask) for stub in stubs))
            os.kill(first, signal.SIGKILL)
            await asyncio.gather(*(stub.CreateCompletion(ask) for stub in stubs[:4]))
            again = engines(service)
            await until(lambda: len(service.logged("rpc.done")) == 24)
        service.send(signal.SIGTERM)
        code = await service.exit_code()

    assert {record["worker"] for record in service.logged("rpc.done")} == {1, 2}
    assert {record["code"] for record in service.logged("rpc.done")} == {"OK"}
    assert len(again) == 1
    assert first not in again
    assert code == 0
    assert not list(service.temporary.iterdir())


async def test_an_engine_that_cannot_start_is_reported_and_not_retried_by_workers(tmp_path):
    async with supervised(tmp_path, f'{ECHO}[providers.local]\npath = "/nonexistent.gguf"\n') as service:
        await service.wait_until_serving()
        failed = await service.measured("dragoman_plugin_state", 'provider="local",state="FAILED"')

    assert failed == 1
    (record,) = service.logged("provider.failed")
    assert "/nonexistent.gguf does not exist" in record["reason"]
    assert "worker" not in record


@pytest.mark.parametrize("name", ["grpc", "http"])
async def test_a_port_that_another_process_listens_on_is_refused(tmp_path, name):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        async with supervised(tmp_path, server=f'{name} = "127.0.0.1:{port}"') as service:
            code = await service.exit_code()

    assert code == 2
    assert f"error: server.{name}: cannot listen on 127.0.0.1:{port}" in service.stderr


async def test_the_port_of_another_service_with_workers_is_refused_too(tmp_path):
    (tmp_path / "second").mkdir()
    async with supervised(tmp_path) as first:
        await first.wait_until_serving()
        async with supervised(tmp_path / "second", server=f'grpc = "{first.grpc}"') as second:
            code = await second.exit_code()

    assert code == 2
    assert f"error: server.grpc: cannot listen on {first.grpc}" in second.stderr


async def test_a_mistake_that_only_workers_find_is_reported_once(tmp_path):
    for name in ("server.pem", "server.key"):
        (tmp_path / name).write_text("no PEM")
    tls = '[server.tls]\ncertificate = "server.pem"\nkey = "server.key"\n'
    async with supervised(tmp_path, f"{tls}{ECHO}") as service:
        code = await service.exit_code()

    assert code == 2
    assert service.stderr.count("error: server.tls: ") == 1


async def test_a_worker_that_cannot_restart_is_retried_until_it_can(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "server.key"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "server.pem"))
    tls = '[server.tls]\ncertificate = "server.pem"\nkey = "server.key"\n'
    async with supervised(tmp_path, f"{tls}{ECHO}") as service:
        await service.wait_until_serving()
        first = service.workers
        (tmp_path / "server.pem").rename(tmp_path / "hidden.pem")
        os.kill(first[2], signal.SIGKILL)
        await until(lambda: service.logged("worker.not_started"))
        (tmp_path / "hidden.pem").rename(tmp_path / "server.pem")
        await until(lambda: service.workers[2] != first[2])

    assert "server.tls: " in service.logged("worker.not_started")[0]["reason"]
    assert service.workers[1] == first[1]


async def test_a_signal_before_all_serve_ends_everything(tmp_path):
    async with supervised(tmp_path) as service:
        await until(lambda: len(children(service.process.pid)) == 2)
        service.send(signal.SIGTERM)
        code = await service.exit_code()

    assert code == 128 + signal.SIGTERM


async def test_secrets_reach_the_workers_but_no_command_line(tmp_path, prompt, refused):
    vendor = (
        '[providers.vendor]\nplugin = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n'
        f'api_key = "{CANARY}"\nmodels = ["some-model"]\n'
    )
    async with supervised(tmp_path, f"{ECHO}{vendor}") as service:
        await service.wait_until_serving()
        lines = children(service.process.pid)
        async with service.channels(1) as channels:
            call = v1.CompletionServiceStub(channels[0]).CreateCompletion(prompt(model="vendor/some-model"))
            refusal = await refused(call)

    assert len(lines) == 2
    assert CANARY not in "".join(lines.values())
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert CANARY not in service.stderr


async def test_a_missing_folder_for_temporary_files_is_a_mistake_and_not_a_traceback(tmp_path):
    program = "import tempfile; tempfile.tempdir = '/nowhere'; from dragoman_service.__main__ import main; main()"
    addresses = ("--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir", str(tmp_path))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "serve", "--workers", "2", *addresses), stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()

    assert process.returncode == 2
    assert stderr.decode().splitlines()[-1] == (
        "error: server.workers: needs a folder for temporary files, such as /tmp: No such file or directory. Set TMPDIR"
    )
