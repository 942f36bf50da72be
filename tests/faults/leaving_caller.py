"""A caller in a process of its own, to be killed: makes calls in one delivery and waits for their ends."""

from __future__ import annotations

import asyncio
import sys

import grpc
from deliveries import Door
from dragoman import v1
from hanging_up import UNDER_WAY


async def main(delivery: str, grpc_address: str, http_address: str, count: int) -> None:
    async with grpc.aio.insecure_channel(grpc_address) as channel:
        door = Door(v1.CompletionServiceStub(channel), grpc_address, http_address)
        for _ in range(count):
            UNDER_WAY[delivery](door)
        await asyncio.Event().wait()


if __name__ == "__main__":
    delivery, grpc_address, http_address, count = sys.argv[1:]
    asyncio.run(main(delivery, grpc_address, http_address, int(count)))
