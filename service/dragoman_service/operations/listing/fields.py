"""The fields of a filter: state, model, create_time and labels."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from dragoman_service.operations.model.conditions import (
    CANCELLING,
    Condition,
    CreateTime,
    HasLabel,
    LabelIs,
    ModelContains,
    ModelIs,
    Not,
    StateIs,
)
from dragoman_service.operations.model.records import State

FIELDS = "state, model, create_time, labels.KEY and labels"
_STATES = (*(state.value for state in State), CANCELLING)
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class Mistake(Exception):  # noqa: N818 - one of the caller's, with its place
    """What is wrong with a filter, and at which character, counted from 0."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


class Restriction(NamedTuple):
    """`field sign value`, as in `model = "echo"`, and where in the filter each begins."""

    field: str
    sign: str
    value: str
    quoted: bool
    field_at: int
    sign_at: int
    value_at: int


def condition(restriction: Restriction) -> Condition:
    """The restriction as a condition. Raises Mistake."""
    field, _, key = restriction.field.partition(".")
    if field == "labels":
        return _labels(restriction, key)
    match restriction.field:
        case "state":
            return _state(restriction)
        case "create_time":
            return _create_time(restriction)
        case "model" if restriction.sign == ":":
            return ModelContains(restriction.value)
        case "model":
            return ModelIs(restriction.sign, restriction.value)
    raise Mistake(restriction.field_at, f"there is no field {restriction.field[:64]!r}; the fields are {FIELDS}")


def _state(restriction: Restriction) -> Condition:
    name = restriction.value.removeprefix("STATE_")
    if name not in _STATES:
        known = ", ".join(_STATES)
        raise Mistake(restriction.value_at, f"there is no state {restriction.value[:64]!r}; the states are {known}")
    if restriction.sign not in ("=", "!=", ":"):
        raise Mistake(restriction.sign_at, "states have no order: state takes = and !=")
    return Not(StateIs(name)) if restriction.sign == "!=" else StateIs(name)


def _create_time(restriction: Restriction) -> Condition:
    if restriction.sign == ":":
        raise Mistake(restriction.sign_at, "create_time takes = != < <= > >=")
    try:
        time = datetime.fromisoformat(restriction.value)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise Mistake(restriction.value_at, "expected a time as in 2027-01-31T12:00:00Z")
    return CreateTime(restriction.sign, round(time.timestamp() * 1000))


def _labels(restriction: Restriction, key: str) -> Condition:
    """`labels:KEY`, or a comparison of `labels.KEY`."""
    if not key and restriction.sign != ":":
        raise Mistake(restriction.field_at, "labels are matched by labels:KEY, or compared as labels.KEY")
    key, key_at = (key, restriction.field_at) if key else (restriction.value, restriction.value_at)
    if not _KEY.fullmatch(key):
        raise Mistake(key_at, f"{key[:64]!r} is not a valid label key")
    any_value = restriction.sign == ":" and restriction.value == "*" and not restriction.quoted
    if restriction.field == "labels" or any_value:
        return HasLabel(key)
    return LabelIs(key, "=" if restriction.sign == ":" else restriction.sign, restriction.value)
