"""An HTTP listener with one method, without the rest of the service."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from dragoman_service.contract import CompletionError
from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.http_errors import error_response
from dragoman_service.telemetry.metrics import Metrics
from dragoman_service.transport.http.call import HttpCall
from dragoman_service.transport.in_flight import InFlight
from prometheus_client.parser import text_string_to_metric_families
from raw_http import asked

LIMIT = 4096
Serve = Callable[[HttpCall], Awaitable[None]]


def encode_error(error: CompletionError, call_id: str) -> HttpErrorResponse:
    return error_response(error, json.dumps({"reason": error.reason_name, "id": call_id}).encode())


def encode_terminal_error(error: CompletionError, call_id: str) -> list[bytes]:
    return [f"LAST {error.reason_name}\n".encode()]


class Served:
    """A listener with one method, POST /ask."""

    def __init__(self, address: str, metrics: Metrics, in_flight: InFlight) -> None:
        self.address, self.in_flight, self._metrics = address, in_flight, metrics

    async def count(self, name: str, **labels: str) -> float:
        async with asked(self.address, "GET", "/metrics") as answer:
            families = text_string_to_metric_families((await answer.whole()).decode())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(s.value for s in samples if labels.items() <= s.labels.items())


async def echo(call: HttpCall) -> None:
    call.accept()
    await call.reply(call.body)
