"""Events to completion."""

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.engine.fold import Fold
from dragoman_service.testing import choice_finished, delta, usage
from google.rpc import code_pb2

STARTED = v1.CompletionEvent(started=v1.Started(served_model="m", provider="p"))


def fold(*events: v1.CompletionEvent) -> Fold:
    collected = Fold(v1.Completion(name="completions/1", requested_model="alias"))
    for event in events:
        collected.add(event)
    return collected


def piece(kind: str, text: str) -> v1.CompletionEvent:
    return v1.CompletionEvent(delta=v1.Delta(**{kind: text}))


def reason_of(error: pytest.ExceptionInfo[CompletionError]) -> str:
    return error.value.reason_name


def test_pieces_of_a_kind_become_one_part_and_parts_keep_their_order():
    thoughts = piece("reasoning", "Let me "), piece("reasoning", "see.")
    words = delta("A"), delta("B"), piece("refusal", "No."), delta("C")
    completion = fold(*thoughts, *words, choice_finished()).completion()

    assert list(completion.choices[0].message.parts) == [
        v1.Part(reasoning=v1.Reasoning(text="Let me see.")),
        v1.Part(text="AB"),
        v1.Part(refusal="No."),
        v1.Part(text="C"),
    ]
    assert completion.choices[0].message.role == v1.ROLE_ASSISTANT


def test_choices_are_kept_apart_and_ordered():
    completion = fold(delta("b", 1), delta("a", 0), delta("B", 1), choice_finished(1), choice_finished(0)).completion()

    assert [(c.index, c.message.parts[0].text) for c in completion.choices] == [(0, "a"), (1, "bB")]


def test_the_end_of_a_choice_is_kept_whole():
    end = v1.ChoiceFinished(
        finish_reason=v1.FINISH_REASON_STOP_SEQUENCE,
        provider_finish_reason="stop",
        matched_stop_sequence="END",
        system_fingerprint="fp",
    )
    completion = fold(delta("x"), v1.CompletionEvent(choice_finished=end)).completion()

    choice = completion.choices[0]
    assert choice.finish_reason == v1.FINISH_REASON_STOP_SEQUENCE
    assert (choice.provider_finish_reason, choice.matched_stop_sequence) == ("stop", "END")
    assert completion.system_fingerprint == "fp"


def test_what_is_known_at_the_start_is_kept():
    completion = fold(STARTED, delta("x"), choice_finished()).completion()

    assert (completion.served_model, completion.provider) == ("m", "p")
    assert (completion.name, completion.requested_model) == ("completions/1", "alias")
    assert completion.HasField("finish_time")


def test_an_answer_may_be_empty():
    completion = fold(choice_finished(), usage(3, 0)).completion()

    assert not completion.choices[0].message.parts
    assert not completion.usage.estimated


def test_the_last_usage_counts_and_its_total_is_right():
    latest = v1.CompletionEvent(usage=v1.Usage(input_tokens=5, output_tokens=7))
    completion = fold(usage(5, 1), delta("x"), latest, choice_finished()).completion()

    assert completion.usage == v1.Usage(input_tokens=5, output_tokens=7, total_tokens=12)


def test_usage_is_estimated_if_the_provider_reports_none():
    completion = fold(delta("x"), delta("y"), choice_finished()).completion()

    assert completion.usage == v1.Usage(output_tokens=2, total_tokens=2, estimated=True)


def test_usage_of_an_empty_answer_without_figures_is_an_estimate_too():
    assert fold(choice_finished()).completion().usage == v1.Usage(estimated=True)


def test_usage_of_a_running_answer_is_partial_and_adds_what_the_provider_has_not_counted_yet():
    on_the_way = fold(usage(5, 0), delta("x"), delta("y")).usage()

    assert on_the_way == v1.Usage(input_tokens=5, output_tokens=2, total_tokens=7, estimated=True, partial=True)


def test_exact_usage_of_a_running_answer_is_not_an_estimate():
    on_the_way = fold(delta("x"), usage(5, 1)).usage()

    assert on_the_way == v1.Usage(input_tokens=5, output_tokens=1, total_tokens=6, partial=True)


def test_logprobs_keep_their_order():
    first, second = v1.TokenLogprob(token="x"), v1.TokenLogprob(token="y")
    completion = fold(delta("x", logprobs=[first]), delta("y", logprobs=[second]), choice_finished()).completion()

    assert list(completion.choices[0].logprobs) == [first, second]


@pytest.mark.parametrize("late", [delta("more"), choice_finished()])
def test_a_choice_that_goes_on_after_its_end_is_malformed(late):
    with pytest.raises(CompletionError) as caught:
        fold(choice_finished(), late)

    assert reason_of(caught) == "PROVIDER_MALFORMED"


@pytest.mark.parametrize("foreign", [v1.CompletionEvent(), v1.CompletionEvent(finished=v1.Finished()), STARTED])
def test_events_that_are_not_the_providers_are_malformed(foreign):
    with pytest.raises(CompletionError) as caught:
        fold(STARTED, delta("x"), foreign)

    assert reason_of(caught) == "PROVIDER_MALFORMED"


def test_retracted_events_are_forgotten():
    retracted = v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1))
    again = v1.CompletionEvent(started=v1.Started(served_model="n", provider="q"))
    before = STARTED, delta("old", 1), choice_finished(1), usage(9, 9)
    collected = fold(*before, retracted, again, delta("new"), choice_finished())
    completion = collected.completion()

    assert (completion.served_model, completion.provider) == ("n", "q")
    assert [(c.index, c.message.parts[0].text) for c in completion.choices] == [(0, "new")]
    assert completion.usage == v1.Usage(output_tokens=1, total_tokens=1, estimated=True)
    assert collected.characters == 3


