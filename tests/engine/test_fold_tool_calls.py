"""Tool calls: from pieces to parts."""

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.engine.fold import Fold
from dragoman_service.testing import choice_finished, delta, tool_call


def folded(*events):
    fold = Fold(v1.Completion())
    for event in events:
        fold.add(event)
    return fold.completion()


def called(call_id, name, arguments):
    return v1.Part(tool_call=v1.ToolCall(id=call_id, name=name, arguments_json=arguments))


def test_the_pieces_of_a_call_become_one_part_and_parts_keep_their_order():
    completion = folded(
        delta("Let me look. "),
        tool_call(0, '{"city"', call_id="a", name="weather"),
        tool_call(0, ': "Oslo"}'),
        tool_call(1, "", call_id="b", name="now"),
        delta("And then"),
        tool_call(2, "{}", call_id="c", name="weather"),
        choice_finished(finish_reason=v1.FINISH_REASON_TOOL_CALLS),
    )

    assert list(completion.choices[0].message.parts) == [
        v1.Part(text="Let me look. "),
        called("a", "weather", '{"city": "Oslo"}'),
        called("b", "now", ""),
        v1.Part(text="And then"),
        called("c", "weather", "{}"),
    ]


def test_text_between_the_pieces_of_a_call_does_not_split_it():
    completion = folded(tool_call(0, "{", call_id="a", name="now"), delta("hm"), tool_call(0, "}"), choice_finished())

    assert list(completion.choices[0].message.parts) == [called("a", "now", "{}"), v1.Part(text="hm")]


def test_arguments_that_are_not_json_are_kept_as_the_model_wrote_them():
    completion = folded(tool_call(0, "{oops", call_id="a", name="now"), choice_finished())

    assert completion.choices[0].message.parts[0].tool_call.arguments_json == "{oops"


def test_a_first_piece_may_come_twice_with_the_same_words():
    completion = folded(
        tool_call(0, "{", call_id="a", name="now"), tool_call(0, "}", call_id="a", name="now"), choice_finished()
    )

    assert list(completion.choices[0].message.parts) == [called("a", "now", "{}")]


def test_the_calls_of_each_choice_are_numbered_on_their_own():
    completion = folded(
        tool_call(0, "1", call_id="a", name="now"),
        tool_call(0, "2", call_id="b", name="then", choice_index=1),
        choice_finished(0),
        choice_finished(1),
    )

    assert [list(choice.message.parts) for choice in completion.choices] == [
        [called("a", "now", "1")],
        [called("b", "then", "2")],
    ]


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([tool_call(1, "", call_id="a", name="now")], id="the second before the first"),
        pytest.param([tool_call(-1, "", call_id="a", name="now")], id="a number below zero"),
        pytest.param([tool_call(0, "{}", call_id="a")], id="no name"),
        pytest.param(
            [tool_call(0, "", call_id="a", name="now"), tool_call(1, "", call_id="b", name="then"), tool_call(0, "{}")],
            id="back to the first",
        ),
        pytest.param([tool_call(0, "", call_id="a", name="now"), tool_call(0, "", call_id="b")], id="another id"),
        pytest.param([tool_call(0, "", call_id="a", name="now"), tool_call(0, "", name="then")], id="another name"),
        pytest.param(
            [tool_call(0, "", call_id="a", name="now"), tool_call(2, "", call_id="b", name="then")], id="a hole"
        ),
    ],
)
def test_pieces_out_of_order_are_malformed(events):
    with pytest.raises(CompletionError, match="tool call") as caught:
        folded(*events)

    assert caught.value.reason_name == "PROVIDER_MALFORMED"
