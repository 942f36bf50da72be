"""The README's server answers a real gRPC client."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import grpc

README = Path(__file__).parents[1] / "README.md"


async def test_the_example_answers_a_grpc_client():
    (program,) = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.M | re.S)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102
    async with await names["serve"](0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with grpc.aio.insecure_channel(address) as channel:
            echo = channel.unary_unary("/any.Service/Echo")

            assert await echo(b"hello", timeout=30) == b"hello"
            assert await echo(b"", timeout=30) == b""
