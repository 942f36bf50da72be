"""The laws that every pair of dialects keeps, as tests that its author inherits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile, zip_longest
from typing import Any

import pytest
from dragoman import v1
from hypothesis import given
from hypothesis import strategies as st

from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.errors import CompletionError
from dragoman_service.testing.dialect_laws.answers import Events, finished, folded, joined
from dragoman_service.testing.dialect_laws.pair import CALL_ID, DialectPair, checked
from dragoman_service.testing.dialect_laws.requests import FIELDS, normal
from dragoman_service.testing.provider_laws.harness import has_content

_OWN = ("delta", "safety", "citations", "choice_finished", "usage")


class DialectLaws(DialectPair):
    """Subclass it and set `server` and `client`; the other attributes state what the dialect cannot carry.

        class TestAcme(DialectLaws):
            server = AcmeServer()
            client = AcmeClient()

    What one side encodes the other side decodes. A side alone is tested against a small counterpart in the tests.
    """

    # 1. A request is decoded as it was before it was encoded

    def test_a_request_comes_back_as_it_was(self) -> None:
        @checked
        @given(self.requests())
        def holds(request: v1.CompletionRequest) -> None:
            decoded = self.server.decode_request(self.client.encode_request(request))

            assert normal(decoded.request) == normal(request)
            assert decoded.stream, "a client requests a stream"

        holds()

    def test_supported_fields_are_fields_of_a_request(self) -> None:
        for side in (self.server, self.client):
            assert {path for path in side.supported_fields if not path.startswith("extensions")} <= FIELDS, (
                "paths of optional fields, as in Model.supported_fields"
            )

    def test_bytes_that_are_no_request_are_refused(self) -> None:
        if not isinstance(self.client.encode_request(self.request_for([])), bytes):
            pytest.skip("requests of this dialect are messages, which gRPC parses")
        for body in (b"", b"{", b"null", b"\xff", b"\x00"):
            with pytest.raises(CompletionError) as caught:
                self.server.decode_request(body)

            assert caught.value.reason in (v1.ERROR_REASON_MALFORMED_REQUEST, v1.ERROR_REASON_INVALID_FIELD)

    # 2. An answer is decoded as it was before it was encoded, streamed or complete

    def test_a_streamed_answer_comes_back_as_it_was(self) -> None:
        @checked
        @given(self.answers())
        def holds(events: Events) -> None:
            decoded = self.decoded(events, self.encoded(events))

            assert self.content(folded(decoded)) == self.content(folded(events))
            assert {event.WhichOneof("event") for event in decoded} <= set(_OWN)
            assert not any(_is_empty(event) for event in decoded)

        holds()

    def test_a_complete_answer_comes_back_as_it_was(self) -> None:
        @checked
        @given(self.answers())
        def holds(events: Events) -> None:
            decoded = self.decoded(events, [self.complete(events)])

            assert self.content(folded(decoded)) == self.content(folded(events))

        holds()

    def test_answers_side_by_side_do_not_mix(self) -> None:
        @checked
        @given(self.answers(), self.answers())
        def holds(one: Events, other: Events) -> None:
            both = (one, other)
            pieces = _in_turn([self.encoder_for(events) for events in both], both)
            decoded = _in_turn([self.decoder_for(events) for events in both], pieces)

            assert [self.content(folded(events)) for events in decoded] == [
                self.content(folded(events)) for events in both
            ]

        holds()

    # 3. However the network cuts and joins bytes, the events are the same

    def test_any_chunking_gives_the_same_events(self) -> None:
        if not self._has_bytes():
            pytest.skip("pieces of this dialect are messages, which gRPC keeps whole")

        @checked
        @given(self.answers(), st.data())
        def holds(events: Events, data: st.DataObject) -> None:
            wire = b"".join(self.encoded(events))
            cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=8)))
            chunks = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]

            assert joined(self.decoded(events, chunks)) == joined(self.decoded(events, [wire]))

        holds()

    # 4. An answer that is cut is incomplete, never a shorter success

    def test_an_answer_that_is_cut_anywhere_is_never_a_shorter_one(self) -> None:
        has_bytes = self._has_bytes()

        @checked
        @given(self.answers(), st.data())
        def holds(events: Events, data: st.DataObject) -> None:
            pieces = self.encoded(events)
            wire = b"".join(pieces) if has_bytes else pieces  # cut between any two bytes, or any two messages
            rest = wire[: data.draw(st.integers(0, len(wire) - 1))]
            decoder, decoded = self.decoder_for(events), Events()
            try:
                for piece in [rest] if has_bytes else rest:
                    decoded += decoder.feed(piece)
                decoded += decoder.end()
            except (CompletionError, IncompleteAnswerError):
                assert not decoder.ended, "an answer that has ended is not incomplete"
                return

            assert self.content(folded(decoded))[:-1] == self.content(folded(events))[:-1], (
                "a part of the answer was taken for all of it"
            )

        holds()

    def test_no_answer_at_all_is_incomplete(self) -> None:
        with pytest.raises(IncompleteAnswerError):
            self.decoded([], [])

    def test_a_stream_without_its_end_is_not_ended_as_if_it_were_complete(self) -> None:
        @checked
        @given(self.answers())
        def holds(events: Events) -> None:
            encoder = self.encoder_for(events)
            for event in events[:-1]:
                list(encoder.feed(event))
            with pytest.raises(CompletionError):
                list(encoder.end())

        holds()

    def test_text_that_was_retracted_is_no_part_of_the_answer(self) -> None:
        @checked
        @given(self.answers(), self.answers())
        def holds(before: Events, after: Events) -> None:
            retracted = v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1))
            kept = [event for event in before if event.WhichOneof("event") in ("started", "delta")]
            try:
                decoded = folded(self.decoded(after, self.encoded([*kept, retracted, *after])))
            except (CompletionError, IncompleteAnswerError):
                return

            assert self.content(decoded) == self.content(folded(after))

        holds()

    # 5. Errors keep code and reason

    def test_errors_keep_their_code_and_reason(self) -> None:
        for error in self.errors:
            wire = self.server.encode_error(error, CALL_ID)
            decoded = self.client.decode_error(wire)

            assert (decoded.code, decoded.reason) == (error.code, error.reason)
            assert (decoded.retryable, decoded.retry_after) == (error.retryable, error.retry_after)
            assert CALL_ID in str(wire), "the caller needs the id of the call to ask about the error"

    def test_an_error_in_the_middle_of_a_stream_keeps_its_code_and_reason(self) -> None:
        @checked
        @given(self.answers(), st.sampled_from(self.errors))
        def holds(events: Events, error: CompletionError) -> None:
            encoder = self.encoder_for(events)
            begun = [piece for event in _before_any_end(events) for piece in encoder.feed(event)]
            last = list(encoder.fail(error, CALL_ID))
            with pytest.raises((CompletionError, IncompleteAnswerError)) as caught:
                self.decoded(events, [*begun, *last])

            if last:  # otherwise the status of the call carries the error
                assert isinstance(caught.value, CompletionError)
                assert (caught.value.code, caught.value.reason) == (error.code, error.reason)

        holds()

    def _has_bytes(self) -> bool:
        events = [
            v1.CompletionEvent(delta=v1.Delta(text="x")),
            v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_STOP)),
        ]
        return isinstance(self.encoded(finished(events))[0], bytes)


def _in_turn(codecs: Sequence[Any], inputs: Sequence[Iterable[Any]]) -> list[list[Any]]:
    """What encoders, or decoders, make of `inputs` if each takes one item after the other."""
    outputs: list[list[Any]] = [[] for _ in codecs]
    for items in zip_longest(*inputs):
        for codec, item, output in zip(codecs, items, outputs, strict=True):
            output += () if item is None else codec.feed(item)
    for codec, output in zip(codecs, outputs, strict=True):
        output += codec.end()
    return outputs


def _before_any_end(events: Events) -> Iterable[v1.CompletionEvent]:
    return takewhile(lambda event: not event.HasField("choice_finished"), events)


def _is_empty(event: v1.CompletionEvent) -> bool:
    return event.HasField("delta") and not has_content(event.delta)
