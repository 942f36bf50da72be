"""The filter `moderation` keeps the laws, and does what its settings say when the endpoint objects or fails."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman_service.contract import Call, CompletionError
from dragoman_service.testing import SafetyFilterLaws, Scripted, delta, serving
from filtered import END, answer_of, asking, events_of, text_of
from judging import judging, moderation

SCORES = {"hidden": 0.9, "grim": 0.6, "odd": 0.3}
PROSE = "Nothing of note happens here. "


class TestModeration(SafetyFilterLaws):
    refused = "the hidden path"
    secret = "hidden path"
    examples = 8

    @pytest.fixture
    async def wrap(self):
        async with judging(SCORES) as endpoint, moderation(endpoint.url, interval=24) as wrap:
            yield wrap


@pytest.fixture
async def endpoint():
    async with judging(SCORES) as endpoint:
        yield endpoint


async def test_an_answer_ends_before_the_interval_that_is_objected_to(endpoint):
    async with moderation(endpoint.url, interval=30, model="m-1", api_key="secret-key") as wrap:
        answer = await answer_of(wrap, delta(PROSE), delta("A grim "), delta("thing, and more of it."))
    (choice,) = answer.choices

    assert text_of(answer) == PROSE
    assert choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert [(r.category, r.score, r.level, r.blocked, r.source) for r in choice.safety.ratings] == [
        ("violence", 0.6, v1.SAFETY_LEVEL_MEDIUM, True, "judge")
    ]
    assert {body["model"] for body in endpoint.bodies} == {"m-1"}
    assert endpoint.headers[0]["authorization"] == "Bearer secret-key"
    assert endpoint.bodies[-1]["input"] == f"{PROSE}A grim thing, and more of it.", "judged with what stands before it"


async def test_scores_without_an_objection_are_reported(endpoint):
    async with moderation(endpoint.url) as wrap:
        answer = await answer_of(wrap, delta("An odd thing."))

    assert text_of(answer) == "An odd thing."
    assert [(r.category, r.level, r.blocked) for r in answer.choices[0].safety.ratings] == [
        ("violence", v1.SAFETY_LEVEL_LOW, False)
    ]


@pytest.mark.parametrize(
    ("settings", "text", "blocked"),
    [
        ({"thresholds": {"violence": 0.2}}, "odd", True),
        ({"thresholds": {"violence": 0.7}}, "grim", False),
        ({"thresholds": {"violence": 0.7}}, "hidden", True),
        ({"flagged": False}, "hidden", False),
        ({"on": "prompt"}, "hidden", False),
    ],
)
async def test_thresholds_decide_what_is_blocked(settings, text, blocked, endpoint):
    async with moderation(endpoint.url, **settings) as wrap:
        answer = await answer_of(wrap, delta(text))

    assert (answer.choices[0].finish_reason == v1.FINISH_REASON_CONTENT_FILTER) == blocked


@pytest.mark.parametrize(
    ("settings", "asked", "text", "blocked", "warned"),
    [
        ({}, v1.SAFETY_THRESHOLD_LOW, "odd", True, False),
        ({}, v1.SAFETY_THRESHOLD_NONE, "grim", True, True),
        ({"max_block_at": "none"}, v1.SAFETY_THRESHOLD_NONE, "hidden", False, False),
        ({"max_block_at": "high"}, v1.SAFETY_THRESHOLD_NONE, "hidden", True, True),
        ({"max_block_at": "high"}, v1.SAFETY_THRESHOLD_HIGH, "grim", False, False),
        ({"max_block_at": "high"}, v1.SAFETY_THRESHOLD_MEDIUM, "grim", True, False),
    ],
)
async def test_a_request_moves_the_threshold_within_the_settings(settings, asked, text, blocked, warned, endpoint):
    async with moderation(endpoint.url, on="answer", **settings) as wrap:
        answer = await answer_of(wrap, delta(text), request=asking("", violence=asked))

    assert (answer.choices[0].finish_reason == v1.FINISH_REASON_CONTENT_FILTER) == blocked
    assert [warning.field for warning in answer.warnings] == ["safety_settings"] * warned


FAILURES = {
    "status": (500, {"error": {"message": "hidden detail"}}),
    "text": (200, "no JSON"),
    "shape": (200, {"results": [{"flagged": "no"}]}),
    "count": (200, {"results": []}),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_without_a_verdict_nothing_passes(failure, endpoint, capfd):
    async with moderation(endpoint.url) as wrap:
        endpoint.answer = FAILURES[failure]
        with pytest.raises(CompletionError) as caught:
            await events_of(wrap, delta("Fine."), *END)

    assert (caught.value.reason_name, caught.value.retryable) == ("PROVIDER_UNAVAILABLE", True)
    assert "judge" in caught.value.message
    assert "detail" not in caught.value.message + "".join(capfd.readouterr())


@pytest.mark.parametrize("failure", FAILURES)
async def test_without_a_verdict_all_passes_if_that_is_set(failure, endpoint):
    async with moderation(endpoint.url, on_failure="pass") as wrap:
        endpoint.answer = FAILURES[failure]
        answer = await answer_of(wrap, delta("The hidden path."))

    assert text_of(answer) == "The hidden path."


async def test_a_failure_within_an_answer_says_so(endpoint):
    async def fail():
        endpoint.answer = FAILURES["status"]

    async with moderation(endpoint.url, interval=20) as wrap:
        provider = Scripted(delta(PROSE), fail, delta(PROSE), *END)
        events = wrap(provider.complete)(asking("Go on."), Call("1", "me"))
        with pytest.raises(CompletionError) as caught:
            shown = [event.delta.text async for event in events]
            assert shown

    assert not caught.value.retryable
    assert provider.running == 0


async def test_a_silent_endpoint_is_given_up_after_the_timeout(endpoint):
    endpoint.silent = True
    async with moderation(endpoint.url, timeout="50ms") as wrap:
        with pytest.raises(CompletionError, match="lets nothing pass unjudged"):
            await events_of(wrap, delta("Fine."), *END)


async def test_a_long_prompt_is_judged_in_parts(endpoint):
    async with moderation(endpoint.url) as wrap:
        answer = await answer_of(wrap, request=asking("word " * 9000 + "hidden"))

    assert answer.prompt_safety.blocked
    assert all(len(text) <= 16_000 for text in endpoint.bodies[0]["input"])


async def test_the_service_opens_and_closes_the_filter(endpoint):
    settings = {
        "providers": {"echo": {"text": "The hidden path."}},
        "filters": {"judge": {"plugin": "moderation", "base_url": endpoint.url, "on": "answer"}},
    }
    request = v1.CompletionRequest(model="echo/echo")
    request.messages.add(role=v1.ROLE_USER).parts.add(text="Go on.")
    async with serving(settings=settings) as service:
        answer = await service.completions.CreateCompletion(request)

    assert answer.choices[0].finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert not answer.choices[0].message.parts
