"""The names of metrics of models in OpenTelemetry's GenAI conventions, which have changed.

Each is measured once, under its name in version 0.1. What has other names too is copied when the metrics are read, so
that all names show the same figures and a second name costs no call anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, Protocol

from prometheus_client import Metric
from prometheus_client.registry import Collector

Semconv = Literal["old", "both", "0.1"]
"""Which names are shown: those before version 0.1 of the conventions, those of it, or both."""

_INFERENCE = "gen_ai_client_inference"
DURATION: Final = f"{_INFERENCE}_duration_seconds"
FIRST_CHUNK: Final = f"{_INFERENCE}_time_to_first_chunk_seconds"
PER_CHUNK: Final = f"{_INFERENCE}_time_per_output_chunk_seconds"
INPUT_TOKENS: Final = f"{_INFERENCE}_operation_input_tokens"
OUTPUT_TOKENS: Final = f"{_INFERENCE}_operation_output_tokens"
USAGE: Final = {
    "cached_input_tokens": (f"{_INFERENCE}_usage_cache_read_input_tokens", "Tokens of prompts read from caches."),
    "cache_write_tokens": (f"{_INFERENCE}_usage_cache_write_input_tokens", "Tokens of prompts written to caches."),
    "reasoning_tokens": (f"{_INFERENCE}_usage_reasoning_output_tokens", "Tokens of reasoning before answers."),
}
"""The counters of parts of the tokens, with their descriptions, by the fields of `Usage`."""

_OLD_TIMES = {
    DURATION: "gen_ai_client_operation_duration_seconds",
    FIRST_CHUNK: "gen_ai_client_operation_time_to_first_chunk_seconds",
    PER_CHUNK: "gen_ai_client_operation_time_per_output_chunk_seconds",
}
_OLD_TOKENS, _TOKEN_TYPE = "gen_ai_client_token_usage", "gen_ai_token_type"
_TOKEN_TYPES = {INPUT_TOKENS: "input", OUTPUT_TOKENS: "output"}
_SUMS = {INPUT_TOKENS: f"{_INFERENCE}_usage_input_tokens", OUTPUT_TOKENS: f"{_INFERENCE}_usage_output_tokens"}


class Collects(Protocol):
    """A registry, or a collector of the library."""

    def collect(self) -> Iterable[Metric]: ...


class Named(Collector):
    """What `measured` collects, under the names that `semconv` says."""

    def __init__(self, measured: Collects, semconv: Semconv) -> None:
        self._measured, self._semconv = measured, semconv

    def collect(self) -> Iterator[Metric]:
        usage = Metric(_OLD_TOKENS, "Tokens a completion used.", "histogram")
        for metric in self._measured.collect():
            if not metric.name.startswith(_INFERENCE):
                yield metric
                continue
            if self._semconv != "old":
                yield metric
                yield from _summed(metric)
            if self._semconv != "0.1":
                yield from _timed_before(metric)
                _add_usage(usage, metric)
        if usage.samples:
            yield usage


def _summed(metric: Metric) -> Iterator[Metric]:
    """The counter of the tokens whose distribution a histogram is."""
    if metric.name in _SUMS:
        counter = Metric(_SUMS[metric.name], metric.documentation, "counter")
        counter.samples = [
            sample._replace(name=f"{counter.name}_total") for sample in metric.samples if sample.name.endswith("_sum")
        ]
        yield counter


def _timed_before(metric: Metric) -> Iterator[Metric]:
    """The histogram of times under its name before version 0.1."""
    if metric.name in _OLD_TIMES:
        before = Metric(_OLD_TIMES[metric.name], metric.documentation, metric.type)
        before.samples = [
            sample._replace(name=before.name + sample.name.removeprefix(metric.name)) for sample in metric.samples
        ]
        yield before


def _add_usage(usage: Metric, metric: Metric) -> None:
    """Adds a histogram of tokens to the one that was for all types of them."""
    if (kind := _TOKEN_TYPES.get(metric.name)) is not None:
        usage.samples += [
            sample._replace(
                name=usage.name + sample.name.removeprefix(metric.name), labels={**sample.labels, _TOKEN_TYPE: kind}
            )
            for sample in metric.samples
        ]
