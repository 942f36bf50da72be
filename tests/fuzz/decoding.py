"""What decoders make of their input, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dragoman import v1
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.errors import CompletionError


def made(events: Callable[[], Iterable[v1.CompletionEvent]]) -> list[Any]:
    """The events up to a failure, and the failure."""
    found: list[Any] = []
    try:
        found += (str(event) for event in events())
    except CompletionError as error:
        found.append((error.code, error.reason, error.message))
    except IncompleteAnswerError:
        found.append("incomplete")
    return found
