"""What a frontend mounts itself on."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman_service.delivery import Delivery
from dragoman_service.engine.engine import Engine
from dragoman_service.operations import Operations
from dragoman_service.transport.grpc.server import GrpcServer
from dragoman_service.transport.http.server import HttpServer
from dragoman_service.transport.in_flight import InFlight


@dataclass(frozen=True, slots=True)
class FrontendContext:
    """The two listeners, and what a frontend answers with."""

    grpc: GrpcServer
    http: HttpServer
    engine: Engine
    operations: Operations
    delivery: Delivery
    in_flight: InFlight
