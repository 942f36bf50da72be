"""Conditions on operations, as filters state them: a tree that each store translates, or asks `holds`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dragoman_service.operations.model.records import Record, State

CANCELLING = "CANCELLING"
"""The state shown for a RUNNING operation that is to be cancelled."""

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""The operators of comparisons."""


@dataclass(frozen=True, slots=True)
class All:
    """All parts hold; so it does without any."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the parts holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition


@dataclass(frozen=True, slots=True)
class StateIs:
    """The operation is shown in this state: a name of `State`, or CANCELLING."""

    state: str


@dataclass(frozen=True, slots=True)
class ModelIs:
    """The requested model compares so with `value`, byte by byte."""

    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class ModelContains:
    """The name of the requested model contains `text`, regardless of case."""

    text: str


@dataclass(frozen=True, slots=True)
class CreateTime:
    """The creation time compares so with `time`, in milliseconds since 1970."""

    sign: str
    time: int


@dataclass(frozen=True, slots=True)
class HasLabel:
    """The operation has a label of that key."""

    key: str


@dataclass(frozen=True, slots=True)
class LabelIs:
    """The label compares so with `value`, byte by byte. No comparison holds for an absent label, not even `!=`."""

    key: str
    sign: str
    value: str


Condition = All | AnyOf | Not | StateIs | ModelIs | ModelContains | CreateTime | HasLabel | LabelIs
ALWAYS: Condition = All()


def holds(condition: Condition, record: Record) -> bool:
    """Whether the operation meets the condition."""
    match condition:
        case All(parts):
            return all(holds(part, record) for part in parts)
        case AnyOf(parts):
            return any(holds(part, record) for part in parts)
        case Not(part):
            return not holds(part, record)
        case StateIs(state):
            return state == _shown_state(record)
        case ModelIs(sign, value):
            return bool(COMPARE[sign](record.model, value))
        case ModelContains(text):
            return text.lower() in record.model.lower()
        case CreateTime(sign, time):
            return bool(COMPARE[sign](record.create_time, time))
        case HasLabel(key):
            return key in record.labels
        case LabelIs(key, sign, value):
            return key in record.labels and bool(COMPARE[sign](record.labels[key], value))


def _shown_state(record: Record) -> str:
    return CANCELLING if record.state == State.RUNNING and record.cancel_requested else record.state
