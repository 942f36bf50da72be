"""The model of operations: the state that each must have, by the rules that the documentation states."""

from __future__ import annotations

from dataclasses import dataclass, field

from google.longrunning import operations_pb2

_OUTCOMES = {"now": "SUCCEEDED", "fail": "FAILED", "flake": "FAILED"}  # of prompts that end on their own


@dataclass
class Expected:
    """What the model knows about an operation."""

    name: str
    what: str
    priority: int
    created: int
    request_id: str
    fleeting: bool = False
    """It expires with its end."""
    state: str = "QUEUED"
    outcome: operations_pb2.Operation | None = field(default=None, repr=False)
    """The operation as it was first seen after its end."""

    @property
    def ended(self) -> bool:
        return self.state not in ("QUEUED", "RUNNING")

    @property
    def may_be_tried_again(self) -> bool:
        return self.state == "CANCELLED" or (self.state == "FAILED" and self.what == "flake")


class Model:
    """Operations of one caller, on replicas that run `slots` of them at a time."""

    def __init__(self, slots: int) -> None:
        self.operations: dict[str, Expected] = {}
        self._slots = slots

    def add(self, one: Expected) -> None:
        """Adds an operation. A retryable one with the same request id gives it up, and shows so."""
        for before in self.operations.values():
            if one.request_id and before.request_id == one.request_id:
                before.request_id, before.outcome = "", None
        self.operations[one.name] = one
        self._fill_slots()

    def end(self, one: Expected, state: str) -> None:
        one.state = state
        if one.fleeting:
            del self.operations[one.name]
        self._fill_slots()

    def forget(self, one: Expected) -> None:
        del self.operations[one.name]
        self._fill_slots()

    def give_back(self, names: set[str], slots: int) -> None:
        """A replica with so many slots has stopped, and its operations wait for another."""
        self._slots -= slots
        for name in names:
            self.operations[name].state = "QUEUED"
        self._fill_slots()

    def add_slots(self, slots: int) -> None:
        self._slots += slots
        self._fill_slots()

    def under_request_id(self, request_id: str) -> Expected | None:
        """The operation that a request with that id joins."""
        found = [one for one in self.operations.values() if one.request_id == request_id]
        return next((one for one in found if not one.may_be_tried_again), None)

    def running(self) -> list[Expected]:
        return [one for one in self.operations.values() if one.state == "RUNNING"]

    def final(self) -> list[Expected]:
        return [one for one in self.operations.values() if one.ended]

    def pick(self, number: int) -> Expected:
        return list(self.operations.values())[number % len(self.operations)]

    def states(self) -> dict[str, str]:
        """The states by name, newest first."""
        newest = sorted(self.operations.values(), key=lambda one: (one.created, one.name), reverse=True)
        return {one.name: one.state for one in newest}

    def _fill_slots(self) -> None:
        """Free slots take queued operations: the highest priority first, and the oldest within a priority."""
        queued = [one for one in self.operations.values() if one.state == "QUEUED"]
        free = self._slots - len(self.running())
        for one in sorted(queued, key=lambda one: (-one.priority, one.created, one.name)):
            if free <= 0:
                return
            one.state = _OUTCOMES.get(one.what, "RUNNING")
            free -= one.state == "RUNNING"
