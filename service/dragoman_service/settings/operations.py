"""The settings of operations: where they are stored and how they run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dragoman_service.settings.strings import DirectUrl, StoreUrl
from dragoman_service.settings.types import Duration, Section


class OperationsSettings(Section):
    """Where operations are stored and how they run."""

    url: StoreUrl = Field("sqlite:///operations.db", repr=False)
    direct_url: DirectUrl = Field("", repr=False)
    """The same PostgreSQL database without a pooler in front, for what needs a session of its own; empty: `url`."""
    listen: Literal["notify", "poll"] = "notify"
    """How changes that other processes made are noticed: by notifications, or by looking every 250 ms."""
    ttl: Annotated[Duration, Field(gt=0)] = 86400.0
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 64
    lease: Annotated[Duration, Field(ge=0.5)] = 15.0
    handback: Duration | None = None
    """How long a drain lets operations run before it hands them back to other servers. Default: `server.grace`."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    model_concurrency: dict[str, Annotated[int, Field(ge=1, le=10_000)]] = Field(default_factory=dict)
    caller_share: Annotated[float, Field(gt=0, le=1)] = 0.75
    """The part of `concurrency` that one caller may have. It applies once there are several callers."""
    max_stored: Annotated[int, Field(ge=1, le=100_000_000)] = 100_000
    """Operations of one caller in the store, done or not."""
    migrate: Literal["start", "never"] = "start"
    """When the store's tables are created or upgraded. With `never` only `dragoman migrate` does that."""

    @model_validator(mode="after")
    def _is_consistent(self) -> OperationsSettings:
        if self.url.partition(":")[0] in ("sqlite", "memory"):
            if self.direct_url:
                raise ValueError("direct_url: is for PostgreSQL behind a pooler; remove it")
            if self.listen == "poll":
                raise ValueError('listen: is "notify" for this store, which has no pooler; remove it')
        return self
