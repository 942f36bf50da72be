"""The laws of dialects catch those that break them. The pair that is broken here keeps them: see TestOpenAIChat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import test_dialect_laws as pairs
from dragoman import v1
from dragoman_service.dialects.contract import IncompleteAnswerError
from dragoman_service.dialects.openai.client.dialect import OpenAIClientDialect
from dragoman_service.dialects.openai.server.dialect import ChatDialect
from dragoman_service.dialects.openai.server.stream import DONE, ChatEventEncoder
from dragoman_service.errors import CompletionError, internal
from dragoman_service.testing import DialectLaws
from dragoman_service.testing.dialect_laws.requests import FIELDS
from dragoman_service.testing.provider_laws import claims
from hypothesis import Phase, settings


@pytest.fixture(autouse=True)
def quickly() -> Iterator[None]:
    """Any counterexample will do, not only the smallest one."""
    settings.register_profile("quickly", phases=[Phase.generate], report_multiple_bugs=False)
    settings.load_profile("quickly")
    yield
    settings.load_profile("steady")


class ForgetsAField(ChatDialect):
    def decode_request(self, wire):
        decoded = super().decode_request(wire)
        decoded.request.generation_config.ClearField("temperature")
        return decoded


class ClaimsWhatIsNoField(ChatDialect):
    supported_fields = (*ChatDialect.supported_fields, "generation_config.temprature")


class TakesAnyBytes(ChatDialect):
    def decode_request(self, wire):
        return super().decode_request(wire if b"model" in wire else b'{"model": "m", "messages": []}')


class LosesReasoning(ChatDialect):
    def event_encoder(self, decoded):
        return Without("reasoning")


class Without(ChatEventEncoder):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def feed(self, event):
        return () if event.delta.WhichOneof("content") == self.kind else super().feed(event)


class LosesUsage(ChatDialect):
    def encode_completion(self, completion, decoded):
        answer = v1.Completion()
        answer.CopyFrom(completion)
        answer.ClearField("usage")
        return super().encode_completion(answer, decoded)


class UsesOneEncoder(ChatDialect):
    def __init__(self):
        super().__init__()
        self.encoder = ChatEventEncoder(include_usage=True)

    def event_encoder(self, decoded):
        return self.encoder


class EndsAnyway(ChatDialect):
    def event_encoder(self, decoded):
        return Ends(include_usage=True)


class Ends(ChatEventEncoder):
    def end(self):
        return (DONE,) if self._completion is None else super().end()


class IgnoresRetractions(ChatDialect):
    def event_encoder(self, decoded):
        return Unretracted(include_usage=True)


class Unretracted(ChatEventEncoder):
    def _retract(self):
        pass


class HidesReasons(ChatDialect):
    def encode_error(self, error, call_id):
        return super().encode_error(internal(), call_id)


class HidesTheCall(ChatDialect):
    def encode_error(self, error, call_id):
        return super().encode_error(error, "")


class ForgetsToWait(ChatDialect):
    def encode_error(self, error, call_id):
        return replace(super().encode_error(error, call_id), headers={})


class FailsAsIfItWereComplete(ChatDialect):
    def event_encoder(self, decoded):
        return Succeeds(include_usage=True)


class Succeeds(ChatEventEncoder):
    def fail(self, error, call_id):
        return (DONE,)


class Wrapped:
    def __init__(self, decoder):
        self.decoder = decoder

    @property
    def ended(self):
        return self.decoder.ended

    def feed(self, piece):
        return self.decoder.feed(piece)

    def end(self):
        return self.decoder.end()


class Decodes(OpenAIClientDialect):
    """A client whose decoders are wrapped."""

    Wrapper: type[Wrapped]

    def event_decoder(self, request):
        return self.Wrapper(super().event_decoder(request))


class SendsNothings(Decodes):
    class Wrapper(Wrapped):
        def feed(self, piece):
            return [*super().feed(piece), v1.CompletionEvent(delta=v1.Delta(text=""))]


class DropsHalfLines(Decodes):
    """Treats each piece as complete lines."""

    class Wrapper(Wrapped):
        def feed(self, piece):
            return super().feed(piece if piece.endswith(b"\n") else piece.rpartition(b"\n")[0] + b"\n")


class TakesAPartForTheWhole(Decodes):
    class Wrapper(Wrapped):
        def end(self):
            try:
                return list(super().end())
            except IncompleteAnswerError:
                return [v1.CompletionEvent(choice_finished=v1.ChoiceFinished(finish_reason=v1.FINISH_REASON_STOP))]


class SaysTooEarlyThatItEnded(Decodes):
    class Wrapper(Wrapped):
        ended = True


class AsksForTheWhole(OpenAIClientDialect):
    def encode_request(self, request):
        return super().encode_request(request, stream=False)


# A sound answer that cannot be decoded fails a law with the error itself.
FAILURES = (AssertionError, CompletionError, IncompleteAnswerError, pytest.fail.Exception)
SERVERS = {
    ForgetsAField: "a_request_comes_back_as_it_was",
    ClaimsWhatIsNoField: "supported_fields_are_fields_of_a_request",
    TakesAnyBytes: "bytes_that_are_no_request_are_refused",
    LosesReasoning: "a_streamed_answer_comes_back_as_it_was",
    LosesUsage: "a_complete_answer_comes_back_as_it_was",
    UsesOneEncoder: "answers_side_by_side_do_not_mix",
    EndsAnyway: "a_stream_without_its_end_is_not_ended_as_if_it_were_complete",
    IgnoresRetractions: "text_that_was_retracted_is_no_part_of_the_answer",
    HidesReasons: "errors_keep_their_code_and_reason",
    HidesTheCall: "errors_keep_their_code_and_reason",
    ForgetsToWait: "errors_keep_their_code_and_reason",
    FailsAsIfItWereComplete: "an_error_in_the_middle_of_a_stream_keeps_its_code_and_reason",
}
CLIENTS = {
    AsksForTheWhole: "a_request_comes_back_as_it_was",
    SendsNothings: "a_streamed_answer_comes_back_as_it_was",
    DropsHalfLines: "any_chunking_gives_the_same_events",
    TakesAPartForTheWhole: "an_answer_that_is_cut_anywhere_is_never_a_shorter_one",
    SaysTooEarlyThatItEnded: "an_answer_that_is_cut_anywhere_is_never_a_shorter_one",
}


def laws_for(server, client):
    class Laws(DialectLaws):
        pass

    Laws.server, Laws.client = server, client
    return Laws()


@pytest.mark.parametrize(("server", "law"), SERVERS.items())
def test_a_server_that_breaks_a_law_is_caught(server, law):
    with pytest.raises(FAILURES):
        getattr(laws_for(server(), OpenAIClientDialect(pairs.EVERYTHING)), f"test_{law}")()


@pytest.mark.parametrize(("client", "law"), CLIENTS.items())
def test_a_client_that_breaks_a_law_is_caught(client, law):
    with pytest.raises(FAILURES):
        getattr(laws_for(ChatDialect(), client(pairs.EVERYTHING)), f"test_{law}")()


def test_an_answer_out_of_nothing_is_caught():
    with pytest.raises(pytest.fail.Exception):
        laws_for(ChatDialect(), TakesAPartForTheWhole()).test_no_answer_at_all_is_incomplete()


def test_requests_are_drawn_over_every_field_that_models_can_claim():
    assert FIELDS == claims.FIELDS


def test_every_law_catches_somebody():
    laws = {name.removeprefix("test_") for name in dir(DialectLaws) if name.startswith("test_")}

    assert {*SERVERS.values(), *CLIENTS.values(), "no_answer_at_all_is_incomplete"} == laws
