"""The provider `yandex` asks for a whole answer where the caller sees nothing of it before its end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dragoman_service.contract import Whole
from dragoman_service.testing.provider_laws.harness import folded
from yandex_stand_in import FINAL, StandIn, asked, call, piece


async def test_a_whole_answer_is_that_of_a_stream():
    seen = []

    async def answer(request, context):
        seen.append(request.completion_options.stream)
        if request.completion_options.stream:
            yield piece("one")
        yield piece("one two", FINAL)

    upstream = StandIn()
    upstream.pieces = answer
    async with upstream.provider() as provider:
        streamed = folded([event async for event in provider.complete(asked(), call())])
        unseen = replace(call(), whole=Whole(allowed=True, asked=True))
        whole = folded([event async for event in provider.complete(asked(), unseen)])

    assert seen == [True, False]
    assert list(whole.choices) == list(streamed.choices)


@pytest.mark.parametrize(
    ("upstream", "limit", "taken"),
    [("auto", 32, True), ("auto", None, False), ("stream", 32, False), ("whole", None, True)],
)
async def test_a_whole_answer_is_asked_for_if_even_a_slow_model_gives_it_in_time(upstream, limit, taken):
    async with StandIn().provider(upstream=upstream) as provider:
        assert provider.takes_whole(asked(max_output_tokens=limit), None) is taken
