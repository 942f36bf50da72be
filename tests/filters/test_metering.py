"""Metering keeps the laws of filters, and measures nothing but what happened."""

import pytest
from dragoman import v1
from dragoman_service.contract import Call
from dragoman_service.filters.context import FilterContext
from dragoman_service.filters.metering import make_metering
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.testing import FilterLaws


class Names:
    def is_listed(self, name: str) -> bool:
        return True

    def is_local(self, full_name: str) -> bool:
        return False


class TestMetering(FilterLaws):
    @pytest.fixture
    def wrap(self):
        return make_metering({}, FilterContext(Metrics(), Names()))


async def test_an_answer_of_a_filter_is_counted_as_no_attempt_of_a_provider():
    async def refuse(request, call):
        yield v1.CompletionEvent(started=v1.Started(completion="completions/1"))
        yield v1.CompletionEvent(delta=v1.Delta(refusal="No."))
        yield v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_CONTENT_FILTER))

    metrics = Metrics()
    complete = make_metering({}, FilterContext(metrics, Names()))(refuse)
    events = [event async for event in complete(v1.CompletionRequest(model="m"), Call("1", "me"))]
    samples = [sample for family in metrics.registry.collect() for sample in family.samples if sample.value]
    counted = {sample.name: sample.labels for sample in samples}

    assert len(events) == 3
    assert not any("attempts" in name for name in counted)
    assert counted["gen_ai_client_operation_duration_seconds_count"]["gen_ai_provider_name"] == "other"
