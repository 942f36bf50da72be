"""The filter `patterns` keeps the laws, and does what its settings and the request say."""

from __future__ import annotations

import json

import pytest
from dragoman import v1
from dragoman_service.filters.safety.matching.scanner import MAX_SLICE
from dragoman_service.filters.safety.patterns.filter import make_patterns
from dragoman_service.filters.safety.patterns.settings import PatternsSettings
from dragoman_service.testing import SafetyFilterLaws, choice_finished, delta, tool_call, usage
from dragoman_service.testing.provider_laws.harness import folded
from dragoman_service.timing.off_loop import INLINE as OFF_LOOP
from filtered import END, answer_of, asking, context_of, events_of, text_of


def patterns(**categories):
    return make_patterns(PatternsSettings(categories=categories), context_of("house"))


class TestPatterns(SafetyFilterLaws):
    refused = "wholly forbidden fruit"
    secret = "forbidden fruit"

    @pytest.fixture
    def wrap(self):
        return patterns(fruit={"words": ["forbidden fruit"]}, more={"patterns": ["forb[a-z]{0,9} tree"]})


async def test_a_blocked_answer_says_which_filter_and_category_and_quotes_nothing():
    wrap = patterns(weapons={"words": ["bomb"], "severity": "medium"}, tone={"words": ["damn"], "action": "annotate"})
    answer = await answer_of(wrap, delta("Damn, a bomb."))
    (choice,) = answer.choices

    assert text_of(answer) == "Damn, a "
    assert choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert [(r.category, r.level, r.blocked, r.source) for r in choice.safety.ratings] == [
        ("weapons", v1.SAFETY_LEVEL_MEDIUM, True, "house"),
        ("tone", v1.SAFETY_LEVEL_HIGH, False, "house"),
    ]
    assert "bomb" not in choice.safety.message
    assert "weapons" in choice.safety.message


async def test_an_annotated_answer_is_whole():
    answer = await answer_of(patterns(tone={"words": ["damn"], "action": "annotate"}), delta("Damn it."))

    assert text_of(answer) == "Damn it."
    assert answer.choices[0].finish_reason == v1.FINISH_REASON_STOP
    assert not answer.choices[0].safety.blocked
    assert [rating.category for rating in answer.choices[0].safety.ratings] == ["tone"]


async def test_a_redacted_prompt_goes_on_as_a_copy():
    wrap = patterns(names={"words": ["Smith"], "action": "redact", "replacement": "[name]"})
    request = asking("Who is Smith?")
    request.messages[0].parts.add(text=" Not smi")
    request.messages[0].parts.add(text="th.")
    call = v1.ToolCall(id="1", name="find", arguments_json='{"who": "Sm\\u0069th", "n": 1}')
    request.messages.add(role=v1.ROLE_ASSISTANT).parts.add(tool_call=call)
    before = request.SerializeToString()
    provider, events = await events_of(wrap, delta("Fine."), *END, request=request)
    (sent,) = provider.requests

    assert request.SerializeToString() == before
    assert [part.text for part in sent.messages[0].parts] == ["Who is [name]?", " Not [name]", "."]
    assert json.loads(sent.messages[1].parts[0].tool_call.arguments_json) == {"who": "[name]", "n": 1}
    assert [rating.category for rating in folded(events).prompt_safety.ratings] == ["names"]


@pytest.mark.parametrize(
    "arguments", ['{"a": "bo\\u006db"}', '{"bomb": 1}', '"{\\"a\\": \\"bo\\\\u006db\\"}"', '{"a": "bo\\u006db', "bomb"]
)
async def test_a_tool_call_is_read_behind_its_escapes(arguments):
    answer = await answer_of(patterns(weapons={"words": ["bomb"]}), *calls(arguments))

    assert answer.choices[0].finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert not answer.choices[0].message.parts


async def test_a_redacted_tool_call_is_still_json():
    wrap = patterns(weapons={"words": ["bomb"], "action": "redact"})
    answer = await answer_of(wrap, *calls('{"a": ["a bo\\u006db", {"bomb": 2}], "b": true}'))
    (part,) = answer.choices[0].message.parts

    assert json.loads(part.tool_call.arguments_json) == {"a": ["a ***", {"***": 2}], "b": True}
    assert (part.tool_call.id, part.tool_call.name) == ("7", "write")


