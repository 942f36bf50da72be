"""The examples in the client's README run, against the embedded model."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
import trustme

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
OUTPUTS = [
    r"\w+.* \d+\n(.|\n)+operations/\w+ \d\n.*\w",
    r"^True\nTrue\n3 \w+\n(.|\n)*\d+ finished\n$",
    r"\w",
    r"local/(.|\n)+\{'name': '.*'\}\n\d+ \['",
    r"^day 1000000 \d+ \d.*\nlocal \d \d",
    "^weather: rain\n$",
    "MODEL_NOT_FOUND",
    "^$",
]


@pytest.fixture
async def target(start_service) -> str:
    local = {"plugin": "local", "context_tokens": 512}  # small, because this model may not stop by itself
    limits = {"service": {"tokens": {"day": 1_000_000}}}
    service = await start_service({"local": local, "echo": {}}, limits=limits)
    return service.grpc_address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the certificates that the README names."""
    ca = trustme.CA()
    client = ca.issue_cert("client.test")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    return tmp_path


async def run(snippet: str, target: str, folder: Path) -> str:
    """Runs a snippet in a process of its own and returns its output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", snippet.replace("127.0.0.1:50051", target)),
        cwd=folder,
        env={**os.environ, "DRAGOMAN_TARGET": target},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_the_examples_run(target, folder):
    outputs = [await run(snippet, target, folder) for snippet in SNIPPETS]

    assert len(outputs) == len(OUTPUTS)
    for text, pattern in zip(outputs, OUTPUTS, strict=True):
        assert re.search(pattern, text), text