def test_a_retraction_of_only_some_events_is_malformed():
    with pytest.raises(CompletionError) as caught:
        fold(STARTED, delta("x"), v1.CompletionEvent(retracted=v1.Retracted(from_sequence=2)))

    assert reason_of(caught) == "PROVIDER_MALFORMED"


def test_no_answer_at_all_is_malformed():
    with pytest.raises(CompletionError) as caught:
        fold(STARTED, usage(1, 0)).completion()

    assert reason_of(caught) == "PROVIDER_MALFORMED"


def test_an_answer_that_does_not_finish_is_broken():
    with pytest.raises(CompletionError) as caught:
        fold(delta("a", 0), delta("b", 1), choice_finished(0)).completion()

    assert reason_of(caught) == "PROVIDER_STREAM_BROKEN"
    assert caught.value.code == code_pb2.UNAVAILABLE
    assert "choice 1" in caught.value.message


@pytest.mark.parametrize("kind", ["text", "reasoning", "refusal"])
def test_an_endless_answer_is_malformed(kind: str):
    endless = piece(kind, "x" * (1024 * 1024))
    collected = fold(*[endless] * 8)
    with pytest.raises(CompletionError) as caught:
        collected.add(piece(kind, "x"))

    assert reason_of(caught) == "PROVIDER_MALFORMED"


def test_logprobs_count_towards_the_length_of_an_answer():
    logprobs = v1.CompletionEvent(delta=v1.Delta(logprobs=[v1.TokenLogprob(token="x")] * 131072))
    with pytest.raises(CompletionError) as caught:
        fold(logprobs, delta("x"))

    assert reason_of(caught) == "PROVIDER_MALFORMED"


def test_without_a_count_tokens_are_estimated_by_pieces_or_by_length_whichever_is_more():
    assert fold(delta("a"), delta("b")).usage().output_tokens == 2
    assert fold(delta("abcdefghijkl")).usage().output_tokens == 3
    assert fold(delta("abcdefghijkl"), usage(1, 2)).usage().output_tokens == 2


def safety(*ratings: v1.SafetyRating, choice: int | None = 0, blocked: bool = False, **fields) -> v1.CompletionEvent:
    assessment = v1.SafetyAssessment(ratings=ratings, blocked=blocked, **fields)
    return v1.CompletionEvent(safety=v1.SafetyReport(choice_index=choice, assessment=assessment))


def rating(category: str, level: int = v1.SAFETY_LEVEL_LOW, source: str = "s", **fields) -> v1.SafetyRating:
    return v1.SafetyRating(category=category, level=level, source=source, **fields)


def test_a_rating_replaces_the_one_of_the_same_source_and_category_and_a_block_stays():
    low, high, other = rating("hate_speech"), rating("hate_speech", v1.SAFETY_LEVEL_HIGH), rating("hate_speech", 2, "t")
    completion = fold(
        delta("x"),
        safety(low, other, blocked=True, codes=["251"], message="why"),
        safety(high, codes=["251", "252"]),
        choice_finished(),
    ).completion()

    assert completion.choices[0].safety == v1.SafetyAssessment(
        blocked=True, ratings=[high, other], codes=["251", "252"], message="why"
    )
    assert not completion.HasField("prompt_safety")


def test_findings_about_the_prompt_are_not_those_about_a_choice():
    completion = fold(safety(rating("hate_speech"), choice=None), delta("x"), choice_finished()).completion()

    assert [found.category for found in completion.prompt_safety.ratings] == ["hate_speech"]
    assert not completion.choices[0].HasField("safety")


def test_citations_of_a_choice_add_up():
    sources = [v1.Citation(start_index=n, end_index=n + 1, uri=f"https://e/{n}") for n in range(2)]
    reports = [v1.CompletionEvent(citations=v1.CitationReport(choice_index=1, citations=[one])) for one in sources]
    completion = fold(delta("a"), delta("b", 1), *reports, choice_finished(), choice_finished(1)).completion()

    assert [list(choice.citations) for choice in completion.choices] == [[], sources]


@pytest.mark.parametrize("late", [safety(rating("x")), v1.CompletionEvent(citations=v1.CitationReport())])
def test_findings_after_the_end_of_their_choice_are_refused(late):
    with pytest.raises(CompletionError) as caught:
        fold(delta("a"), choice_finished(), late)

    assert reason_of(caught) == "PROVIDER_MALFORMED"


def test_state_completes_its_part():
    signed = v1.CompletionEvent(delta=v1.Delta(text="B", state=b"1"))
    thought = v1.CompletionEvent(delta=v1.Delta(reasoning="R", state=b"2"))
    call = v1.Delta(tool_call=v1.ToolCallDelta(id="a", name="f", arguments_json="{}"), state=b"3")
    events = thought, delta("A"), signed, delta("C"), v1.CompletionEvent(delta=call)
    completion = fold(*events, choice_finished()).completion()

    assert list(completion.choices[0].message.parts) == [
        v1.Part(reasoning=v1.Reasoning(text="R"), state=b"2"),
        v1.Part(text="AB", state=b"1"),
        v1.Part(text="C"),
        v1.Part(tool_call=v1.ToolCall(id="a", name="f", arguments_json="{}"), state=b"3"),
    ]
