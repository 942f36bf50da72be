"""What upstreams say that an answer cost: taken exactly, left out if it makes no sense, and passed on."""

from __future__ import annotations

from typing import Any

import pytest
from dragoman import v1
from dragoman_service.testing import Scripted, choice_finished, delta, serving
from local_asking import answer_of, request
from openai_serving import ASKED, Serve
from scripted_upstream import End
from upstream_bytes import DONE, STREAM, event, json_answer, piece

TOKENS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
DOLLAR = 10**9


def whole(**usage: Any) -> bytes:
    """An answer at once; json.dumps writes NaN and Infinity as some servers do."""
    choice = {"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}
    return json_answer(200, {"choices": [choice], "usage": {**TOKENS, **usage}})


def streamed(**usage: Any) -> tuple[bytes, ...]:
    return STREAM, piece("Hi"), piece(finish="stop"), event(choices=[], usage={**TOKENS, **usage}), DONE


REPORTS = [
    ({"cost": 0.95}, 950_000_000),
    ({"cost": 0.00014}, 140_000),
    ({"cost": 1.4e-05, "cost_details": {"upstream_inference_cost": None}, "is_byok": False}, 14_000),
    ({"cost": 0.1 + 0.2}, 300_000_000),
    ({"cost": 1.5e-09}, 2),
    ({"cost": 3}, 3 * DOLLAR),
    ({"cost": 0}, 0),
    # https://openrouter.ai/docs/use-cases/usage-accounting: the vendor charges for a key of the caller's own
    ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}, "is_byok": True}, 19_950_000_000),
    ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 950_000_000),
    # https://docs.x.ai/developers/cost-tracking: "37756000 cost $0.0038"
    ({"cost_in_usd_ticks": 37_756_000}, 3_775_600),
]

NONSENSE = [
    {},
    {"cost": None},
    {"cost": -0.01},
    {"cost": float("nan")},
    {"cost": float("inf")},
    {"cost": 1e300},
    {"cost": 10**400},
    {"cost": 1_000_001},
    {"cost": "0.95"},
    {"cost": True},
    {"cost": {"total_cost": 1}},
    {"cost": 0.95, "is_byok": True},
    {"cost": 0.95, "is_byok": True, "cost_details": {"upstream_inference_cost": "19"}},
    {"cost_in_usd_ticks": -1},
    {"cost_in_usd_ticks": 10**17},
]


@pytest.mark.parametrize(("usage", "nano_usd"), REPORTS)
async def test_the_cost_that_an_upstream_tells_is_taken_exactly(serve: Serve, usage: Any, nano_usd: int) -> None:
    at_once, _ = await serve((whole(**usage),))
    in_pieces, _ = await serve(streamed(**usage))
    completions = [await answer_of(provider, ASKED) for provider in (at_once, in_pieces)]

    assert [one.usage.HasField("cost_nano_usd") for one in completions] == [True, True]
    assert [one.usage.cost_nano_usd for one in completions] == [nano_usd, nano_usd]


@pytest.mark.parametrize("usage", NONSENSE)
async def test_a_cost_that_makes_no_sense_is_left_out_and_the_answer_is_delivered(serve: Serve, usage: Any) -> None:
    at_once, _ = await serve((whole(**usage),))
    in_pieces, _ = await serve(streamed(**usage))
    completions = [await answer_of(provider, ASKED) for provider in (at_once, in_pieces)]

    assert [one.usage.HasField("cost_nano_usd") for one in completions] == [False, False]
    assert [one.usage.output_tokens for one in completions] == [5, 5]


async def test_choices_from_several_requests_cost_what_all_of_them_cost(serve: Serve) -> None:
    body = streamed(cost=0.25)
    provider, upstream = await serve((*body, End.FIN), vendor="openrouter")
    completion = await answer_of(provider, request("user: Hi", choice_count=3))

    assert len(upstream.requests) == 3
    assert completion.usage.cost_nano_usd == 750_000_000
    assert completion.usage.input_tokens == 30


async def test_choices_from_several_requests_have_no_cost_if_none_is_told(serve: Serve) -> None:
    provider, _ = await serve((*streamed(), End.FIN), vendor="openrouter")
    completion = await answer_of(provider, request("user: Hi", choice_count=3))

    assert not completion.usage.HasField("cost_nano_usd")


@pytest.mark.parametrize("nano_usd", [0, 1, 123_456_789, 987_654_321_012_345])
async def test_a_service_behind_a_service_tells_what_its_answers_cost(nano_usd: int) -> None:
    usage = v1.Usage(input_tokens=10, output_tokens=5, cost_nano_usd=nano_usd)
    script = Scripted(delta("Hi"), choice_finished(), v1.CompletionEvent(usage=usage))
    async with serving({"inner": script}) as inner:
        table = {
            "plugin": "openai",
            "base_url": f"http://{inner.running.http_address}/v1",
            "models": ["inner/scripted"],
        }
        async with serving(settings={"providers": {"outer": table}}) as outer:
            asked = v1.CompletionRequest(model="outer/inner/scripted")
            asked.messages.add(role=v1.ROLE_USER).parts.add(text="Hi")
            completion = await outer.completions.CreateCompletion(asked)
            events = [event async for event in outer.completions.StreamCompletion(asked)]

    assert completion.usage.cost_nano_usd == nano_usd
    assert completion.usage.HasField("cost_nano_usd")
    assert events[-1].finished.completion.usage.cost_nano_usd == nano_usd