@pytest.mark.parametrize("arguments", ['{"a": "bo", "b": "mb"}', '{"a": "x\\ud800 bo...mb"}'])
async def test_a_tool_call_that_cannot_be_redacted_is_blocked(arguments):
    wrap = patterns(weapons={"patterns": ["bo.{1,12}mb"], "action": "redact", "replacement": "bo-mb"})
    prompt = asking("Go on.")
    call = v1.ToolCall(id="1", name="find", arguments_json=arguments)
    prompt.messages.add(role=v1.ROLE_ASSISTANT).parts.add(tool_call=call)

    assert (await answer_of(wrap, request=prompt)).prompt_safety.blocked
    (choice,) = (await answer_of(wrap, *calls(arguments))).choices
    assert choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert choice.safety.ratings[0].blocked
    assert not choice.message.parts


async def test_a_redacted_tool_call_keeps_what_is_no_text():
    wrap = patterns(weapons={"words": ["bomb"], "action": "redact"})
    answer = await answer_of(wrap, *calls('{"a": "\\ud800 bomb", "n": [1, 2.5, null, 1e999]}'))

    assert (
        answer.choices[0].message.parts[0].tool_call.arguments_json
        == '{"a": "\\ud800 ***", "n": [1, 2.5, null, 1e999]}'
    )


def calls(arguments):
    half = len(arguments) // 2
    return tool_call(0, arguments[:half], call_id="7", name="write"), tool_call(0, arguments[half:])


@pytest.mark.parametrize(
    ("settings", "asked", "blocked", "limited"),
    [
        ({}, None, True, False),
        ({}, v1.SAFETY_THRESHOLD_NONE, True, True),
        ({}, v1.SAFETY_THRESHOLD_LOW, True, False),
        ({"max_block_at": "high"}, v1.SAFETY_THRESHOLD_HIGH, False, False),
        ({"max_block_at": "high"}, v1.SAFETY_THRESHOLD_NONE, False, True),
        ({"max_block_at": "none"}, v1.SAFETY_THRESHOLD_NONE, False, False),
        ({"max_block_at": "none"}, None, True, False),
        ({"block_at": "high"}, None, False, False),
        ({"block_at": "high"}, v1.SAFETY_THRESHOLD_MEDIUM, True, False),
        ({"action": "annotate"}, v1.SAFETY_THRESHOLD_LOW, True, False),
        ({"action": "annotate"}, v1.SAFETY_THRESHOLD_HIGH, False, False),
    ],
)
async def test_a_request_moves_the_threshold_within_the_settings(settings, asked, blocked, limited):
    wrap = patterns(weapons={"words": ["bomb"], "severity": "medium", **settings})
    thresholds = {} if asked is None else {"weapons": asked}
    for request, steps in (
        (asking("A bomb", **thresholds), [delta("Fine.")]),
        (asking("", **thresholds), [delta("A bomb")]),
    ):
        answer = await answer_of(wrap, *steps, request=request)

        assert (answer.choices[0].finish_reason == v1.FINISH_REASON_CONTENT_FILTER) == blocked
        assert [warning.field for warning in answer.warnings] == ["safety_settings"] * limited


async def test_settings_for_other_categories_go_on_to_the_provider():
    request = asking("Hello", violence=v1.SAFETY_THRESHOLD_NONE)
    provider, _ = await events_of(patterns(weapons={"words": ["bomb"]}), delta("Fine."), *END, request=request)

    assert provider.requests[0].safety_settings == request.safety_settings


async def test_the_lists_apply_to_prompts_or_to_answers():
    wrap = patterns(asked={"words": ["one"], "on": "prompt"}, said={"words": ["two"], "on": "answer"})

    assert (await answer_of(wrap, delta("one two"), request=asking("two"))).choices[0].message.parts[0].text == "one "
    assert (await answer_of(wrap, request=asking("one"))).prompt_safety.blocked


def logprob(token, *alternatives):
    found = [v1.TopLogprob(token=one) for one in alternatives]
    return v1.TokenLogprob(token=token, top_logprobs=found)


async def test_log_probabilities_leave_with_their_text_only():
    wrap = patterns(weapons={"words": ["bomb"]}, names={"words": ["Smith"], "action": "redact"})
    tokens = [logprob("Mr "), logprob("Smi"), logprob("th"), logprob(" h", "bomb", " h"), logprob("as"), logprob(" bo")]
    whole = "".join(token.token for token in tokens)
    late = [v1.CompletionEvent(delta=v1.Delta(logprobs=tokens[3:]))]
    shown = []
    for steps in (
        [delta(whole, 0, tokens)],
        [delta(token.token, 0, [token]) for token in tokens],
        [delta(whole, 0, tokens[:3]), *late],
    ):
        answer = await answer_of(wrap, *steps, delta("mb."))
        shown.append([(one.token, [other.token for other in one.top_logprobs]) for one in answer.choices[0].logprobs])

        assert text_of(answer) == "Mr *** has "

    assert shown == [[("Mr ", []), (" h", [" h"]), ("as", [])]] * 3


