"""The settings of the listeners and of what a process does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field, field_validator

from dragoman_service.settings.strings import Origin
from dragoman_service.settings.types import Address, ConfigPath, Duration, Listen, Reached, Section, Size

HOMELESS = Path("~")
"""The data directory of a user without a home directory; it cannot be used."""


class TlsSettings(Section):
    """The certificate (chain) and key of the gRPC listener, PEM files."""

    certificate: ConfigPath
    key: ConfigPath


def _data_dir() -> Path:
    try:
        return Path(platformdirs.user_data_dir("dragoman"))
    except RuntimeError:
        return HOMELESS


class ServerSettings(Section):
    """The listeners, and the limits of calls. `metrics` is an address where /metrics alone is served."""

    grpc: Listen = Address("127.0.0.1", 50051)
    http: Listen = Address("127.0.0.1", 8080)
    transport: Literal["auto", "grpcio", "native"] = "auto"
    """What takes gRPC calls; see docs/transport.md."""
    metrics: Listen | None = None
    advertised: Reached | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    roles: tuple[Literal["serve", "run"], ...] = ("serve", "run")
    """`serve`: takes calls and starts operations; `run`: runs operations, whichever server has started them."""
    data_dir: ConfigPath = Field(default_factory=_data_dir)
    drain_delay: Duration = 5.0
    grace: Duration = 20.0
    default_deadline: Annotated[Duration, Field(gt=0)] = 600.0
    longest_deadline: Annotated[Duration, Field(gt=0)] = 3600.0
    stall_timeout: Annotated[Duration, Field(gt=0)] = 60.0
    hold_tokens: Literal["off", "auto"] | Annotated[Duration, Field(gt=0, le=1)] = "off"
    """How long small reads of a streamed answer may wait for more, after its first token; see docs/performance.md."""
    max_request_size: Annotated[Size, Field(ge=1024, le=512 * 1024**2)] = 8 * 1024**2
    max_calls: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Calls under way in a process; further ones are refused with OVERLOADED."""
    max_waiting: Annotated[int, Field(ge=10, le=1_000_000)] = 1000
    """gRPC calls of one method that wait for a process to take them; further ones end in CANCELLED at once."""
    max_connection_age: Annotated[Duration, Field(ge=1)] = 1800.0
    """After it a gRPC connection takes no further calls, so that its client looks for servers that are new."""
    max_memory: Annotated[Size, Field(ge=64 * 1024**2)] | None = None
    """Of a process. Over it new work is refused with OVERLOADED, low priorities at 80 % of it."""
    call_memory: Annotated[Size, Field(ge=1024**2)] = 512 * 1024**2
    """For the requests and answers of all calls under way in a process, beyond 64 KiB each."""
    cors_origins: tuple[Origin, ...] = ()
    tls: TlsSettings | None = None

    @property
    def serves(self) -> bool:
        """Whether calls are taken."""
        return "serve" in self.roles

    @property
    def runs(self) -> bool:
        """Whether operations are run."""
        return "run" in self.roles

    @field_validator("roles")
    @classmethod
    def _has_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if not roles:
            raise ValueError('should name "serve", "run" or both: a server without a role does nothing')
        return roles
