"""The memory for requests and answers: large calls share a budget, and ordinary ones always have enough."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import CompletionError
from dragoman_service.engine.budget import Budget, Share
from dragoman_service.engine.engine import Engine
from dragoman_service.errors import OVERLOAD_DELAY
from dragoman_service.testing.scripted import Scripted, choice_finished, delta
from hypothesis import given
from hypothesis import strategies as st
from relaying import read_all

REQUEST = v1.CompletionRequest(model="p/scripted", messages=[v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="?")])])


def refused(share: Share, size: int) -> bool:
    try:
        share.grow(size)
    except CompletionError as error:
        return error.reason_name == "OVERLOADED"
    return False


def test_a_refusal_tells_when_to_try_again() -> None:
    with pytest.raises(CompletionError) as caught:
        Budget(0, free=0).share().grow(1)

    assert caught.value.retryable
    assert OVERLOAD_DELAY[0] <= (caught.value.retry_after or 0) <= OVERLOAD_DELAY[1]


def test_the_first_bytes_of_every_call_are_free() -> None:
    budget = Budget(100, free=10)
    large, small = budget.share(), budget.share()

    assert not refused(large, 110)
    assert budget.used == 100
    assert not refused(small, 10)
    assert refused(small, 1)
    assert small.size == 10

    large.shrink(5)

    assert not refused(small, 5)
    assert budget.used == 100


STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(("grow", "shrink", "close")), st.integers(0, 60)))


@given(steps=STEPS)
def test_what_is_used_is_the_sum_of_what_calls_take_beyond_what_is_free(steps) -> None:
    budget = Budget(100, free=10)
    shares = [budget.share() for _ in range(4)]
    sizes = [0, 0, 0, 0]
    for number, what, size in steps:
        share = shares[number]
        if what == "grow" and not refused(share, size):
            sizes[number] += size
        elif what == "shrink":
            sizes[number] -= min(size, sizes[number])
            share.shrink(share.size - sizes[number])
        elif what == "close":
            share.close()
            sizes[number] = 0

        assert budget.used == sum(max(0, each - 10) for each in sizes)
        assert budget.used <= 100
        assert [share.counted for share in shares] == [each > 10 for each in sizes]


async def test_an_answer_for_which_there_is_no_memory_ends_in_overloaded() -> None:
    budget = Budget(30_000, free=10_000)
    pieces = [delta("x" * 5000) for _ in range(6)]  # two bytes a character
    engine = Engine(Catalogue({"p": Scripted(*pieces, choice_finished())}, {}), budget=budget)
    async with engine.relay(REQUEST, engine.call("me")) as first:
        _, nothing = await read_all(first)
        async with engine.relay(REQUEST, engine.call("me")) as second:
            events, error = await read_all(second)
        used = budget.used

    assert nothing is not None, "60,000 bytes are too many"
    assert error is not None
    assert error.reason_name == "OVERLOADED"
    assert sum(len(event.delta.text) for event in events) < 30_000
    assert used <= 30_000
    assert budget.used == 0


async def test_an_answer_gives_back_what_it_took() -> None:
    budget = Budget(50_000, free=10_000)
    engine = Engine(Catalogue({"p": Scripted(delta("x" * 20_000), choice_finished())}, {}), budget=budget)
    taken = []
    for _ in range(4):
        async with engine.relay(REQUEST, engine.call("me")) as relay:
            answer = await relay.completion()
            taken.append(budget.used)

    assert answer.choices[0].message.parts[0].text == "x" * 20_000
    assert min(taken) == max(taken) > 30_000
    assert budget.used == 0


@pytest.mark.parametrize("alternatives", [0, 20])
async def test_alternatives_count_towards_the_length_of_an_answer(alternatives) -> None:
    top = [v1.TopLogprob(token="x", logprob=-1)] * alternatives
    event = v1.CompletionEvent(delta=v1.Delta(logprobs=[v1.TokenLogprob(token="x", top_logprobs=top)] * 7000))
    engine = Engine(Catalogue({"p": Scripted(event, choice_finished())}, {}))
    async with engine.relay(REQUEST, engine.call("me")) as relay:
        _, error = await read_all(relay)

    assert (error is not None and "more than" in error.message) == (alternatives == 20)
