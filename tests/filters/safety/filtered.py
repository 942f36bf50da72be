"""Asks a scripted provider through a filter."""

from __future__ import annotations

from dragoman import v1
from dragoman_service.contract import Call
from dragoman_service.filters.context import FilterContext
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.testing import Scripted, choice_finished, delta, usage
from dragoman_service.testing.provider_laws.harness import folded


class Names:
    def is_listed(self, name):
        return True

    def is_local(self, full_name):
        return False


METRICS = Metrics()


def context_of(name):
    return FilterContext(METRICS, Names(), name)


STARTED = v1.CompletionEvent(started=v1.Started(served_model="m", provider="p"))
END = (choice_finished(), usage(7, 5))
ASKED = v1.CompletionRequest(messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Go on.")])])


async def events_of(wrap, *steps, request=ASKED):
    provider = Scripted(STARTED, *steps)
    return provider, [event async for event in wrap(provider.complete)(request, Call("1", "me"))]


async def answer_of(wrap, *steps, request=ASKED):
    _, events = await events_of(wrap, *(steps or (delta("Fine."),)), *END, request=request)
    return folded(events)


def text_of(completion):
    return "".join(part.text for part in completion.choices[0].message.parts)


def asking(text, **thresholds):
    settings = [v1.SafetySetting(category=name, block_at=threshold) for name, threshold in thresholds.items()]
    request = v1.CompletionRequest(safety_settings=settings)
    request.messages.add(role=v1.ROLE_USER).parts.add(text=text)
    return request
