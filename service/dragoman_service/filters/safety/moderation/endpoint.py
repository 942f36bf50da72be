"""Asks the endpoint for verdicts."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import Call, CompletionError
from dragoman_service.filters.safety.moderation.settings import ModerationSettings
from dragoman_service.providers.upstream.connection import Http, HttpError

PATH = "/moderations"
MAX_INPUT = 16_000  # characters of one text; longer ones are judged in parts
OVERLAP = 400  # characters that parts of a text have in common

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """One category of a verdict, in the endpoint's name."""

    flagged: bool
    score: float | None


Verdict = Mapping[str, Finding]


class NoVerdictError(Exception):
    """Why there is no verdict. It quotes nothing of the answer."""


class Endpoint:
    """The endpoint behind `http`. `name` is that of the filter."""

    def __init__(self, http: Http, settings: ModerationSettings, name: str) -> None:
        self._http, self._settings, self._name = http, settings, name

    async def verdicts(self, texts: Sequence[str], call: Call, *, begun: bool) -> list[Verdict]:
        """The verdicts on all parts of the texts; none if there is no answer and the settings let texts pass.

        Raises PROVIDER_UNAVAILABLE if they do not. `begun`: a part of the answer has left.
        """
        parts = [part for text in texts for part in _parts(text)]
        if not parts:
            return []
        body = {"input": parts if len(parts) > 1 else parts[0]}
        if self._settings.model:
            body["model"] = self._settings.model
        try:
            return await self._asked(orjson.dumps(body), len(parts), call)
        except NoVerdictError as failure:
            log.warning("moderation.failed", filter=self._name, reason=str(failure), call_id=call.id)
            if self._settings.on_failure == "pass":
                return []
            raise _unjudged(self._name, begun=begun) from None

    async def _asked(self, body: bytes, expected: int, call: Call) -> list[Verdict]:
        end = asyncio.get_running_loop().time() + self._settings.timeout
        try:
            async with asyncio.timeout_at(min(end, call.deadline or math.inf)):
                answer = await self._http.post(PATH, body)
        except TimeoutError:
            raise NoVerdictError(f"no answer within {self._settings.timeout:g} s") from None
        except HttpError as error:
            raise NoVerdictError("no connection" if not error.connected else "the connection broke") from None
        if answer.status != 200:
            raise NoVerdictError(f"status {answer.status}")
        verdicts = list(_read(answer.body))
        if len(verdicts) != expected:
            raise NoVerdictError(f"{len(verdicts)} results for {expected} texts")
        return verdicts


def _parts(text: str) -> Iterator[str]:
    for start in range(0, max(len(text) - OVERLAP, 1), MAX_INPUT - OVERLAP):
        if part := text[start : start + MAX_INPUT].strip():
            yield part


def _read(body: bytes) -> Iterator[Verdict]:
    """The verdicts in an answer. Raises NoVerdictError for anything else."""
    try:
        for result in orjson.loads(body)["results"]:
            categories, scores = result["categories"], result.get("category_scores") or {}
            found = {name: Finding(_flag(flag), _score(scores.get(name))) for name, flag in categories.items()}
            if result.get("flagged") is True and not any(finding.flagged for finding in found.values()):
                found["flagged"] = Finding(True, None)
            yield found
    except (ValueError, TypeError, KeyError, AttributeError):
        raise NoVerdictError("the answer has no verdicts") from None


def _flag(value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise TypeError
    return bool(value)


def _score(value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not 0 <= float(value) <= 1):
        raise ValueError
    return None if value is None else float(value)


def _unjudged(name: str, *, begun: bool) -> CompletionError:
    return CompletionError(
        code_pb2.UNAVAILABLE,
        v1.ERROR_REASON_PROVIDER_UNAVAILABLE,
        f"The filter {name} cannot reach its moderation service, and lets nothing pass unjudged. "
        + ("What was received of the answer is incomplete." if begun else "Send the request again."),
        retryable=not begun,
        retry_after=None if begun else 1.0,
    )
