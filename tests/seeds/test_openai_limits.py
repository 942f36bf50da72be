"""Limits of callers and OpenAI's clients: they wait for rates, and ask once for what will not be answered."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest
from dragoman_service.testing.scripted import Scripted, choice_finished, delta, usage
from dragoman_service.testing.serving import serving
from seed_program import PROGRAMS, run

LIMITS = {
    "rated": {"requests": {"minute": 30, "burst": 1}},
    "metered": {"tokens": {"minute": 1200, "burst": 40}},
    "large": {"tokens": {"minute": 10}},
    "paid": {"requests": {"day": 1}},
}
SETTINGS = {
    "access.open_metrics": True,
    "limits.keys": {"*": {"models": LIMITS}},
    "models": {name: {"targets": ["vendor/scripted"]} for name in LIMITS},
}
ANSWER = (delta("yes"), choice_finished(), usage(input_tokens=30, output_tokens=8))


async def asked_twice(client, model):
    """What the program reports, how many requests the service had, and how many of them it refused."""
    program = (PROGRAMS / "openai" / "limits.py").read_text()
    async with serving({"vendor": Scripted(*ANSWER)}, SETTINGS) as served:
        environ = {"OPENAI_BASE_URL": f"http://{served.running.http_address}/v1", "OPENAI_API_KEY": "none"}
        output = await asyncio.to_thread(run, client, program, model, environ=environ)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{served.running.http_address}/metrics") as answer,
        ):
            page = await answer.text()
    counted = re.findall(r"^http_server_request_duration_seconds_count({.*}) (\d+)\.0$", page, re.MULTILINE)
    refused = sum(int(count) for labels, count in counted if 'error_type=""' not in labels)
    return output.facts, sum(int(count) for _, count in counted), refused


@pytest.mark.parametrize("client", ["openai-1", "openai-3"])
@pytest.mark.parametrize("model", ["rated", "metered"])
async def test_the_client_asks_again_after_the_delay_of_a_rate(client, model):
    facts, requests, refused = await asked_twice(client, model)

    assert [set(fact) for fact in facts] == [{"seconds"}] * 2, "both are answered"
    assert (requests, refused) == (3, 1)
    assert facts[1]["seconds"] >= 1


@pytest.mark.parametrize("client", ["openai-1", "openai-3"])
async def test_the_client_does_not_ask_again_for_a_budget(client):
    facts, requests, refused = await asked_twice(client, "paid")

    assert (facts[1]["type"], facts[1]["status"], facts[1]["code"]) == ("RateLimitError", 429, "insufficient_quota")
    assert (requests, refused) == (2, 1)


@pytest.mark.parametrize("client", ["openai-1", "openai-3"])
async def test_the_client_does_not_ask_again_for_what_is_too_large(client):
    facts, requests, refused = await asked_twice(client, "large")

    assert [fact["type"] for fact in facts] == ["BadRequestError"] * 2
    assert (requests, refused) == (2, 2)
