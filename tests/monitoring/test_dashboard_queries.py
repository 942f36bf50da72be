"""A real Prometheus scrapes a real service with two workers, and answers what the dashboard and the rules ask."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from busy_service import busy_service
from prometheus_client.parser import text_string_to_metric_families
from prometheus_server import prometheus

SHIPPED = Path(__file__).parents[2] / "deploy/observability"
SELDOM = {"Attempts that did not close"}
"""Panels without data, because no provider of the test refuses to close."""
NEVER = {"dragoman_attempts_abandoned_total"}
"""What they ask for."""


def panels() -> Iterator[tuple[str, str]]:
    """The title and one query of each panel."""
    for panel in json.loads((SHIPPED / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$job", ".*")


@pytest.mark.timeout(180)
async def test_prometheus_answers_every_query_of_the_dashboard(program, tmp_path, weights):
    async with (
        busy_service(tmp_path) as busy,
        prometheus(program("prometheus"), tmp_path, busy.service.http) as server,
    ):
        for _ in range(3):  # a rate needs two samples of each series
            before = await server.scrapes()
            await busy.round()
            async with asyncio.timeout(30):
                while await server.scrapes() < before + 2:
                    await asyncio.sleep(0.1)
        found = [(title, query, await server.result(query)) for title, query in panels()]
        groups = (await server.ask("rules"))["groups"]
        page = await busy.service.page("/metrics")

    empty = {title for title, _, series in found if not any(one["value"][1] != "NaN" for one in series)}
    assert empty == SELDOM
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}, [rule.get("lastError") for rule in rules]
    assert named() - emitted(page) == NEVER


def named() -> set[str]:
    """The metrics that the dashboard and the rules name, without the suffixes of histograms."""
    text = "".join(file.read_text() for file in (*SHIPPED.glob("*.json"), *SHIPPED.glob("*.yml")))
    words = re.findall(
        r"\b((?:dragoman|gen_ai_client|gen_ai_server|grpc_server|http_server)_\w+?)(?:_bucket|_sum|_count)?\b", text
    )
    assert len(words) > 100
    return set(words)


def emitted(page: str) -> set[str]:
    """The metrics of a page that have a series."""
    families = text_string_to_metric_families(page)
    return {name for family in families if family.samples for name in (family.name, f"{family.name}_total")}
