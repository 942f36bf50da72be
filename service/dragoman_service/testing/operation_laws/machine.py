"""Law: whatever callers do, in any order and at any replica, operations behave as a simple model predicts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar

import pytest
from dragoman import v1
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from dragoman_service.contract import CompletionError
from dragoman_service.testing.operation_laws.model import Expected, Model
from dragoman_service.testing.operation_laws.replicas.replica import Replica
from dragoman_service.testing.operation_laws.stage import Stage, Staged, check_log, metadata_of, state_of
from dragoman_service.testing.operation_laws.world import SLOTS, World

T = TypeVar("T")
EXAMPLES, STEPS = 8, 25
PROMPTS = ["hold", "hold", "hold", "now", "fail", "flake"]

side = st.integers(0, 1)
"""The replica that is called."""
pick = st.integers(0, 99)
"""The operation that the call is about."""


class Machine(RuleBasedStateMachine):
    """Two replicas with one slot each, a caller who does things, and a model that predicts the outcome."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.caller = next(self.world.callers)
        self.model = Model(2 * SLOTS)

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self.world.do(call)

    def at(self, number: int) -> Replica:
        return self.world.replicas[number]

    @rule(at=side, what=st.sampled_from(PROMPTS), priority=st.integers(-1, 1))
    def start(self, at: int, what: str, priority: int) -> None:
        self.add(at, what, "", priority=priority)

    @rule(at=side, request_id=st.sampled_from(["", "one"]))
    def start_one_that_expires_with_its_end(self, at: int, request_id: str) -> None:
        if self.model.under_request_id(request_id) is None:
            self.add(at, "hold", request_id, ttl=0.0)

    @rule(at=side, what=st.sampled_from(PROMPTS), request_id=st.sampled_from(["one", "two"]))
    def start_with_a_request_id(self, at: int, what: str, request_id: str) -> None:
        before = self.model.under_request_id(request_id)
        if before is None:
            self.add(at, what, request_id)
        elif before.what == what:
            assert self.do(self.at(at).start(what, self.caller, request_id=request_id)) == before.name
        else:
            reused = self.refused(self.at(at).start(what, self.caller, request_id=request_id))

            assert reused == v1.ERROR_REASON_REQUEST_ID_REUSED

    def add(self, at: int, what: str, request_id: str, **options: Any) -> None:
        name = self.do(self.at(at).start(what, self.caller, request_id=request_id, **options))
        created = metadata_of(self.do(self.at(at).get(name, self.caller))).create_time.ToMilliseconds()
        assert name not in self.model.operations
        self.model.add(Expected(name, what, options.get("priority", 0), created, request_id, options.get("ttl") == 0))

    @precondition(lambda self: self.model.running())
    @rule(at=side, number=pick)
    def let_one_go_on(self, at: int, number: int) -> None:
        one = self.model.running()[number % len(self.model.running())]
        waiting = self.do(self.world.wait_at(self.at(at), one.name, self.caller))
        self.do(self.world.release(one.name))
        if one.fleeting:
            assert self.refused(waiting) == v1.ERROR_REASON_OPERATION_NOT_FOUND
            self.is_gone(one)
        else:
            assert state_of(self.do(waiting)) == "SUCCEEDED"
        self.model.end(one, "SUCCEEDED")

    @precondition(lambda self: self.model.operations)
    @rule(at=side, number=pick)
    def cancel(self, at: int, number: int) -> None:
        one = self.model.pick(number)
        self.do(self.at(at).cancel(one.name, self.caller))
        if not one.ended:
            self.model.end(one, "CANCELLED")

    @precondition(lambda self: self.model.operations)
    @rule(at=side, number=pick)
    def delete(self, at: int, number: int) -> None:
        one = self.model.pick(number)
        self.do(self.at(at).delete(one.name, self.caller))
        self.model.forget(one)
        self.is_gone(one)

    def is_gone(self, one: Expected) -> None:
        for replica in self.world.replicas:
            for call in (replica.get, replica.wait, replica.cancel, replica.delete):
                assert self.refused(call(one.name, self.caller)) == v1.ERROR_REASON_OPERATION_NOT_FOUND
            assert self.refused(replica.attach(one.name, 0, self.caller)) == v1.ERROR_REASON_OPERATION_NOT_FOUND

    @precondition(lambda self: self.model.final())
    @rule(at=side, number=pick, after=st.integers(0, 5))
    def attach(self, at: int, number: int, after: int) -> None:
        one = self.model.final()[number % len(self.model.final())]
        log = self.do(self.at(at).attach(one.name, 0, self.caller))

        check_log(self.do(self.at(at).get(one.name, self.caller)), log)
        assert (
            self.do(self.at(1 - at).attach(one.name, min(after, len(log)), self.caller)) == log[min(after, len(log)) :]
        )

    @precondition(lambda self: self.model.operations)
    @rule(at=side, number=pick)
    def wait_a_moment(self, at: int, number: int) -> None:
        one = self.model.pick(number)

        assert state_of(self.do(self.at(at).wait(one.name, self.caller, 0.01))) == one.state

    @rule(at=side)
    def stop_a_replica_and_open_another(self, at: int) -> None:
        given_back = self.do(self.world.close(at, len(self.model.running())))
        self.model.give_back({f"operations/{one}" for one in given_back}, SLOTS)
        self.as_expected()
        self.do(self.world.open(at))
        self.model.add_slots(SLOTS)

    @invariant()
    def as_expected(self) -> None:
        """All operations are listed, newest first, in the states of the model; and one that has ended never changes."""
        self.do(self.world.until_states(self.caller, self.model.states()))
        for one in self.model.final():
            operation = self.do(self.world.any.get(one.name, self.caller))
            one.outcome = one.outcome or operation

            assert one.outcome == operation

    @rule(state=st.sampled_from(["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]))
    def list_those_in_a_state(self, state: str) -> None:
        found = self.do(self.world.any.names(self.caller, f"state = {state}"))

        assert found == [name for name, there in self.model.states().items() if there == state]

    def refused(self, call: Coroutine[Any, Any, Any]) -> int:
        with pytest.raises(CompletionError) as caught:
            self.do(call)
        return caught.value.reason

    def teardown(self) -> None:
        self.do(self.world.clear(self.caller))


@pytest.mark.asyncio
class MachineLaws(Staged):
    """The part of OperationStoreLaws that compares with a model."""

    async def test_operations_are_as_the_model_says(self, stage: Stage) -> None:
        await asyncio.to_thread(_run, stage)


def _run(stage: Stage) -> None:
    """In a thread and an event loop of its own, because rules are plain functions."""
    bounds = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.reuse, Phase.generate),  # no shrinking: it would take minutes, because failures time out
    )
    with asyncio.Runner() as runner:
        world = World(runner, stage, (f"caller-{number}" for number in itertools.count()))
        try:
            runner.run(world.set_up())
            run_state_machine_as_test(type("Bound", (Machine,), {"world": world}), settings=bounds)
        finally:
            runner.run(world.tear_down())
