"""Ids of responses and items, and the numbers of events, which need no table to be mapped back."""

from __future__ import annotations

_RESPONSE, _OPERATION = "resp_", "operations/"
_STEPS = 16
"""One event of ours becomes at most so many of this API. Numbers may have gaps."""


def response_id(name: str) -> str:
    """The id of the response that is the operation or the completion `name`.

    Completions of operations whose callers have chosen the id have the name `completions/OWNER:ID`.
    """
    return _RESPONSE + name.rpartition("/")[2].rpartition(":")[2]


def operation_name(response: str) -> str:
    """The name of the operation that a response is."""
    return _OPERATION + response.removeprefix(_RESPONSE)


def item_id(kind: str, response: str, index: int) -> str:
    """The id of the item at `index` of a response; `kind` is its beginning, such as `msg`."""
    return f"{kind}_{response.removeprefix(_RESPONSE)}_{index}"


def response_of(item: str) -> str:
    """The id of the response that an item belongs to; empty if the item's id was not made here."""
    response, _, index = item.partition("_")[2].rpartition("_")
    return _RESPONSE + response if response and index.isdecimal() else ""


def event_number(sequence: int, step: int) -> int:
    """The number of one of the events that our event `sequence` becomes, counted by `step` from 0."""
    return sequence * _STEPS + min(step, _STEPS - 1)


def sequence_of(number: int) -> int:
    """The number of our event that an event of this API came from."""
    return number // _STEPS
