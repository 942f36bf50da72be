"""The table of the filter `moderation`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, HttpUrl

from dragoman_service.filters.safety.thresholds import Threshold
from dragoman_service.providers.upstream.settings import Key, Timeout, plain_url
from dragoman_service.settings.types import Certificates, Section

Category = Annotated[str, Field(min_length=1, max_length=64)]
Score = Annotated[float, Field(ge=0, le=1)]


class ModerationSettings(Section):
    """`[filters.NAME]` with `plugin = "moderation"`."""

    base_url: Annotated[HttpUrl, plain_url("`api_key`")]
    """The address of the API, including its version: `https://api.example.com/v1`."""
    api_key: Key | None = None
    model: str = ""
    """The endpoint's model; empty: its default."""
    ca_file: Certificates | None = None
    """PEM certificates to trust in place of the system's."""
    timeout: Timeout = 5.0
    """For one verdict."""
    on_failure: Literal["refuse", "pass"] = "refuse"
    """What happens if there is no verdict: the call fails, or the text goes on unjudged."""
    on: Literal["prompt", "answer", "both"] = "both"
    interval: Annotated[int, Field(ge=20, le=16_000)] = 800
    """Characters of an answer that are judged, and held back, at a time."""
    thresholds: dict[Category, Score] = Field(default_factory=dict)
    """The score from which on a category is blocked. Categories without one are blocked if the endpoint flags them."""
    flagged: bool = True
    """Whether categories without a threshold are blocked if the endpoint flags them."""
    names: dict[Category, Category] = Field(
        default_factory=lambda: {"hate": "hate_speech", "sexual": "sexually_explicit"}
    )
    """Names for the endpoint's categories in findings and safety settings. Others keep theirs, in lower case."""
    max_block_at: Threshold | None = None
    """The most lenient threshold that a request may ask for. None: requests can only be stricter."""