async def test_the_state_of_a_part_leaves_with_its_text_unless_that_was_changed():
    wrap = patterns(weapons={"words": ["bomb"]}, names={"words": ["Smith"], "action": "redact"})
    thoughts = [("Ho", b""), ("w?", b"s1"), ("Ask Sm", b""), ("ith", b"s2"), ("", b"s3"), ("Bomb", b"s4")]
    steps = [v1.CompletionEvent(delta=v1.Delta(reasoning=text, state=state)) for text, state in thoughts]
    answer = await answer_of(wrap, *steps[:5], delta("Yes"))
    blocked = await answer_of(wrap, *steps)

    for shown in (answer, blocked):
        parts = [
            (part.reasoning.text, part.state) for part in shown.choices[0].message.parts if part.HasField("reasoning")
        ]
        assert parts == [("How?", b"s1"), ("Ask ***", b"s3")]


async def test_citations_point_to_the_text_that_left():
    wrap = patterns(
        names={"words": ["Smith", "Jo"], "action": "redact", "replacement": "[name]"}, bad={"words": ["bomb"]}
    )
    places = [(0, 2), (0, 11), (6, 11), (12, 15), (0, 0)]
    citations = [v1.Citation(start_index=start, end_index=end, uri="u") for start, end in places]
    citations.append(v1.Citation(title="All about the bomb"))
    report = v1.CompletionEvent(citations=v1.CitationReport(citations=citations))
    answer = await answer_of(wrap, report, delta("Jo and Smi"), delta("th ate."))
    blocked = await answer_of(wrap, delta("Yo and bomb"), report)

    assert text_of(answer) == "[name] and [name] ate."
    assert [(one.start_index, one.end_index) for one in answer.choices[0].citations] == [
        (0, 6),
        (0, 17),
        (10, 17),
        (17, 20),
        (0, 0),
    ]
    assert [(one.start_index, one.end_index) for one in blocked.choices[0].citations] == [(0, 2), (0, 0)]


@pytest.mark.parametrize("cuts", [["A bo", "mb for you"], ["A b", "o", "m", "b for you"], ["A bo", "mb"], ["A bomb"]])
async def test_events_between_the_letters_of_a_word_hide_it_not(cuts):
    thought = v1.CompletionEvent(delta=v1.Delta(reasoning="Hm."))
    steps = [step for text in cuts for step in (delta(text), thought)]
    answer = await answer_of(patterns(weapons={"words": ["bomb"]}), *steps)

    assert answer.choices[0].finish_reason == v1.FINISH_REASON_CONTENT_FILTER
    assert [rating.category for rating in answer.choices[0].safety.ratings] == ["weapons"]
    assert text_of(answer) == ("".join(cuts[:-1]) or "A ")


async def test_a_word_may_begin_where_a_part_does():
    thought = v1.CompletionEvent(delta=v1.Delta(reasoning="Hm."))
    for between in ([thought], calls("{}"), [v1.CompletionEvent(delta=v1.Delta(text="", state=b"s"))]):
        answer = await answer_of(patterns(weapons={"words": ["bomb"]}), delta("Surely"), *between, delta("bomb"))

        assert answer.choices[0].finish_reason == v1.FINISH_REASON_CONTENT_FILTER
        assert text_of(answer) == "Surely"


async def test_usage_of_the_provider_is_completed_when_it_is_stopped():
    steps = [usage(30, 1), delta("A long way to "), delta("the bomb.")]
    _, events = await events_of(patterns(weapons={"words": ["bomb"]}), *steps)
    last = events[-1].usage

    assert (last.input_tokens, last.output_tokens, last.total_tokens, last.estimated) == (30, 2, 32, True)


async def test_a_choice_cannot_go_on_after_its_end():
    with pytest.raises(Exception, match="after its end"):
        await events_of(patterns(weapons={"words": ["bomb"]}), delta("A"), choice_finished(), delta("B"))


async def test_long_texts_are_judged_step_by_step():
    wrap = patterns(weapons={"words": ["bomb"], "action": "redact"}, last={"words": ["detonator"]})
    filler = "word " * (MAX_SLICE // 5)
    long = filler[:-2] + "x bomb " + filler * 12 + "bomb. A detonator"
    answer = await answer_of(wrap, delta(long))
    refused = await answer_of(wrap, request=asking(long))

    assert text_of(answer) == filler[:-2] + "x *** " + filler * 12 + "***. A "
    assert refused.prompt_safety.blocked
    assert len(long) > OFF_LOOP
