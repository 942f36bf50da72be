"""Metrics of models have the names of two versions of OpenTelemetry's conventions, with the same figures."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman_service.contract import Call
from dragoman_service.telemetry.meter import CompletionMeter
from dragoman_service.telemetry.metrics import Metrics
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from supervised import ECHO, supervised

OLD, NEW = "gen_ai_client_operation", "gen_ai_client_inference"
TIMES = {
    f"{OLD}_duration_seconds": f"{NEW}_duration_seconds",
    f"{OLD}_time_to_first_chunk_seconds": f"{NEW}_time_to_first_chunk_seconds",
    f"{OLD}_time_per_output_chunk_seconds": f"{NEW}_time_per_output_chunk_seconds",
}
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Names:
    def is_listed(self, name: str) -> bool:
        return True

    def is_local(self, full_name: str) -> bool:
        return False


def series_of(page: str) -> Series:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("gen_ai_client")
    }


def renamed(series: Series) -> Series:
    """The series of the old names, as they are called in version 0.1."""
    found = {}
    for (name, labels), value in series.items():
        for old, new in TIMES.items():
            if name.startswith(old):
                found[name.replace(old, new), labels] = value
        if name.startswith("gen_ai_client_token_usage"):
            kind = dict(labels)["gen_ai_token_type"]
            others = tuple(pair for pair in labels if pair[0] != "gen_ai_token_type")
            found[name.replace("gen_ai_client_token_usage", f"{NEW}_operation_{kind}_tokens"), others] = value
    return found


def assert_equal_under_both(page: str) -> None:
    series = series_of(page)
    before = renamed(series)
    tokens = {
        (name.replace("_operation_", "_usage_").replace("_sum", "_total"), labels): value
        for (name, labels), value in before.items()
        if "_tokens_sum" in name
    }
    parts = ("_cache_", "_reasoning_")
    others = {key: value for key, value in series.items() if any(part in key[0] for part in parts)}

    assert len(before) > 80
    assert len(tokens) == 2
    assert before | tokens | others == {key: value for key, value in series.items() if key[0].startswith(NEW)}


def test_both_names_in_one_scrape_are_equal():
    metrics = Metrics()
    measured(metrics)

    assert_equal_under_both(generate_latest(metrics.registry).decode())


async def test_both_names_are_equal_over_several_workers(tmp_path, prompt):
    async with supervised(tmp_path, ECHO) as service:
        await service.wait_until_serving()
        async with service.channels(6) as channels:
            for channel in channels:
                await v1.CompletionServiceStub(channel).CreateCompletion(prompt("one two three"))
        page = await service.page("/metrics")

    assert_equal_under_both(page)


@pytest.mark.parametrize(("semconv", "shown"), [("old", {OLD, "gen_ai_client_token"}), ("0.1", {NEW})])
def test_a_setting_leaves_one_set_of_names(semconv, shown):
    metrics = Metrics(semconv=semconv)
    measured(metrics)

    assert {"_".join(name.split("_")[:4]) for name, _ in series_of(generate_latest(metrics.registry).decode())} == shown


def test_cached_and_reasoning_tokens_are_counted():
    metrics = Metrics()
    measured(metrics)
    totals = {name: value for (name, _), value in series_of(generate_latest(metrics.registry).decode()).items()}

    assert totals[f"{NEW}_usage_cache_read_input_tokens_total"] == 7
    assert totals[f"{NEW}_usage_cache_write_input_tokens_total"] == 2
    assert totals[f"{NEW}_usage_reasoning_output_tokens_total"] == 3


def measured(metrics: Metrics) -> None:
    """One completion with all that is measured."""
    meter = CompletionMeter(metrics, Names(), v1.CompletionRequest(model="m"), Call("1", "me"))
    usage = v1.Usage(input_tokens=10, output_tokens=5, cached_input_tokens=7, cache_write_tokens=2, reasoning_tokens=3)
    meter.record(v1.CompletionEvent(started=v1.Started(provider="p", served_model="m")))
    for text in "ab":
        meter.record(v1.CompletionEvent(delta=v1.Delta(text=text)))
    meter.record(v1.CompletionEvent(usage=usage))
    meter.close("")
