"""Asks for health over HTTP and gRPC every ten milliseconds, and prints the longest waits when a line comes in.

python -m attacking.probe GRPC-ADDRESS HTTP-ADDRESS
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

PAUSE = 0.01
Ask = Callable[[], object]


def main(grpc_address: str, http_address: str) -> None:
    asks = [over_grpc(grpc_address), over_http(http_address)]
    for ask in asks:
        ask()
    waits: list[list[float]] = [[0.0], [0.0]]
    for ask, found in zip(asks, waits, strict=True):
        threading.Thread(target=repeat, args=(ask, found), daemon=True).start()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(*(f"{max(found) * 1e3:.0f}" for found in waits), flush=True)


def repeat(ask: Ask, waits: list[float]) -> None:
    while True:
        began = time.monotonic()
        ask()
        waits.append(time.monotonic() - began)
        time.sleep(PAUSE)


def over_grpc(address: str) -> Ask:
    stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(address))
    return lambda: stub.Check(health_pb2.HealthCheckRequest())


def over_http(address: str) -> Ask:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)))

    def ask() -> object:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        return connection.recv(4096)

    return ask


if __name__ == "__main__":
    main(*sys.argv[1:])
