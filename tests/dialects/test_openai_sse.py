"""Decoding server-sent events, however they are cut into pieces."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from dragoman import v1
from dragoman_service.dialects.openai.client.stream import StreamDecoder
from dragoman_service.dialects.sse import ErrorData, SseDecoder
from dragoman_service.engine.fold import Fold
from dragoman_service.errors import CompletionError
from hypothesis import given, settings
from hypothesis import strategies as st


def line(**delta: object) -> str:
    finish = "tool_calls" if not delta else None
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"é": '}}
ANSWER = "".join(
    [
        ": ping\n\nevent: message\n",
        line(reasoning="Hm"),
        line(content="Größe ✓ "),
        line(content="🙂 done"),
        line(tool_calls=[CALL]),
        line(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}]),
        line(),
        'data: {"choices": [],\ndata: "usage": {"prompt_tokens": 5, "completion_tokens": 9}}\n\ndata: [DONE]\n\n',
    ]
)


def answered(*pieces: bytes) -> v1.Completion:
    decoder, fold = StreamDecoder(), Fold(v1.Completion())
    events = [event for piece in pieces for event in decoder.feed(piece)]
    for event in [*events, *decoder.end()]:
        fold.add(event)
    completion = fold.completion()
    completion.ClearField("finish_time")
    return completion


def at_once(decoder: SseDecoder, chunk: bytes) -> list[bytes]:
    """The same events as `feed` gives, taken at once where that is possible."""
    found = decoder.feed_json(chunk)
    if found is None:
        return decoder.feed(chunk)
    assert b"\n" not in found.text
    assert found.text.count(b"{") >= len(found.pieces)
    return [*map(found.data, range(len(found.pieces))), *([b"[DONE]"] if found.done else [])]


def decoded(*chunks: bytes) -> list[bytes]:
    decoder = SseDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


@given(
    events=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(0, 400)),
)
def test_events_do_not_depend_on_where_the_bytes_are_cut(events: list[str], end: str, cuts: list[int]) -> None:
    wire = "".join(f"data: {event}{end}{end}" for event in events).encode() + b": the end\n"
    bounds = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    pieces = [wire[start:stop] for start, stop in pairwise(bounds)]

    assert decoded(*pieces) == [event.encode() for event in events if not event.encode().isspace() and event]


# What the reads of a stream are made of.
WORDS = [
    "data: {}\n\n",
    "data:{}\r\n\r\n",
    "data: [DONE]\n\n",
    "data: {",
    "{",
    "}",
    "[DONE]",
    "a" * 40,
    "é",
    " ",
    "\ufeff",
]
WORDS += ["\n", "\n\n", "\r", "\r\n", "\r\n\r\n", "event: error\n", ": x\n", "data: a\n", "data\n"]
WORDS += ["data: {\r}", "data: {\n}", "data: {" + "a" * 100 + "}\n\n"]


@settings(max_examples=1000)
@given(reads=st.lists(st.lists(st.sampled_from(WORDS)).map("".join)))
def test_events_taken_at_once_are_those_that_are_taken_line_by_line(reads: list[str]) -> None:
    quick, slow = SseDecoder(100), SseDecoder(100)
    for read in reads:
        outcomes = []
        for take in (lambda chunk: at_once(quick, chunk), slow.feed):
            try:
                outcomes.append([(type(event), event) for event in take(read.encode())])
            except CompletionError as error:
                outcomes.append([(CompletionError, error.message.encode())])

        assert outcomes[0] == outcomes[1]
        if outcomes[0] and outcomes[0][0][0] is CompletionError:
            return
    assert (quick.end(), quick.foreign) == (slow.end(), slow.foreign)


@pytest.mark.parametrize(("head", "end"), [("data: ", "\n"), ("data:", "\n"), ("data: ", "\r\n"), ("data:", "\r\n")])
def test_json_objects_are_taken_at_once(head: str, end: str) -> None:
    decoder = SseDecoder()
    found = decoder.feed_json(
        f'{head}{{"a":1}}{end}{end}{head}{{}}{end}{end}{head}[DONE]{end}{end}{head}{{"b"'.encode()
    )
    rest = decoder.feed_json(f":2}}{end}{end}".encode())

    assert found is not None
    assert ([found.data(0), found.data(1)], found.text, found.done) == ([b'{"a":1}', b"{}"], b'{"a":1}{}', True)
    assert rest is not None
    assert (rest.text, rest.done) == (b'{"b":2}', False)


def test_comments_and_other_fields_are_passed_over() -> None:
    wire = b": ping\n\nevent: chunk\nid: 1\nretry: 5\ndata: x\n\n:\n\ndatum: y\n\n"

    assert decoded(wire) == [b"x"]


def test_an_event_that_is_named_an_error_is_marked() -> None:
    first, second, third = decoded(b"event: error\ndata: a\n\ndata: b\n\nevent:error\r\ndata: c\r\n\r\n")

    assert [type(event) for event in (first, second, third)] == [ErrorData, bytes, ErrorData]


def test_an_event_without_data_marks_no_other_as_an_error() -> None:
    (data,) = decoded(b"event: error\n\ndata: a\n\n")

    assert type(data) is bytes


def test_lines_of_another_format_are_noticed() -> None:
    page, stream = SseDecoder(), SseDecoder()
    page.feed(b"HTTP error\r\nat: noon\n")
    stream.feed(b": ping\nretry: 5\nid: 1\nevent: x\ndata: a\n\n")

    assert (page.foreign, stream.foreign) == (True, False)


@given(cuts=st.lists(st.integers(0, 2000)), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_an_answer_does_not_depend_on_where_its_bytes_are_cut(cuts: list[int], end: str) -> None:
    wire = ANSWER.replace("\n", end).encode()
    bounds = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]

    assert answered(*(wire[start:stop] for start, stop in pairwise(bounds))) == answered(wire)
    assert answered(wire).choices[0].message.parts[1].text == "Größe ✓ 🙂 done"


def test_the_lines_of_one_event_are_joined() -> None:
    assert decoded(b"data: a\ndata:b\ndata\n\n") == [b"a\nb\n"]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert decoded(b"\xef\xbb\xbfdata: a\n\n") == [b"a"]


@pytest.mark.parametrize("end", ["", "\n", "\r", "\r\n"])
def test_the_last_event_may_lack_its_empty_line(end: str) -> None:
    decoder = SseDecoder()
    events = decoder.feed(b"data: a\n\ndata: b" + end.encode())

    assert (events, decoder.end(), decoder.end()) == ([b"a"], b"b", None)


def test_events_without_data_are_ignored() -> None:
    assert decoded(b"data:\n\ndata: \n\ndata\n\ndata: a\n\n") == [b"a"]


@pytest.mark.parametrize("wire", [b"data: " + b"x" * 200, b"data: xxxxxxxxx\n" * 20, b"x" * 200 + b"\n"])
def test_an_endless_event_is_rejected_and_not_kept(wire: bytes) -> None:
    decoder = SseDecoder(max_event=100)
    with pytest.raises(CompletionError) as refused:
        for start in range(0, len(wire), 7):
            list(decoder.feed(wire[start : start + 7]))

    assert refused.value.reason == v1.ERROR_REASON_PROVIDER_MALFORMED
