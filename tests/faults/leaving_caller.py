"""A caller in a process of its own: opens calls in one form and waits for their ends. It is there to be killed."""

from __future__ import annotations

import asyncio
import sys

import grpc
from dragoman import v1
from four_forms import Door
from hanging_up import UNDER_WAY


async def main(form: str, grpc_address: str, http_address: str, count: int) -> None:
    async with grpc.aio.insecure_channel(grpc_address) as channel:
        door = Door(v1.CompletionServiceStub(channel), grpc_address, http_address)
        for _ in range(count):
            UNDER_WAY[form](door)
        await asyncio.Event().wait()


if __name__ == "__main__":
    form, grpc_address, http_address, count = sys.argv[1:]
    asyncio.run(main(form, grpc_address, http_address, int(count)))
