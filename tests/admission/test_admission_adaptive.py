"""A limit found by trial, at a service before a provider that refuses what is over its capacity."""

import asyncio
from dataclasses import replace

from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.upstream_errors import RATE_LIMITED
from dragoman_service.telemetry.record import CallRecord
from dragoman_service.testing import Scripted, choice_finished, delta, serving

CAPACITY = 10


class Busy(Scripted):
    """Takes `CAPACITY` requests at a time, and answers 429 to more."""

    def __init__(self):
        super().__init__(0.005, delta("yes"), choice_finished())
        self.most = self.refused = 0

    async def complete(self, request, call):
        if self.running >= CAPACITY:
            self.refused += 1
            raise RATE_LIMITED.error("429")
        async for event in super().complete(request, call):
            self.most = max(self.most, self.running)
            yield event


async def test_a_provider_is_used_to_its_capacity_and_hardly_refuses():
    provider = Busy()
    limits = {
        "routing.breaker": False,
        "admission.targets": {"vendor/scripted": {"concurrency": {"min": 2, "max": 64}}},
    }
    async with serving({"vendor": provider}, limits | {"admission.queue": {"length": 1000, "wait": "30s"}}) as served:
        engine = served.running.engine
        request = v1.CompletionRequest(model="vendor/scripted")
        request.messages.add(role=v1.ROLE_USER).parts.add(text="hi")
        failed = 0

        async def caller():
            nonlocal failed
            for _ in range(50):
                call = replace(engine.call("me"), record=CallRecord("s", "m", "unary", "1"))
                try:
                    async with engine.relay(request, call) as relay:
                        await relay.completion()
                except CompletionError:
                    failed += 1

        await asyncio.gather(*(caller() for _ in range(24)))
        queues = (await v1.AdminServiceStub(served.channel).ListQueues(v1.ListQueuesRequest())).queues

    assert provider.most == CAPACITY
    assert provider.refused <= 0.05 * 24 * 50
    assert queues[0].limit <= 1.2 * CAPACITY, "it may have fallen just now"
