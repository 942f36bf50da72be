"""What a filter may compare: state, model, create_time and labels, each as an SQL condition."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case

from dragoman_service.operations.model.records import State
from dragoman_service.operations.sql.schema import bytewise, operations

FIELDS = "state, model, create_time, labels.KEY and labels"
_CANCELLING = "CANCELLING"
_STATES = (*(state.value for state in State), _CANCELLING)
_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": operator.eq,
    ":": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_c = operations.c


class Mistake(Exception):  # noqa: N818 - one of the caller's, told with its place
    """What is wrong with a filter, and at which character from 0."""

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


def condition(asked: Restriction) -> ColumnElement[bool]:
    """The restriction in SQL. Raises Mistake."""
    room, _, key = asked.field.partition(".")
    if room == "labels":
        return _labels(asked, key)
    match asked.field:
        case "state":
            return _state(asked)
        case "create_time":
            return _create_time(asked)
        case "model" if asked.sign == ":":
            return _c.model.icontains(asked.value, autoescape=True)
        case "model":
            return _COMPARE[asked.sign](bytewise(_c.model), asked.value)
    raise Mistake(asked.field_at, f"there is no field {asked.field[:64]!r}; known are {FIELDS}")


def _state(asked: Restriction) -> ColumnElement[bool]:
    name = asked.value.removeprefix("STATE_")
    if name not in _STATES:
        raise Mistake(asked.value_at, f"there is no state {asked.value[:64]!r}; known are {', '.join(_STATES)}")
    if asked.sign not in ("=", "!=", ":"):
        raise Mistake(asked.sign_at, "states have no order: state takes = and !=")
    shown = case((and_(_c.state == State.RUNNING, _c.cancel_requested), _CANCELLING), else_=_c.state)
    return shown != name if asked.sign == "!=" else shown == name


def _create_time(asked: Restriction) -> ColumnElement[bool]:
    if asked.sign == ":":
        raise Mistake(asked.sign_at, "create_time takes = != < <= > >=")
    try:
        time = datetime.fromisoformat(asked.value)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise Mistake(asked.value_at, "expected a time as in 2027-01-31T12:00:00Z")
    return _COMPARE[asked.sign](_c.create_time, round(time.timestamp() * 1000))


def _labels(asked: Restriction, key: str) -> ColumnElement[bool]:
    """`labels:KEY`, or a comparison with `labels.KEY`: one with an absent label never holds, not even with !=."""
    if not key and asked.sign != ":":
        raise Mistake(asked.field_at, "labels can only be asked with labels:KEY or labels.KEY")
    key, key_at = (key, asked.field_at) if key else (asked.value, asked.value_at)
    if not _KEY.fullmatch(key):
        raise Mistake(key_at, f"{key[:64]!r} is no key of a label")
    label: ColumnElement[str] = _c.labels[key].as_string()
    if asked.field == "labels" or (asked.sign == ":" and asked.value == "*" and not asked.quoted):
        return label.is_not(None)
    return and_(label.is_not(None), _COMPARE[asked.sign](bytewise(label), asked.value))
