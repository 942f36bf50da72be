"""Conditions of filters as SQL."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, case, not_, or_, true

from dragoman_service.operations.model.conditions import (
    CANCELLING,
    COMPARE,
    All,
    AnyOf,
    Condition,
    CreateTime,
    HasLabel,
    LabelIs,
    ModelContains,
    ModelIs,
    Not,
    StateIs,
)
from dragoman_service.operations.sql.schema import bytewise, is_running, operations

_c = operations.c


def where(condition: Condition) -> ColumnElement[bool]:
    """The condition on a row of `operations`."""
    match condition:
        case All(parts):
            return and_(true(), *map(where, parts))
        case AnyOf(parts):
            return or_(*map(where, parts))
        case Not(part):
            return not_(where(part))
        case StateIs(state):
            return case((and_(is_running, _c.cancel_requested), CANCELLING), else_=_c.state) == state
        case ModelIs(sign, value):
            return _compare(sign, bytewise(_c.model), value)
        case ModelContains(text):
            return _c.model.icontains(text, autoescape=True)
        case CreateTime(sign, time):
            return _compare(sign, _c.create_time, time)
        case HasLabel(key):
            return _label(key).is_not(None)
        case LabelIs(key, sign, value):
            return and_(_label(key).is_not(None), _compare(sign, bytewise(_label(key)), value))


def _compare(sign: str, column: ColumnElement[str] | ColumnElement[int], value: str | int) -> ColumnElement[bool]:
    compared: ColumnElement[bool] = COMPARE[sign](column, value)
    return compared


def _label(key: str) -> ColumnElement[str]:
    label: ColumnElement[str] = _c.labels[key].as_string()
    return label
