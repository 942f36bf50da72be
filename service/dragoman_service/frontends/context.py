"""The argument of `mount`, the entry point of a frontend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from dragoman import v1

from dragoman_service.admission.listing import Gates
from dragoman_service.delivery import Delivery
from dragoman_service.engine.engine import Engine
from dragoman_service.limits.quotas import Quotas
from dragoman_service.operations import Operations
from dragoman_service.transport.auth import Auth
from dragoman_service.transport.grpc.server import GrpcServer
from dragoman_service.transport.http.server import HttpServer


@dataclass(frozen=True, slots=True)
class FrontendContext:
    """Everything that a frontend may use."""

    grpc: GrpcServer
    """The gRPC listener. Add handlers to `grpc.server`, then list the service with `grpc.serve`."""
    http: HttpServer
    """The HTTP listener. Add services with `http.serve`."""
    delivery: Delivery
    """Answers completion requests: unary, streamed or as operations."""
    engine: Engine
    """Lists and resolves models, counts tokens and tokenizes."""
    operations: Operations
    """Reads, lists, waits for, cancels and deletes operations."""
    auth: Auth
    """Which callers may do what."""
    gates: Gates = field(default_factory=Gates)
    """The queues before limits on what is under way."""
    quotas: Quotas | None = None
    """Limits, prices and usage. None if the settings ask for none."""
    console: str = ""
    """The path of the console; empty: there is none."""
    unsupported: v1.UnsupportedFieldPolicy.ValueType = v1.UNSUPPORTED_FIELD_POLICY_UNSPECIFIED
    """What the settings say about fields that a model does not support, if they say anything about this frontend.
    `delivery` applies it to requests that do not say it themselves."""

    @property
    def vendor_policy(self) -> v1.UnsupportedFieldPolicy.ValueType:
        """What becomes of such fields in a dialect whose requests cannot say it: `unsupported`, or WARN by default."""
        return self.unsupported or v1.UNSUPPORTED_FIELD_POLICY_WARN


class Frontend(Protocol):
    """Adds the services of one dialect to the listeners. An entry point of the group `dragoman.frontends` names one.

    The service calls it once in each worker, before it listens. See docs/write-a-frontend.md.
    """

    def __call__(self, context: FrontendContext) -> None: ...
